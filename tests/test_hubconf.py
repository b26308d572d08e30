"""`torch.hub.load` builds generators by the names of options, and loads their weights."""

import json
from pathlib import Path

import pytest
import torch

from models.networks.generators import SPADEGenerator
from models.networks.layout import SemanticLayout
from options import TrainOptions
from util.fill import fill

ROOT = Path(__file__).parents[1]
SMALL = {"label_nc": 4, "ngf": 2, "crop_size": 64, "norm_G": "spectralspadesyncbatch1x1"}


def load(*args, **kwargs):
    return torch.hub.load(str(ROOT), "spade_generator", *args, source="local", **kwargs)


@torch.no_grad()
def test_a_generator_with_the_weights_of_a_file_makes_its_images(tmp_path):
    netG = SPADEGenerator(6, 2, SMALL["norm_G"], latent_size=(4, 2))
    fill(netG, seed=0)
    torch.save(netG.state_dict(), tmp_path / "latest_net_G.pth")
    generator = load(tmp_path / "latest_net_G.pth", **SMALL, aspect_ratio=0.5)
    labels = torch.arange(2 * 128 * 64).reshape(2, 128, 64) // 100 % 5
    instances = labels.byte()
    expected = netG.eval()(SemanticLayout.from_instances(labels, instances, 5))
    images = generator(labels, instances)
    assert images.shape == (2, 3, 128, 64) and expected.std() > 0.05
    assert (images - expected).abs().max() < 1e-4 * expected.abs().max()
    with pytest.raises(ValueError, match="instances: needed"):
        generator(labels)


@torch.no_grad()
def test_a_generator_with_a_latent_draws_it_or_takes_it():
    generator = load(**SMALL, instance=False, use_vae=True, z_dim=3)
    labels = torch.zeros(1, 64, 64, dtype=torch.int64)
    assert (generator(labels) != generator(labels)).any()
    z = torch.randn(1, 3)
    assert torch.equal(generator(labels, z=z), generator(labels, z=z))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": "none.pth"}, "none.pth: no such file"),
        ({"num_upsampling_layers": "few"}, "--num_upsampling_layers few: must be one of normal, more, most"),
        ({"crop_size": 65}, "--crop_size 65: must be a multiple of 32"),
        ({"method": "crn"}, "method crn: must be one of spade, spade_plus"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(changes, message):
    with pytest.raises(ValueError, match=message):
        load(**SMALL | changes)


def test_weights_of_another_architecture_are_refused(tmp_path):
    torch.save(SPADEGenerator(6, 3, SMALL["norm_G"]).state_dict(), tmp_path / "net.pth")
    with pytest.raises(ValueError, match="--ngf is 3 in the file and 2 here"):
        load(tmp_path / "net.pth", **SMALL)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"labels": torch.full((1, 64, 64), 5)}, "labels 5..5: must be 0..4"),
        ({"labels": torch.full((1, 64, 64), -1)}, "labels -1..-1: must be 0..4"),
        ({"labels": torch.zeros(1, 64, 64)}, "labels torch.float32: must be integers"),
        ({"labels": torch.zeros(64, 64, dtype=torch.int64)}, r"labels \(64, 64\): must be \(N, H, W\)"),
        ({"instances": torch.zeros(2, 64, 64, dtype=torch.int64)}, r"instances \(2, 64, 64\): must be \(N, H, W\)"),
        ({"z": torch.zeros(1, 8)}, r"z \(1, 8\): this network takes \(1, 3\)"),
        ({"z": torch.zeros(1, 3).half()}, "z torch.float16: must be finite numbers of torch.float32"),
        ({"z": torch.full((1, 3), torch.nan)}, "must be finite"),
    ],
)
def test_wrong_maps_and_latents_are_refused_in_one_line(inputs, message):
    maps = {name: torch.zeros(1, 64, 64, dtype=torch.int64) for name in ("labels", "instances")}
    with pytest.raises(ValueError, match=message):
        load(**SMALL, z_dim=3)(**maps | inputs)  # z_dim alone: a random input, as for train.py
    with pytest.raises(ValueError, match=r"z \(1, 3\): this network has no latent"):
        load(**SMALL)(**maps, z=torch.zeros(1, 3))


@torch.no_grad()
def test_the_options_of_a_run_are_taken_whole(tmp_path):
    TrainOptions(**SMALL, contain_dontcare_label=True, dataset_mode="coco").save(tmp_path / "options.json")
    generator = load(**json.loads((tmp_path / "options.json").read_text())["options"])
    assert sum(p.numel() for p in generator.parameters()) == sum(p.numel() for p in load(**SMALL).parameters())


def test_other_names_are_refused():
    with pytest.raises(TypeError, match="nfg"):
        load(nfg=3)
