"""Networks as they generate the images of a test."""

import pytest
import torch

from data import PRESETS
from evaluation.generation import Generation
from models import create_model
from models.networks.spectral_norm import spectral_layers
from options import TestOptions, parse_options
from util.latents import draw_latents


@pytest.mark.parametrize("flags", [[], ["--modulation", "dense"]], ids=["default", "dense"])
def test_norms_are_folded_however_modulation_is_computed(flags):
    opt = parse_options(TestOptions, ["--crop_size", "64", "--ngf", "2", "--gpu_ids", "-1", *flags], PRESETS)
    model = create_model(opt)
    assert list(spectral_layers(model.netG))
    Generation(opt, model, dataset=None)
    assert list(spectral_layers(model.netG)) == []


def test_random_input_has_styles_without_an_encoder():
    """One image for each of --num_styles, from the latents that the label map's index draws."""
    flags = "--crop_size 64 --ngf 2 --gpu_ids -1 --random_input --z_dim 4 --num_styles 2 --conditioning concat"
    opt = parse_options(TestOptions, flags.split(), PRESETS)
    generation = Generation(opt, create_model(opt), dataset=None)
    labels = torch.zeros(1, 64, 64, dtype=torch.long)
    found = dict(generation.images({"labels": labels, "instances": labels, "index": torch.tensor([3])}))
    assert list(found) == ["random style 1", "random style 2"]
    latents = [z for _, z in generation.styles.of([3])]
    assert torch.equal(torch.stack(latents, 1), draw_latents(opt.seed, [3], 4, 2))
    assert (found["random style 1"] != found["random style 2"]).any()
