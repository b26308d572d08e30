"""Padding with the nearest value hides the border from a generator: a constant label map gives a constant image."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from data import PRESETS
from models import METHODS, create_model
from models.networks.blocks import SPADEResnetBlock
from models.networks.generators import SPADEGenerator
from models.networks.layout import SemanticLayout
from models.networks.norms import NormSpec
from models.networks.oasis import OASISGenerator, OASISResnetBlock
from models.padding import set_padding
from models.tables import TableOASISBlock, TableResnetBlock
from models.tables.blocks import convolve
from models.tables.normalization import TableSPADE
from models.tables.sites import sites_of
from options import TrainOptions, parse_options

pytestmark = pytest.mark.usefixtures("double_precision")

CLASSES = 4


def constant_layout(batch: int = 2, size: int = 32) -> SemanticLayout:
    return SemanticLayout(torch.ones(batch, size, size, dtype=torch.long), None, CLASSES)


def spread(images: torch.Tensor) -> float:
    """The largest difference between two pixels of an image."""
    flat = images.flatten(2)
    return (flat.amax(2) - flat.amin(2)).max().item()


def generators(kernel: int):
    norm = f"spectralspadebatch{kernel}x{kernel}"
    sizes = {"norm": norm, "latent_size": (1, 1)}
    for block in (SPADEResnetBlock, partial(TableResnetBlock, always=True)):
        yield SPADEGenerator(CLASSES, 2, block=block, **sizes)
    for block in (OASISResnetBlock, partial(TableOASISBlock, always=True)):
        yield OASISGenerator(CLASSES, 2, z_dim=3, block=block, **sizes)


@pytest.mark.parametrize("kernel", [1, 3])
def test_constant_label_map_gives_constant_image(kernel):
    for netG in generators(kernel):
        torch.manual_seed(0)
        for parameter in netG.parameters():
            nn.init.normal_(parameter, 0, 0.3)
        netG.eval()
        with torch.no_grad():
            assert spread(netG(constant_layout())) > 0.1  # zeros draw lines along the border
            set_padding(netG, "replicate")
            assert spread(netG(constant_layout())) < 1e-10


@settings(max_examples=12)
@given(
    kernel=st.sampled_from([1, 3, 5]),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    with_edges=st.booleans(),
    with_noise=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_rows_looked_up_are_gamma_and_beta(kernel, size, with_edges, with_noise, seed):
    torch.manual_seed(seed)
    labels = torch.randint(CLASSES, (2, *size))
    layout = SemanticLayout(labels, torch.rand(labels.shape) < 0.2 if with_edges else None, CLASSES)
    layout = layout.with_noise(torch.randn(2, 3)) if with_noise else layout
    spade = TableSPADE(6, layout.channels, NormSpec(False, "batch", kernel)).eval()
    set_padding(spade, "replicate")
    x, (height, width) = torch.randn(2, 6, *size), size
    sites = sites_of(layout, height, width, kernel, always=True, padding_mode="replicate")
    assert sites is not None
    with torch.no_grad():
        torch.testing.assert_close(spade.by_table(spade.normalize(x), sites), spade(x, layout))


@pytest.mark.parametrize("training", [True, False])
def test_blocks_give_the_same_images_and_gradients(training):
    torch.manual_seed(0)
    layout = SemanticLayout(torch.randint(CLASSES, (2, 16, 12)), None, CLASSES)
    sizes = 4, 6, CLASSES, NormSpec(True, "batch", 3)
    by_convolution, by_rows = SPADEResnetBlock(*sizes), TableResnetBlock(*sizes, always=True)
    by_rows.load_state_dict(by_convolution.state_dict())
    outputs, inputs = [], []
    for block in (by_convolution, by_rows):
        set_padding(block.train(training), "replicate")
        x = torch.randn(2, 4, 8, 6, generator=torch.Generator().manual_seed(1)).requires_grad_()
        y = block(x, layout, 2)
        y.square().sum().backward()
        outputs.append(y)
        inputs.append(x.grad)
    torch.testing.assert_close(*outputs)
    torch.testing.assert_close(*inputs)
    for (name, a), b in zip(by_convolution.named_parameters(), by_rows.parameters()):
        torch.testing.assert_close(a.grad, b.grad, msg=name)


def test_wide_convolutions_of_small_maps_see_the_same():
    torch.manual_seed(0)
    conv, x = nn.Conv2d(512, 512, 3, padding=1, padding_mode="replicate"), torch.randn(1, 512, 2, 3)
    with torch.no_grad():
        expected = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), conv.weight, conv.bias)
        torch.testing.assert_close(convolve(conv, x), expected)


@pytest.mark.parametrize("method", ["spade", "oasis"])
@pytest.mark.parametrize("mode", ["zeros", "replicate"])
def test_option_sets_all_convolutions_that_pad(method, mode):
    flags = f"--method {method} --padding_G {mode} --ngf 2 --ndf 1 --crop_size 64 --gpu_ids -1"
    model = create_model(parse_options(TrainOptions, flags.split(), PRESETS, METHODS))
    convolutions = [layer for layer in model.netG.modules() if isinstance(layer, nn.Conv2d)]
    assert {layer.padding_mode for layer in convolutions if layer.padding == (1, 1)} == {mode}
    assert {layer.padding_mode for layer in convolutions if layer.padding == (0, 0)} == {"zeros"}
    assert model.netD is not None
    assert {layer.padding_mode for layer in model.netD.modules() if isinstance(layer, nn.Conv2d)} == {"zeros"}
