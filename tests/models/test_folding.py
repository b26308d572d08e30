"""Folded networks compute what they computed before, with fewer layers."""

import pytest
import torch
from torch import nn

from models.folding import fold_norms
from models.networks.encoder import ConvEncoder
from models.networks.generators import Pix2PixHDGenerator, SPADEGenerator
from models.networks.layout import SemanticLayout
from models.networks.oasis import OASISGenerator
from models.networks.spectral_norm import spectral_layers
from models.networks.variants import ConcatHDResnetBlock, ConcatResnetBlock, PlainResnetBlock, ResnetBlock

LABELS = torch.arange(2 * 64 * 64).reshape(2, 64, 64) // 97 % 5


@pytest.fixture(autouse=True)
def double_precision():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def used(network: nn.Module, *inputs) -> nn.Module:
    """`network` with weights, statistics and singular vectors of a few training forwards."""
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0, 0.1)
    with torch.no_grad():
        for _ in range(3):
            network.train()(*inputs)
    return network.eval()


@pytest.mark.parametrize("norm", ["spectralspadesyncbatch3x3", "spectralspadebatch1x1", "spadeinstance1x1"])
def test_spade_generator_generates_the_same_images(norm):
    layout = SemanticLayout(LABELS, None, 5)
    network = used(SPADEGenerator(5, 2, norm, (2, 2)), layout)
    before = network(layout)
    assert torch.allclose(fold_norms(network)(layout), before, rtol=1e-9, atol=1e-12) and before.std() > 0.01


def test_oasis_generator_generates_the_same_images():
    """The norms in its SPADE layers have another name."""
    layout, z = SemanticLayout(LABELS, None, 5), torch.randn(2, 3)
    network = used(OASISGenerator(5, 2, "spectralspadesyncbatch1x1", latent_size=(2, 2), z_dim=3), layout)
    before = network(layout, z)
    assert torch.allclose(fold_norms(network)(layout, z), before, rtol=1e-9, atol=1e-12) and before.std() > 0.01


@pytest.mark.parametrize("block", [PlainResnetBlock, ConcatResnetBlock])
def test_decoder_without_spade_generates_the_same_images(block):
    layout = SemanticLayout(LABELS, None, 5)
    network = used(SPADEGenerator(5, 2, "spectralsyncbatch", (2, 2), block=block), layout)
    before = network(layout)
    assert torch.allclose(fold_norms(network)(layout), before, rtol=1e-9, atol=1e-12) and before.std() > 0.01


@pytest.mark.parametrize(
    ("norm", "block"),
    [
        ("instance", ResnetBlock),
        ("spectralbatch", ResnetBlock),
        ("spectralsyncbatch", ConcatHDResnetBlock),
        ("spectralspadesyncbatch1x1", ResnetBlock),
    ],
)
def test_pix2pixhd_generator_generates_the_same_images(norm, block):
    layout = SemanticLayout(LABELS, None, 5)
    network = used(Pix2PixHDGenerator(5, 2, norm, n_downsample=2, n_blocks=2, block=block), layout)
    before = network(layout)
    assert torch.allclose(fold_norms(network)(layout), before, rtol=1e-9, atol=1e-12) and before.std() > 0.01


@pytest.mark.parametrize("norm", ["spectralinstance", "spectralbatch"])
def test_encoder_reads_the_same_style(norm):
    photos = torch.rand(2, 3, 64, 64)
    network = used(ConvEncoder(64, 2, norm, 4), photos)
    before = network(photos)
    assert all(torch.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in zip(fold_norms(network)(photos), before))


def test_nothing_is_left_to_compute_or_to_train():
    layout = SemanticLayout(LABELS, None, 5)
    network = fold_norms(used(SPADEGenerator(5, 2, "spectralspadesyncbatch1x1", latent_size=(2, 2)), layout))
    assert not list(spectral_layers(network)) and not network.training
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())
