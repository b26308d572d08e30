"""The variants of table 3: how the label map enters the blocks of both generators."""

import pytest
import torch
from torch import nn

from models.networks.generators import Pix2PixHDGenerator, SPADEGenerator
from models.networks.layout import SemanticLayout, SoftLayout
from models.networks.normalization import SPADE
from models.networks.norms import NormSpec
from models.networks.variants import ConcatHDResnetBlock, ConcatResnetBlock, PlainResnetBlock, ResnetBlock
from models.recompute import recomputed
from util.errors import InputError


def layout_of(*labels: int, size: int = 1, classes: int = 2) -> SemanticLayout:
    """Uniform label maps, one for each of `labels`."""
    return SemanticLayout(torch.tensor(labels).view(-1, 1, 1).expand(-1, size, size), None, classes)


def only_centers(conv: nn.Conv2d, *weights: float) -> None:
    """A convolution to one channel that weighs the channels of the same site, without bias."""
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)
    conv.weight.data[0, :, 1, 1] = torch.tensor(weights)


def test_decoder_with_concat_by_hand():
    """x = -1: lrelu -0.2; times 10 plus the map's second channel; lrelu; plus 5 times the first channel; plus x."""
    block = ConcatResnetBlock(1, 1, 2, "none")
    only_centers(block.conv_0, 10, 0, 1)
    only_centers(block.conv_1, 1, 5, 0)
    out = block(torch.full((2, 1, 1, 1), -1.0), layout_of(0, 1))
    # label 0: lrelu(-2) + 5 - 1; label 1: lrelu(-2 + 1) - 1
    torch.testing.assert_close(out.flatten(), torch.tensor([-0.4 + 5 - 1, -0.2 - 1]))


def test_pix2pixhd_with_concat_by_hand():
    """x = 2: relu(3 x - 10 m_0 + m_1), doubled, plus x: the map enters the first convolution alone."""
    block = ConcatHDResnetBlock(1, NormSpec.parse("none"), 3, 2)
    first, second = block.conv_block[1], block.conv_block[4]
    only_centers(first, 3, -10, 1)
    only_centers(second, 2)
    size = 2  # reflection needs two pixels
    out = block(torch.full((2, 1, size, size), 2.0), layout_of(0, 1, size=size))
    torch.testing.assert_close(out[:, 0, 0, 0], torch.tensor([0.0 + 2, 2 * (6 + 1) + 2.0]))


@pytest.mark.parametrize("block", [PlainResnetBlock, ConcatResnetBlock])
def test_blocks_have_the_layers_of_figure_11_and_double_the_size_first(block):
    made = block(6, 4, 3, "spectralsyncbatch")
    names = {name.rpartition(".")[0] for name, _ in made.named_parameters()}
    assert names == {"conv_0", "conv_1", "conv_s", "norm_0", "norm_1", "norm_s"}
    joined = 3 if block is ConcatResnetBlock else 0
    assert [made.conv_0.in_channels, made.conv_1.in_channels, made.conv_s.in_channels] == [6 + joined, 4 + joined, 6]
    assert made.conv_0.bias is not None and made.conv_s.bias is None
    assert made(torch.randn(2, 6, 3, 5), layout_of(0, 1, size=12, classes=3), 2).shape == (2, 4, 6, 10)
    assert not hasattr(block(4, 4, 3, "batch"), "conv_s")


def test_a_plain_block_leaves_its_input_as_it_is():
    """Without a norm the activation must not be computed in place: the skip connection needs x."""
    x = torch.full((1, 1, 1, 1), -1.0)
    block = PlainResnetBlock(1, 1, 2, "none")
    only_centers(block.conv_0, 0)
    only_centers(block.conv_1, 0)
    assert block(x, layout_of(0)).item() == x.item() == -1


def test_norms_of_the_other_family_are_refused():
    with pytest.raises(InputError, match="--norm_G spectralspadebatch3x3: this network needs a plain norm"):
        SPADEGenerator(3, 2, "spectralspadebatch3x3", (1, 1), block=ConcatResnetBlock)
    with pytest.raises(InputError, match="--norm_G batch: this network needs a SPADE norm"):
        SPADEGenerator(3, 2, "batch", (1, 1))


def test_every_norm_of_pix2pixhd_becomes_spade():
    """1 after the first convolution, 4 on the way down, 18 in the blocks, 4 on the way up."""
    netG = Pix2PixHDGenerator(7, 2, "spectralspadesyncbatch3x3")
    assert sum(isinstance(module, SPADE) for module in netG.modules()) == 27
    last = netG.model[-2]
    convs = [m for m in netG.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d) and hasattr(m, "spectral_norm")]
    assert len(convs) == 27 and all(conv.bias is None for conv in convs) and last.bias is not None


VARIANTS = {
    "none": (lambda: Pix2PixHDGenerator(2, 4, "instance", 0, 1), True),
    "concat": (lambda: Pix2PixHDGenerator(2, 4, "instance", 0, 1, block=ConcatHDResnetBlock), True),
    "spade": (lambda: Pix2PixHDGenerator(2, 4, "spadeinstance3x3", 0, 1), False),
}


@pytest.mark.parametrize(("make", "washed_out"), VARIANTS.values(), ids=VARIANTS)
def test_uniform_maps_are_washed_out_unless_spade_modulates(make, washed_out):
    """Section 3, "Why does the SPADE work better?": also of the variant that concatenates the map.

    Three norms in 64 bits, as each one multiplies rounding by up to 1 / sqrt(eps) = 316.
    """
    torch.manual_seed(0)
    layout = SoftLayout(layout_of(0, 1, size=16).at(16, 16).double())
    with torch.no_grad():
        one, other = make().double()(layout)
    assert torch.allclose(one, other, atol=1e-6) == washed_out


@pytest.mark.parametrize(
    "make",
    [
        lambda wrap: SPADEGenerator(3, 2, "spectralsyncbatch", (2, 2), block=wrap(ConcatResnetBlock)),
        lambda wrap: SPADEGenerator(3, 2, "spectralbatch", (2, 2), z_dim=4, block=wrap(ConcatResnetBlock)),
        lambda wrap: SPADEGenerator(3, 2, "spectralinstance", (2, 2), block=wrap(PlainResnetBlock)),
        lambda wrap: Pix2PixHDGenerator(3, 2, "spectralspadesyncbatch3x3", 2, 1, block=wrap(ResnetBlock)),
        lambda wrap: Pix2PixHDGenerator(3, 2, "spectralsyncbatch", 2, 1, block=wrap(ConcatHDResnetBlock)),
    ],
    ids=["concat", "concat random", "none", "pix2pixhd spade", "pix2pixhd concat"],
)
def test_every_parameter_learns_also_when_blocks_are_recomputed(make):
    layout = SemanticLayout(torch.arange(2 * 64 * 64).reshape(2, 64, 64) // 97 % 3, None, 3)
    gradients = []
    for wrap in (lambda block: block, recomputed):
        torch.manual_seed(0)
        netG = make(wrap)
        z = None if netG.z_dim is None else torch.randn(2, netG.z_dim)
        images = netG(layout, z)
        assert images.shape == (2, 3, 64, 64)
        (images * torch.linspace(-1, 1, 64)).sum().backward()
        gradients.append({name: p.grad for name, p in netG.named_parameters()})
    assert all(gradient is not None for gradient in gradients[0].values())
    for name, gradient in gradients[0].items():
        assert torch.equal(gradient, gradients[1][name]), name
