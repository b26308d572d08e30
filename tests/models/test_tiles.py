"""Images computed in tiles are those of one pass, and a tile depends on no label beyond its margin."""

import pytest
import torch
import torch.nn.functional as F

from data import PRESETS
from models import METHODS, create_model
from models.folding import fold_norms
from models.networks.layout import SemanticLayout
from models.tiles import generate_in_tiles, margins, parts_of_stages, stages_of_whole_map
from options import TestOptions, parse_options
from util.fill import fill

pytestmark = pytest.mark.usefixtures("double_precision")
LABELS = 3


def generator(flags: str = "", folded: bool = True):
    words = f"--crop_size 64 --ngf 2 --gpu_ids -1 --label_nc {LABELS} --no_contain_dontcare_label --no_instance {flags}"
    netG = create_model(parse_options(TestOptions, words.split(), PRESETS, METHODS)).netG
    fill(netG, seed=1)
    netG.eval().requires_grad_(False)
    return fold_norms(netG) if folded else netG


def scene(height: int, width: int, has_edges: bool, block: int = 5) -> SemanticLayout:
    """Blocks of one label each, 5 x 5 pixels, as small as the generators are, with the edges of regions in them."""
    drawn = torch.Generator().manual_seed(height)
    small = torch.randint(LABELS, (1, -(-height // block), -(-width // block)), generator=drawn)
    labels = small.repeat_interleave(block, 1).repeat_interleave(block, 2)[:, :height, :width]
    return SemanticLayout.from_instances(labels, labels * 7 if has_edges else None, LABELS)


def in_tiles(netG, layout, z, tile: int) -> torch.Tensor:
    images = torch.full((len(layout), 3, *layout.size), torch.nan)
    for rows, columns, part in generate_in_tiles(netG, layout, z, tile):
        assert images[:, :, rows, columns].isnan().all(), "every pixel is computed once"
        images[:, :, rows, columns] = part
    return images


def in_one_pass(netG, layout) -> torch.Tensor:
    """The definition, on a first map that fits the label map."""
    netG.latent_size = tuple(side // netG.scale for side in layout.size)
    return netG(layout)


@pytest.mark.parametrize(
    ("flags", "size", "tile"),
    [
        ("--instance", (96, 160), 62),
        ("--modulation dense", (96, 128), 50),
        ("--norm_G spectralspadebatch1x1", (96, 128), 40),
        ("--norm_G spadesyncbatch1x1 --upsampling_G bilinear", (128, 96), 33),
        ("--instance --norm_G spectralspadesyncbatch5x5", (64, 64), 50),
        ("--instance --upsampling_G bilinear --padding_G replicate", (96, 160), 50),
        ("--padding_G replicate --norm_G spectralspadesyncbatch5x5", (64, 64), 37),
        ("--num_upsampling_layers more", (128, 64), 45),
        ("--num_upsampling_layers most --crop_size 128 --ngf 4", (128, 256), 80),
        ("--conditioning concat --norm_G spectralsyncbatch", (128, 160), 41),
        ("--method oasis --no_noise_3d", (96, 128), 35),
    ],
)
def test_tiles_are_parts_of_one_pass(flags, size, tile):
    netG = generator(flags)
    layout = scene(*size, has_edges="--instance" in flags)
    found, expected = in_tiles(netG, layout, None, tile), in_one_pass(netG, layout)
    assert stages_of_whole_map(netG, size, tile) < len(netG.stages()), "the last block is computed in tiles"
    assert expected.std() > 0.02
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("flags", ["--method oasis --z_dim 4", "--random_input --z_dim 4"])
def test_images_of_a_latent_are_those_of_training_at_the_size_of_training(flags):
    """There the first map of z needs no resizing. The noise of OASIS is as large as any label map."""
    netG, layout = generator(flags), scene(64, 64, has_edges=False)
    z = torch.randn(1, 4, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(in_tiles(netG, layout, z, 40), netG(layout, z), rtol=0, atol=1e-12)
    other = in_tiles(netG, layout, -z, 40)
    assert (other - netG(layout, z)).abs().max() > 0.01


def test_the_first_map_of_a_latent_is_resized_for_other_sizes():
    netG, layout = generator("--random_input --z_dim 4"), scene(96, 128, has_edges=False)
    z = torch.randn(1, 4, generator=torch.Generator().manual_seed(3))
    x = F.interpolate(netG.fc(z).view(1, 32, 2, 2), size=(3, 4), mode="bilinear")
    for block, scale in netG.stages():
        x = block(x, layout, scale)
    expected = torch.tanh(netG.conv_img(F.leaky_relu(x, 0.2)))
    torch.testing.assert_close(in_tiles(netG, layout, z, 50), expected, rtol=0, atol=1e-12)


def test_label_maps_of_any_size_are_continued_by_their_border():
    """70x45 pixels: as the upper left part of a map of 96x64, whose last row and column are repeated."""
    netG, layout = generator(), scene(70, 45, has_edges=False)
    labels = torch.cat([layout.labels, layout.labels[:, -1:].expand(-1, 26, -1)], dim=1)
    labels = torch.cat([labels, labels[:, :, -1:].expand(-1, -1, 19)], dim=2)
    expected = in_one_pass(netG, SemanticLayout(labels, None, LABELS))[:, :, :70, :45]
    torch.testing.assert_close(in_tiles(netG, layout, None, 40), expected, rtol=0, atol=1e-12)


def test_norms_that_are_not_folded_give_the_same():
    netG, layout = generator(folded=False), scene(64, 96, has_edges=False)
    torch.testing.assert_close(in_tiles(netG, layout, None, 50), in_one_pass(netG, layout), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("flags", "tile"),
    [
        ("", (0, 63)),
        ("--norm_G spadebatch1x1 --upsampling_G bilinear", (0, 63)),
        ("--method oasis --no_noise_3d", (449, 512)),
    ],
)
def test_labels_beyond_the_margin_change_nothing_and_those_within_do(flags, tile):
    netG, width = generator(f"{flags} --modulation dense"), 512
    layout = scene(32, width, has_edges=False)

    def image_with_change(first: int, end: int) -> torch.Tensor:
        labels = layout.labels.clone()
        labels[:, :, first:end] = (labels[:, :, first:end] + 1) % LABELS
        return in_one_pass(netG, SemanticLayout(labels, None, LABELS))[..., slice(*tile)]

    before = image_with_change(0, 0)
    first, end = (site * netG.scale for site in parts_of_stages(netG, tile, width)[0])
    assert first > 0 or end < width
    for beyond, within in [((0, first), (first, first + 96)), ((end, width), (end - 96, end))]:
        if beyond[0] < beyond[1]:
            assert torch.equal(image_with_change(*beyond), before)
            assert not torch.equal(image_with_change(*within), before)


def test_the_last_block_sees_labels_exactly_as_far_as_its_kernels_reach():
    """Pixels of odd columns are seen at full size alone, by 3x3 kernels: hidden, gamma, conv_0, conv_1, conv_img."""
    netG, layout = generator("--modulation dense"), scene(32, 64, has_edges=False)

    def changed(column: int) -> bool:
        labels = layout.labels.clone()
        labels[:, 1, column] = (labels[:, 1, column] + 1) % LABELS
        return not torch.equal(in_one_pass(netG, SemanticLayout(labels, None, LABELS))[..., 20:37], before)

    before = in_one_pass(netG, layout)[..., 20:37]
    assert [column for column in (11, 13, 15, 17, 39, 41, 43, 45) if changed(column)] == [15, 17, 39, 41]
    assert margins(netG.stages()[-1][0]) == (4, 3)
    first, end = parts_of_stages(netG, (20, 37), 64)[-1]
    assert (2 * first, 2 * end) == (14, 42)
