"""`python -m scripts.prepare shards`: what is in the tars, and what is refused."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from webdataset.compat import WebDataset

from data import PRESETS, create_dataset
from options import TrainOptions, parse_options
from scripts.prepare.__main__ import main as prepare
from scripts.prepare.shards import main as pack
from util.errors import InputError

pytestmark = pytest.mark.tools


@pytest.fixture
def folders(tmp_path) -> list[str]:
    """Two samples of 20x30, whose names have dots and folders; one photo is a JPEG."""
    generator = np.random.default_rng(0)
    for name, ending in (("town/a.b", "png"), ("town/a_b", "jpg")):
        for kind, suffix in (("labels", "png"), ("photos", ending), ("instances", "png")):
            path = tmp_path / kind / f"{name}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            size = (20, 30, 3) if kind == "photos" else (20, 30)
            values = generator.integers(0, 3, size, dtype=np.uint8)
            if kind == "labels":
                values[0, 0] = 255
            Image.fromarray(values * (1 if kind != "instances" else np.uint16(20000))).save(path)
    flags = [
        f"--{kind}_dir={tmp_path}/{kind_folder}" for kind, kind_folder in (("label", "labels"), ("image", "photos"))
    ]
    return ["--dataset_mode", "custom", *flags, f"--instance_dir={tmp_path}/instances", "--label_nc", "3",
            "--contain_dontcare_label", "--crop_size", "32", "--workers", "1", "--no_pairing_check"]  # fmt: skip


def ids(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_webdataset_reads_the_tars(folders, tmp_path):
    assert pack([str(tmp_path / "out"), *folders]) == 0
    tars = [str(path) for path in sorted((tmp_path / "out").glob("*.tar"))]
    one, other = WebDataset(tars, shardshuffle=False)
    assert {one["__key__"], other["__key__"]} == {"town/a_b", "town/a_b_000000001"}
    photos = sorted((tmp_path / "photos" / "town").iterdir())
    assert [one["png"], other["jpg"]] == [path.read_bytes() for path in photos]
    for sample, name in ((one, "a.b"), (other, "a_b")):
        for end, kind in (("label.png", "labels"), ("instances.png", "instances")):
            assert (ids(sample[end]) == ids((tmp_path / kind / "town" / f"{name}.png").read_bytes())).all()


def test_the_index_names_each_file_of_each_sample_and_where_it_is(folders, tmp_path):
    pack([str(tmp_path / "out"), *folders])
    ((shard,),) = [json.loads((tmp_path / "out" / "train-index.json").read_text())["shards"]]
    content = (tmp_path / "out" / shard["name"]).read_bytes()
    assert len(content) == shard["size"] and [row["name"] for row in shard["samples"]] == ["town/a.b", "town/a_b"]
    _, offset, size, _ = shard["samples"][0]["photo"]
    assert content[offset : offset + size] == (tmp_path / "photos" / "town" / "a.b.png").read_bytes()


def test_any_name_is_read_back(folders, tmp_path):
    """Tars hold names that are long or not ASCII elsewhere."""
    for kind in ("labels", "photos", "instances"):
        one, other = sorted((tmp_path / kind / "town").iterdir())
        one.rename(one.with_name(f"{'long' * 40}{one.suffix}"))
        other.rename(other.with_name(f"straße.日本{other.suffix}"))
    pack([str(tmp_path / "out"), *folders])
    opt = parse_options(TrainOptions, ["--shards", str(tmp_path / "out"), "--no_vgg_loss"], PRESETS)
    dataset = create_dataset(opt)
    assert [dataset[index]["name"] for index in range(2)] == [f"town/{'long' * 40}", "town/straße.日本"]


def test_larger_samples_are_resized_to_a_short_side(folders, tmp_path):
    pack([str(tmp_path / "out"), *folders, "--size", "10"])
    for sample in WebDataset(str(tmp_path / "out" / "train-000000.tar"), shardshuffle=False):
        assert Image.open(io.BytesIO(sample["jpg"])).size == (15, 10)
        assert ids(sample["label.png"]).shape == ids(sample["instances.png"]).shape == (10, 15)
        assert {*np.unique(ids(sample["label.png"]))} <= {0, 1, 2, 255}


def test_other_files_and_other_packings_are_not_replaced(folders, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "train-000000.tar").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"train-000000\.tar: is there already"):
        pack([str(out), *folders])
    assert (out / "train-000000.tar").read_bytes() == b"mine"
    (out / "train-000000.tar").unlink()
    pack([str(out), *folders])
    with pytest.raises(InputError, match="is of another packing, or files or options have changed"):
        pack([str(out), *folders, "--size", "10"])


def test_verify_names_a_tar_whose_content_has_changed(folders, tmp_path, capsys):
    out = tmp_path / "out"
    pack([str(out), *folders])
    assert pack(["--verify", str(out)]) == 0
    content = bytearray((out / "train-000000.tar").read_bytes())
    content[-1] ^= 1
    (out / "train-000000.tar").write_bytes(content)
    assert pack(["--verify", str(out)]) == 1
    assert "train-000000.tar: its SHA-256 is not that of its index" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name what to pack"),
        (["a", "b", "c"], "name what to pack"),
        (["out", "--samples", "0"], "--samples 0"),
        (["out", "--size", "0"], "--size 0"),
        (["out", "--dataset_mode", "landscapes"], "has no files"),
        (["coco", "--dataroot", "x"], "coco: is a data set; name the folder to write last"),
        (["--dataroot", "x", "coco", "out"], "name what to pack and the folder to write, ahead of flags of train.py"),
        (["--verify", "https://host//set"], "--verify https://host//set: verifies folders on disk"),
        (["--verify", "nope"], "--verify nope: no data.toml in it; name the folder that"),
        (["--verify", ""], "--verify : no data.toml in it"),
    ],
)
def test_wrong_command_lines_are_refused(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        pack(words)
    assert not [*Path().iterdir()]


@pytest.mark.parametrize("words", [["data.toml"], ["data.toml", "a file"], ["--samples", "3", "data.toml", "a file"]])
def test_a_file_in_place_of_the_folder_to_write_is_named(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("data.toml", "a file"):
        Path(name).write_text("", encoding="utf-8")
    with pytest.raises(InputError, match=f"^{words[-1]}: is a file; name the folder to write last"):
        pack(words)


def test_own_flags_may_come_first(folders, tmp_path):
    assert pack(["--samples", "1", "--parts", "train", "--size", "10", str(tmp_path / "out"), *folders]) == 0
    assert len([*(tmp_path / "out").glob("train-*.tar")]) == 2


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--label_dir", "none"], "none: "),
        (["--nonsense"], "--nonsense: no such option"),
        (["--label_nc", "0", "--no_contain_dontcare_label", "--no_instance", "--input_nc", "1"], "train on the files"),
        (["--input_nc", "3"], "--input_nc 3: shards hold label maps, and these are conditioning images"),
    ],
)
def test_what_cannot_be_read_is_one_line_of_this_program(folders, tmp_path, capsys, more, message):
    with pytest.raises(SystemExit) as ended:
        prepare(["shards", str(tmp_path / "out"), *folders, *more])
    said = capsys.readouterr().err.strip()
    assert ended.value.code == 2 and "\n" not in said and message in said
    assert said.startswith("python -m scripts.prepare shards: error: ")
    assert not (tmp_path / "out").exists()
