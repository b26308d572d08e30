"""Networks as they generate the images of a test."""

import pytest

from data import PRESETS
from evaluation.generation import Generation
from models import create_model
from models.networks.spectral_norm import spectral_layers
from options import TestOptions, parse_options


@pytest.mark.parametrize("flags", [[], ["--modulation", "dense"]], ids=["default", "dense"])
def test_norms_are_folded_however_modulation_is_computed(flags):
    opt = parse_options(TestOptions, ["--crop_size", "64", "--ngf", "2", "--gpu_ids", "-1", *flags], PRESETS)
    model = create_model(opt)
    assert list(spectral_layers(model.netG))
    Generation(opt, model, dataset=None)
    assert list(spectral_layers(model.netG)) == []
