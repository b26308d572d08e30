"""Bilinear upsampling in front of blocks: no steps in images, and by tables the same as by the definition."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F

from data import PRESETS
from models import METHODS, create_model
from models.networks.blocks import SPADEResnetBlock
from models.networks.layout import SemanticLayout
from models.networks.oasis import OASISResnetBlock
from models.networks.variants import ConcatResnetBlock, PlainResnetBlock
from models.tables import TableOASISBlock, TableResnetBlock
from models.upsampling import bilinear
from options import TrainOptions, parse_options

pytestmark = pytest.mark.usefixtures("double_precision")

BLOCKS = {
    "spade": (SPADEResnetBlock, "spectralspadebatch3x3"),
    "oasis": (OASISResnetBlock, "spectralspadeinstance3x3"),
    "concat": (ConcatResnetBlock, "spectralbatch"),
    "plain": (PlainResnetBlock, "spectralbatch"),
}


def layout() -> SemanticLayout:
    return SemanticLayout(torch.randint(3, (2, 16, 12), generator=torch.Generator().manual_seed(2)), None, 3)


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_block_is_itself_on_what_was_enlarged_bilinearly(kind):
    block, norm = BLOCKS[kind]
    torch.manual_seed(0)
    plain, smooth = block(4, 6, 3, norm).eval(), bilinear(block)(4, 6, 3, norm).eval()
    smooth.load_state_dict(plain.state_dict())
    x = torch.randn(2, 4, 8, 6)
    # By hand: at position 2i + 0.5 between the neighbors, three parts of the nearer and one of the other.
    rows = F.pad(x, (0, 0, 1, 1), mode="replicate")
    rows = torch.stack([x * 3 + rows[:, :, :-2], x * 3 + rows[:, :, 2:]], dim=3).flatten(2, 3) / 4
    columns = F.pad(rows, (1, 1, 0, 0), mode="replicate")
    enlarged = torch.stack([rows * 3 + columns[..., :-2], rows * 3 + columns[..., 2:]], dim=4).flatten(3, 4) / 4
    with torch.no_grad():
        torch.testing.assert_close(smooth(x, layout(), 2), plain(enlarged, layout(), 1))
        assert torch.equal(smooth(x, layout(), 1), plain(x, layout(), 1))


@pytest.mark.parametrize(
    "dense, by_table, norm",
    [
        (SPADEResnetBlock, TableResnetBlock, "spectralspadesyncbatch3x3"),
        (SPADEResnetBlock, TableResnetBlock, "spectralspadebatch1x1"),
        (OASISResnetBlock, TableOASISBlock, "spectralspadeinstance3x3"),
    ],
)
def test_tables_compute_the_same_images_and_gradients(dense, by_table, norm):
    outcomes = []
    for block in (bilinear(dense), partial(bilinear(by_table), always=True)):
        torch.manual_seed(0)
        network, x = block(4, 6, 3, norm), torch.randn(2, 4, 8, 6, requires_grad=True)
        y = network(x, layout(), 2)
        y.sin().sum().backward()
        outcomes.append([y, x.grad, *(parameter.grad for parameter in network.parameters())])
    torch.testing.assert_close(*outcomes)


@pytest.mark.parametrize("flags", ["", "--method oasis --no_noise_3d", "--modulation dense", "--conditioning concat"])
def test_the_option_reaches_the_blocks_of_a_generator(flags):
    generators = []
    for mode in ("nearest", "bilinear"):
        words = f"{flags} --upsampling_G {mode} --ngf 2 --ndf 1 --crop_size 64 --gpu_ids -1 --label_nc 3 --no_instance"
        generators.append(create_model(parse_options(TrainOptions, words.split(), PRESETS, METHODS)).netG.eval())
    nearest, smooth = generators
    smooth.load_state_dict(nearest.state_dict())
    labels = torch.randint(3, (1, 16, 16), generator=torch.Generator().manual_seed(0))
    layout, compared = SemanticLayout(labels, None, 4), 0
    for (plain, scale), (block, _) in zip(nearest.stages(), smooth.stages()):
        if scale == 2:
            joined = 4 if "concat" in flags else 0
            x = torch.randn(1, plain.conv_0.in_channels - joined, 8, 8)
            enlarged = F.interpolate(x, scale_factor=2, mode="bilinear")
            with torch.no_grad():
                torch.testing.assert_close(block(x, layout, 2), plain(enlarged, layout, 1))
            compared += 1
    assert compared == 5


def test_transposed_convolutions_are_not_smoothed(capsys):
    with pytest.raises(SystemExit):
        parse_options(TrainOptions, "--netG pix2pixhd --upsampling_G bilinear".split(), PRESETS, METHODS)
    assert "--netG pix2pixhd enlarges by transposed convolutions" in capsys.readouterr().err
