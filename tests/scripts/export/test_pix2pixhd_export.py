"""Generators of the published pix2pixHD are exported for any size, and refused where they need features of photos."""

import pytest
import torch

from data import PRESETS
from models import METHODS, create_model
from options import TrainOptions, parse_options
from scripts.export.__main__ import main
from scripts.export.generate import Model
from tests.scripts.export.exported_runs import argv
from trainers.published_names import network_path
from util.fill import fill

pytestmark = pytest.mark.tools

SMALL = "--method pix2pixhd --dataset_mode landscapes --crop_size 64 --gpu_ids -1 --name small --ngf 2 --ndf 2"
SHALLOW = "--n_downsample_global 1 --n_blocks_global 1 --n_blocks_local 1"


def save_run(folder, more: str) -> None:
    """A run as train.py leaves it, but never trained."""
    flags = [*f"{SMALL} {SHALLOW} {more}".split(), "--checkpoints_dir", str(folder)]
    opt = parse_options(TrainOptions, flags, PRESETS, METHODS)
    opt.save(opt.run_dir / "options.json")
    netG = create_model(opt).netG
    fill(netG, seed=0)
    torch.save(netG.state_dict(), network_path(opt.run_dir, "latest", "G"))


def test_a_file_of_any_size_generates_what_the_network_does(tmp_path, capsys):
    """The local enhancer, which contains the layers of the global generator, and pools its input."""
    save_run(tmp_path, "--netG local")
    output = tmp_path / "small.onnx"
    # It compares images of several sizes with those of the network, and refuses a file with others.
    assert main(argv(tmp_path, "small", output, "--dynamic_size")) == 0, capsys.readouterr()
    facts = Model(output, "generator").metadata
    assert (facts["method"], facts["netG"]) == ("pix2pixhd", "local")
    assert (facts["size_multiple"], facts["smallest_side"]) == (4, 8)


def test_a_generator_with_features_is_refused(tmp_path, capsys):
    save_run(tmp_path, "--label_feat")
    with pytest.raises(SystemExit):
        main(argv(tmp_path, "small", tmp_path / "small.onnx"))
    assert "--label_feat: a file has no photos" in capsys.readouterr().err
