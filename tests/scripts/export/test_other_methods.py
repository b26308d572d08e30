"""Generators of other methods than SPADE are exported at their size, with their noise as an input."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import test as test_program
from data import PRESETS
from models import METHODS, create_model
from options import TestOptions, TrainOptions, parse_options
from scripts.export import generate
from scripts.export.__main__ import main
from scripts.export.formats import FORMATS
from tests.scripts.export.exported_runs import argv
from trainers.checkpoint import network_path
from util.fill import fill

pytestmark = pytest.mark.tools

SMALL = "--dataset_mode landscapes --crop_size 64 --gpu_ids -1 --name small"
RUNS = {"pix2pix": "--ngf 2", "crn": "--crn_channels 4 --crn_images 2"}


def save_run(folder: Path, flags: str) -> TestOptions:
    """A run as train.py leaves it, but never trained; return its options."""
    argv = [*flags.split(), "--checkpoints_dir", str(folder)]
    saved = parse_options(TrainOptions, argv, PRESETS, METHODS)
    saved.save(saved.run_dir / "options.json")
    opt = parse_options(TestOptions, [*argv, "--load_from_opt_file"], PRESETS, METHODS)
    netG = create_model(opt).netG
    fill(netG, seed=0)
    torch.save(netG.state_dict(), network_path(opt.run_dir, "latest", "G"))
    return opt


@pytest.mark.parametrize("method", RUNS)
def test_the_file_generates_what_the_network_does(method, tmp_path, capsys):
    opt = save_run(tmp_path, f"{SMALL} --method {method} {RUNS[method]}")
    netG = create_model(opt).netG
    output = tmp_path / "small.pt2"
    assert main(argv(tmp_path, "small", output)) == 0, capsys.readouterr()  # refuses a file with other images
    assert "largest difference from the trained network" in capsys.readouterr().out
    _, load = FORMATS["torch_export"]
    program = load(output)
    labels = np.zeros((1, 64, 64), np.int64)
    inputs: dict[str, np.ndarray] = {"labels": labels} | ({"edges": labels > 0} if opt.instance else {})
    if netG.z_dim is not None:
        inputs["z"] = np.zeros((1, netG.z_dim), np.float32)
    assert program(**inputs).shape == (1, 3, 64, 64)


def test_label_maps_and_seeds_give_the_images_of_oasis_in_a_test(tmp_path):
    """The file itself joins the noise to the labels, and moves them: here unknown is 255 in files, and last."""
    maps = tmp_path / "labels"
    maps.mkdir()
    cells = np.array([[0, 1], [255, 2]], np.uint8)
    Image.fromarray(cells.repeat(32, axis=0).repeat(32, axis=1)).save(maps / "a.png")
    data = f"--dataset_mode custom --label_dir {maps} --label_nc 3 --contain_dontcare_label --image_dir x"
    save_run(tmp_path, f"--name small --method oasis --gpu_ids -1 --ngf 2 --z_dim 3 --crop_size 64 {data}")
    assert main(argv(tmp_path, "small", tmp_path / "small.pt2")) == 0
    words = f"--labels {maps} --output {tmp_path / 'out'} --num_styles 2 --seed 5"
    assert generate.main(["--model", str(tmp_path / "small.pt2"), *words.split()]) == 0
    results = f"--results_dir {tmp_path / 'results'} --checkpoints_dir {tmp_path} --name small --num_styles 2 --seed 5"
    assert test_program.main([*results.split(), "--label_dir", str(maps), "--gpu_ids", "-1"]) == 0
    theirs = tmp_path / "results/small/test_latest/images"
    images = []
    for style, folder in (("style1", "synthesized_image"), ("style2", "synthesized_image_style2")):
        image, expected = (
            np.asarray(Image.open(path / "a.png")).astype(int) for path in (tmp_path / "out" / style, theirs / folder)
        )
        assert expected.std() > 10 and np.abs(image - expected).max() <= 1
        images.append(image)
    assert np.abs(images[0] - images[1]).max() > 10
