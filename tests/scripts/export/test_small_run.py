"""A run in fewer bits is one that test.py's loading and torch.hub read, with images near those of the trained one."""

import numpy as np
import pytest
import torch

from scripts.export.__main__ import main
from tests.scripts.export.exported_runs import RUNS, load_run, random_inputs, synthesize
from tests.scripts.small_files import last_line
from trainers.loading import load_networks

pytestmark = pytest.mark.tools


def write(runs, name, output, *flags):
    where = ["--name", name, "--checkpoints_dir", str(runs), "--format", "run", "--output", str(output)]
    return main([*where, *flags])


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 0), ("float16", 0.02), ("int8", 0.2)])
def test_it_has_the_images_of_the_run(runs, tmp_path, capsys, precision, tolerance):
    assert write(runs, "styles", tmp_path / "small", "--precision", precision) == 0
    assert "PSNR" in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "small").iterdir()} == {
        *("options.json", "latest_net_G.pth", "latest_net_E.pth")
    }
    inputs = random_inputs("styles", 2)
    expected = synthesize(load_run(runs, "styles"), inputs)
    small = load_run(runs, "styles")
    load_networks(tmp_path / "small", "latest", small)
    images = synthesize(small, inputs)
    difference = np.abs(images - expected).max()
    assert difference <= tolerance and (difference > 0) == (precision != "float32")


def test_8_bits_take_a_quarter_of_the_space(runs, tmp_path):
    assert write(runs, "styles", tmp_path / "small", "--precision", "int8") == 0
    size, small = ((folder / "latest_net_G.pth").stat().st_size for folder in (runs / "styles", tmp_path / "small"))
    assert small < 0.4 * size  # of a tiny network, in which names and biases count


def test_the_average_is_what_is_written(runs, tmp_path):
    assert write(runs, "pix2pixhd", tmp_path / "small") == 0
    average = torch.load(runs / "pix2pixhd" / "latest_net_G_ema.pth", weights_only=True)
    written = torch.load(tmp_path / "small" / "latest_net_G.pth", weights_only=True)
    assert all(torch.equal(written[name], tensor) for name, tensor in average.items())
    assert "pix2pixhd" in RUNS


def test_what_cannot_be_written_is_one_line(runs, tmp_path, capsys):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("words")
    (tmp_path / "file").write_text("words")
    weights = (runs / "plain" / "latest_net_G.pth").read_bytes()
    with pytest.raises(SystemExit):
        write(runs, "plain", runs / "plain", "--precision", "int8")
    assert "name a new folder" in last_line(capsys.readouterr().err)
    assert (runs / "plain" / "latest_net_G.pth").read_bytes() == weights
    for output, flags, named in (
        ("taken", (), "thesis.txt"),
        ("file", (), "name a folder"),
        ("new", ("--dynamic_size",), "leave the flag out"),
    ):
        with pytest.raises(SystemExit) as ended:
            write(runs, "plain", tmp_path / output, *flags)
        assert ended.value.code == 2 and named in last_line(capsys.readouterr().err)
    assert not (tmp_path / "new").exists() and (tmp_path / "taken" / "thesis.txt").read_text() == "words"
