"""Images of any size in bounded memory: a generator computed tile by tile, equal to one pass over the whole label map.

In evaluation mode, with batch norm, a generator of SPADE blocks is a stack of convolutions. A part of its image depends
on a part of each feature map that is a few sites larger (`margins`), so that part alone is computed. Not for norms with
statistics of the image, such as instance norm: those see all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.blocks import SLOPE
from models.networks.generators import SPADEGenerator
from models.networks.layout import SemanticLayout
from models.networks.normalization import SPADE
from models.networks.oasis import OASISGenerator

Span = tuple[int, int]
"""Sites of a map along one axis: the first one, and the one after the last."""


@torch.no_grad()
def generate_in_tiles(
    netG: SPADEGenerator | OASISGenerator, layout: SemanticLayout, z: Tensor | None, tile: int
) -> Iterator[tuple[slice, slice, Tensor]]:
    """Generate images as large as the label maps, up to rounding as one pass over them would.

    The first blocks, whose maps are small, are computed for the whole label map; from the first one on that would need
    more memory than the last one needs for a tile, blocks are computed tile by tile. A label map whose sides are no
    multiples of `netG.scale` is continued to the right and down by its last column and row, and the image is cut.

    Args:
        netG: in evaluation mode, with batch norm or without norms.
        layout: of N label maps of H x W pixels.
        z: (N, z_dim); None for a generator without latent. The first feature map of a SPADE generator has one size in
            training, and is resized here: its images have a size that training has not seen.
        tile: side of a tile in pixels.
    Yields:
        rows and columns of a tile in the images, and this part of them, (N, 3, h, w) in [-1, 1].
    """
    height, width = layout.size
    layout = _continued(layout, netG.scale)
    if isinstance(netG, OASISGenerator) and z is not None:
        layout = layout.with_noise(z)
    whole = stages_of_whole_map(netG, layout.size, tile)
    x = _first_map(netG, layout, z)  # (N, C, H / scale, W / scale)
    for block, scale in netG.stages()[:whole]:
        x = block(x, layout, scale)
    for rows in _tiles(height, tile):
        for columns in _tiles(width, tile):
            yield slice(*rows), slice(*columns), _generate_tile(netG, x, layout, whole, rows, columns)


def margins(block: nn.Module) -> tuple[int, int]:
    """How many sites beyond a part of its output, at each side, a residual block needs of labels and of its input.

    Its two convolutions lie in a row. Labels are seen from further away than the input, by the convolutions of SPADE.
    Input that is enlarged bilinearly (`models.upsampling`) depends on one site more.
    """
    convolutions = _reach(block.get_submodule("conv_0")) + _reach(block.get_submodule("conv_1"))
    modulation = [
        _reach(norm.mlp_shared[0]) + _reach(norm.mlp_gamma) for norm in block.children() if isinstance(norm, SPADE)
    ]
    return convolutions + max([1, *modulation]), convolutions + 1


def parts_of_stages(netG: SPADEGenerator | OASISGenerator, tile: Span, size: int) -> list[Span]:
    """The part of its input that each block is computed from, for a tile of the images, along one axis.

    A block sees labels and input of this part alone, so its output is wrong near the ends of it, unless they are those
    of the image. Each part is so large that what the tile depends on is right.

    Args:
        tile: pixels of the images.
        size: of the images along this axis, a multiple of `netG.scale`.
    Returns:
        for each of `netG.stages()` sites of the map that is its input, before it is enlarged.
    """
    parts: list[Span] = []
    right = _grown(tile, _reach(netG.conv_img), size)  # the part of a block's output that must be right
    for block, scale in reversed(netG.stages()):
        of_labels, of_input = (_grown(right, margin, size) for margin in margins(block))
        parts.insert(0, _sites_of(of_labels, scale))
        right = _sites_of(of_input, scale)
        size //= scale
    return parts


def stages_of_whole_map(netG: SPADEGenerator | OASISGenerator, size: Sequence[int], tile: int) -> int:
    """How many blocks have inputs that are no larger for a whole image than that of the last block for a tile.

    Args:
        size: (height, width) of the image, multiples of `netG.scale`.
    """
    stages = netG.stages()
    most = _in_channels(stages[-1][0]) * tile**2
    sites = size[0] * size[1] // netG.scale**2
    for count, (block, scale) in enumerate(stages):
        sites *= scale**2
        if _in_channels(block) * sites > most:
            return count
    return len(stages)


def _generate_tile(
    netG: SPADEGenerator | OASISGenerator, x: Tensor, layout: SemanticLayout, whole: int, rows: Span, columns: Span
) -> Tensor:
    """Rows and columns of the images (N, 3, h, w), from the output `x` of the first blocks, `whole` in number."""
    height, width = layout.size
    pixels = height // x.shape[2]  # of a site
    parts = zip(parts_of_stages(netG, rows, height), parts_of_stages(netG, columns, width))
    start = 0, 0  # the site of the whole map that x begins with
    for (block, scale), (part_rows, part_columns) in list(zip(netG.stages(), parts))[whole:]:
        x = _cut(x, start, part_rows, part_columns)
        x = block(x, _part_of(layout, _times(part_rows, pixels), _times(part_columns, pixels)), scale)
        start = part_rows[0] * scale, part_columns[0] * scale
        pixels //= scale
    reach = _reach(netG.conv_img)
    seen_rows, seen_columns = _grown(rows, reach, height), _grown(columns, reach, width)
    x = F.leaky_relu(_cut(x, start, seen_rows, seen_columns), SLOPE)  # not in place, as tiles overlap
    images = torch.tanh(netG.conv_img(x))
    return _cut(images, (seen_rows[0], seen_columns[0]), rows, columns)


def _first_map(netG: SPADEGenerator | OASISGenerator, layout: SemanticLayout, z: Tensor | None) -> Tensor:
    """The first feature map (N, C, H / scale, W / scale), whatever `netG.latent_size` is."""
    size = layout.size[0] // netG.scale, layout.size[1] // netG.scale
    if isinstance(netG, SPADEGenerator) and netG.z_dim is not None:
        return F.interpolate(netG.first_map(layout, z), size=size, mode="bilinear")
    assert isinstance(netG.fc, nn.Conv2d), "only a latent makes it linear"
    return netG.fc(layout.at(*size))


def _continued(layout: SemanticLayout, step: int) -> SemanticLayout:
    """The layout with its last row and column repeated up to the next multiples of `step` pixels."""
    height, width = layout.size
    rows, columns = (
        torch.arange(-(-side // step) * step, device=layout.device).clamp(max=side - 1) for side in (height, width)
    )
    edges = None if layout.edges is None else layout.edges[:, rows][:, :, columns]
    return SemanticLayout(layout.labels[:, rows][:, :, columns], edges, layout.num_labels, layout.maps)


def _part_of(layout: SemanticLayout, rows: Span, columns: Span) -> SemanticLayout:
    """Rows and columns of a layout. Where they are multiples of n, the n-th part of their size is that of the whole."""
    window = ..., slice(*rows), slice(*columns)
    edges = None if layout.edges is None else layout.edges[window]
    return SemanticLayout(layout.labels[window], edges, layout.num_labels, layout.maps)


def _cut(x: Tensor, start: tuple[int, int], rows: Span, columns: Span) -> Tensor:
    """Rows and columns of a whole map, of which `x` (N, C, h, w) is the part from site `start` on."""
    (row, end_row), (column, end_column) = rows, columns
    return x[:, :, row - start[0] : end_row - start[0], column - start[1] : end_column - start[1]]


def _grown(span: Span, by: int, size: int) -> Span:
    return max(0, span[0] - by), min(size, span[1] + by)


def _sites_of(span: Span, scale: int) -> Span:
    """The sites of a map of which some values lie in `span` after it was enlarged by `scale`."""
    return span[0] // scale, -(-span[1] // scale)


def _times(span: Span, factor: int) -> Span:
    return span[0] * factor, span[1] * factor


def _tiles(size: int, tile: int) -> list[Span]:
    return [(first, min(size, first + tile)) for first in range(0, size, tile)]


def _in_channels(block: nn.Module) -> int:
    conv = block.get_submodule("conv_0")
    assert isinstance(conv, nn.Conv2d)
    return conv.in_channels


def _reach(conv: nn.Module) -> int:
    """Sites at each side that a convolution sees."""
    assert isinstance(conv, nn.Conv2d)
    return conv.kernel_size[0] // 2
