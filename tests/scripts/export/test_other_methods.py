"""Generators of other methods than SPADE are exported at their size, with dropout's noise as an input."""

import numpy as np
import pytest
import torch

from data import PRESETS
from models import METHODS, create_model
from options import TestOptions, TrainOptions, parse_options
from scripts.export.__main__ import main
from scripts.export.formats import FORMATS
from tests.scripts.export.exported_runs import argv
from trainers.checkpoint import network_path
from util.fill import fill

pytestmark = pytest.mark.tools

SMALL = "--dataset_mode landscapes --crop_size 64 --gpu_ids -1 --name small"
RUNS = {"pix2pix": "--ngf 2", "crn": "--crn_channels 4 --crn_images 2"}


@pytest.mark.parametrize("method", RUNS)
def test_the_file_generates_what_the_network_does(method, tmp_path, capsys):
    flags = [*f"{SMALL} --method {method} {RUNS[method]}".split(), "--checkpoints_dir", str(tmp_path)]
    opt = parse_options(TrainOptions, flags, PRESETS, METHODS)
    opt.save(opt.run_dir / "options.json")
    netG = create_model(parse_options(TestOptions, [*flags, "--load_from_opt_file"], PRESETS, METHODS)).netG
    fill(netG, seed=0)
    torch.save(netG.state_dict(), network_path(opt.run_dir, "latest", "G"))
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
