"""Initialization as published: what gets the small gain, and what must keep PyTorch's default."""

import pytest
import torch

from models.networks.discriminators import MultiscaleDiscriminator
from models.networks.generators import SPADEGenerator
from models.networks.init import INITIALIZERS, init_weights


def test_spectral_weights_keep_the_default_and_all_others_get_xavier():
    torch.manual_seed(0)
    netG = SPADEGenerator(6, 16, latent_size=(1, 1))
    before = {name: tensor.clone() for name, tensor in netG.state_dict().items()}
    init_weights(netG, "xavier", 0.02)
    after = netG.state_dict()
    for name, tensor in after.items():
        if name.endswith("weight_orig"):
            assert torch.equal(tensor, before[name]), name
        elif name.endswith("bias"):
            assert not tensor.any(), name
        elif name.endswith("weight"):
            fan_in, fan_out = tensor[0].numel(), tensor.shape[0] * tensor[0, 0].numel()
            expected = 0.02 * (2 / (fan_in + fan_out)) ** 0.5
            assert tensor.std().item() == pytest.approx(expected, rel=0.15), name
    assert after["head_0.conv_0.weight_orig"].std() > 10 * after["head_0.norm_0.mlp_gamma.weight"].std()


def test_affine_norms_start_around_one():
    netD = init_weights(MultiscaleDiscriminator(3, 32, "spectralbatch"))
    norm = netD.discriminator_0.model3[0][1]
    assert norm.weight.mean().item() == pytest.approx(1, abs=0.01)
    assert 0.01 < norm.weight.std() < 0.03
    assert not norm.bias.any()


@pytest.mark.parametrize("init_type", sorted(INITIALIZERS.keys() - {"none"}))
def test_every_type_changes_the_weights(init_type):
    netG = SPADEGenerator(3, 2, latent_size=(1, 1))
    before = netG.fc.weight.clone()
    assert not torch.equal(init_weights(netG, init_type).fc.weight, before)
