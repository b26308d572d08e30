"""SIMS (Qi et al., arXiv 1804.10992): the networks that complete a canvas of photo segments, and help to compose it.

Three networks of the same blocks: one generates the image, one aligns a segment, one says which segment is in front.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.blocks import SLOPE
from models.networks.crn import layer_norm, normalized_conv
from models.networks.generators import Generator
from models.networks.layout import SemanticLayout
from util.errors import InputError

CANVAS, CHANGED_LABELS = "canvas", "changed_labels"
"""Names of a layout's maps: pasted photo pixels (N, 3, H, W) in 0..1, black where nothing was pasted; and labels
(N, H, W) that fit the pasted segments. There, the id `num_labels` marks pixels without a class."""


class Widths(NamedTuple):
    """Channels of the blocks, by their published numbers."""

    w64: int = 64
    w128: int = 128
    w256: int = 256
    w512: int = 512
    w1024: int = 1024

    @classmethod
    def scaled(cls, width: int) -> Widths:
        """The published proportions, with `width` channels in place of 64."""
        return cls(*(width * 2**i for i in range(5)))


PUBLISHED = Widths()


class BlockGroups(nn.Module):
    """A network of groups of 3x3 blocks (convolution, layer norm, leaky ReLU), named GROUP_1, GROUP_2, ..."""

    def __init__(self):
        super().__init__()
        self.block_names: dict[str, list[str]] = {}

    def add_group(self, group: str, num_blocks: int, in_channels: int, channels: int) -> None:
        """Append `num_blocks` blocks of `channels` channels."""
        self.block_names[group] = [f"{group}_{j}" for j in range(1, num_blocks + 1)]
        for name in self.block_names[group]:
            self.add_module(name, normalized_conv(in_channels, channels))
            in_channels = channels

    def run_group(self, group: str, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, channels, H, W)."""
        for name in self.block_names[group]:
            x = self.get_submodule(name)(x)
        return x


class SIMSGenerator(Generator, BlockGroups):
    """The synthesis network: an encoder and a decoder that both see canvas, holes and labels.

    Images of more than 256 rows (published: 512 and 1024) take one further `stage` for each doubling: the network
    runs on the input at half the size, and two blocks join its features with the input at full size.

    Args:
        num_labels: channels of the one-hot map, the unknown class included.
        height: of the images; names the output convolutions. Height and width are multiples of 64 * 2^stages.
        stages: 0, 1 and 2 for the published heights 256, 512 and 1024.
        widths: channels of the blocks.
    """

    LEVELS = (1, 2, 3, 4, 5, 6)  # level i works at 1 / 2^(i - 1) of the size, and is then halved

    def __init__(self, num_labels: int, height: int = 256, stages: int = 0, widths: Widths = PUBLISHED):
        super().__init__()
        self.num_labels, self.height, self.stages = num_labels, height, stages
        in_channels, w = num_labels + 4, widths  # labels, canvas, mask

        encoder = dict(zip(self.LEVELS, (w.w64, w.w128, w.w256, w.w512, w.w512, w.w512)))
        previous = in_channels
        for level, channels in encoder.items():
            self.add_group(f"g_encoder_conv{level}", 2 if level <= 2 else 3, previous, channels)
            previous = channels

        previous = 0
        for level in reversed(self.LEVELS):
            channels = w.w512 if level > 1 else w.w256
            self.add_group(f"g_decoder_conv{level}", 2, in_channels + encoder[level] + previous, channels)
            previous = channels
        self.add_group("g_decoder_final", 2, in_channels + previous, w.w256)
        previous = w.w256

        for rows in self._stage_heights():  # published without a name that we know
            self.add_group(f"g_{rows}_conv", 2, in_channels + previous, w.w128)
            previous = w.w128
        self.add_module(f"g_semantic_{height}_conv100", nn.Conv2d(previous, num_labels, 1))
        self.add_module(f"g_{height}_conv100", nn.Conv2d(previous, 3, 1))

    def _stage_heights(self) -> list[int]:
        return [self.height // 2**i for i in reversed(range(self.stages))]

    def forward(self, layout: SemanticLayout, z: Tensor | None = None) -> Tensor:
        """Images (N, 3, H, W), as large as the layout; `z` is ignored.

        A linear output, as published, with photos in [-1, 1] as its target; evaluation mode clamps it to that range.
        """
        image, _ = self.heads(layout)
        return image if self.training else image.clamp(-1, 1)

    def heads(self, layout: SemanticLayout) -> tuple[Tensor, Tensor]:
        """The image (N, 3, H, W), not clamped, and logits of the labels (N, num_labels, H, W) that it shows."""
        full = self.network_input(layout)
        x = self._base(resize(full, full.shape[-2] >> self.stages, full.shape[-1] >> self.stages))
        for rows in self._stage_heights():
            x = resize(x, 2 * x.shape[-2], 2 * x.shape[-1])
            x = self.run_group(f"g_{rows}_conv", torch.cat([resize(full, *x.shape[-2:]), x], dim=1))
        image = self.get_submodule(f"g_{self.height}_conv100")(x)
        return image, self.get_submodule(f"g_semantic_{self.height}_conv100")(x)

    def network_input(self, layout: SemanticLayout) -> Tensor:
        """(N, num_labels + 4, H, W): one-hot changed labels, canvas, and a mask, 1 where the canvas is not black.

        Raises `InputError` for a layout without a canvas, such as one that a user drew.
        """
        maps = getattr(layout, "maps", {})  # a `SoftLayout` and that of an export have none
        if not {CANVAS, CHANGED_LABELS} <= maps.keys():
            raise InputError("--method sims: makes images from canvases of photo segments, not from label maps alone")
        canvas = maps[CANVAS]
        pasted = (canvas > 0).any(dim=1, keepdim=True)
        changed = SemanticLayout(maps[CHANGED_LABELS], None, self.num_labels + 1)  # one more id: without a class
        semantics = changed.at(*layout.size)[:, : self.num_labels]
        return torch.cat([semantics, canvas, pasted.to(canvas.dtype)], dim=1)

    def _base(self, full: Tensor) -> Tensor:
        """Encoder and decoder: input (N, C, h, w) -> features (N, w256, h, w)."""
        skips, x = {}, full
        for level in self.LEVELS:
            x = skips[level] = average_pool(self.run_group(f"g_encoder_conv{level}", x))
        decoded = []  # features of the previous level, at the size of this one
        for level in reversed(self.LEVELS):
            skip = skips[level]
            x = torch.cat([resize(full, *skip.shape[-2:]), skip, *decoded], dim=1)
            x = self.run_group(f"g_decoder_conv{level}", x)
            decoded = [resize(x, 2 * x.shape[-2], 2 * x.shape[-1])]
        return self.run_group("g_decoder_final", torch.cat([full, *decoded], dim=1))


class SegmentTrunk(BlockGroups):
    """The layers that the two networks about segments have in common: five groups, each halved at its end.

    Args:
        in_channels: of the input.
        names: of the five groups.
        widths: channels of the blocks.
    """

    def __init__(self, in_channels: int, names: list[str], widths: Widths):
        super().__init__()
        self.names = names
        channels = (widths.w64, widths.w128, widths.w256, widths.w512, widths.w512)
        for name, num_blocks, out_channels in zip(names, (2, 2, 3, 3, 3), channels):
            self.add_group(name, num_blocks, in_channels, out_channels)
            in_channels = out_channels

    def trunk(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, w512, H / 32, W / 32); multiples of 32."""
        first, *others = self.names
        x = average_pool(self.run_group(first, x))
        for name in others:
            x = F.max_pool2d(self.run_group(name, x), 3, 2, ceil_mode=True)
        return x


class TransformationNetwork(SegmentTrunk):
    """Aligns a retrieved segment with the place where it is pasted: six numbers of an affine map.

    Args:
        num_labels: channels of the one-hot map.
        widths: channels of the blocks.
    """

    def __init__(self, num_labels: int, widths: Widths = PUBLISHED):
        # The second name is misspelled in the published code.
        names = [f"g_{'transfrom' if i == 2 else 'transform'}_conv{i}" for i in range(1, 6)]
        super().__init__(num_labels + 4, names, widths)
        self.fc = nn.Linear(widths.w512, 6)
        self.start_at_identity()

    def start_at_identity(self) -> None:
        """Let a new network return the identity for any input."""
        nn.init.zeros_(self.fc.weight)
        with torch.no_grad():
            self.fc.bias.copy_(self.fc.bias.new_tensor([1, 0, 0, 0, 1, 0]))

    def forward(self, segments: Tensor, masks: Tensor, semantics: Tensor) -> Tensor:
        """Affine maps (K, 6), for `affine_sample`.

        Args:
            segments: (K, 3, H, W) pixels in 0..1, black outside of the segment.
            masks: (K, 1, H, W), 1 where each segment is wanted.
            semantics: (K, num_labels, H, W) one-hot.
        """
        x = self.trunk(torch.cat([segments, masks, semantics], dim=1))
        return self.fc(x.mean(dim=(2, 3)))


class OrderingNetwork(SegmentTrunk):
    """Says which of two touching segments is in front, as a class.

    Args:
        num_labels: classes among which it chooses.
        widths: channels of the blocks.
    """

    def __init__(self, num_labels: int, widths: Widths = PUBLISHED):
        super().__init__(6, [f"g_selection_conv{i}" for i in range(1, 6)], widths)
        self.g_selection_conv6 = nn.Sequential(
            nn.Conv2d(widths.w512, widths.w1024, 1, bias=False), layer_norm(widths.w1024), nn.LeakyReLU(SLOPE)
        )
        self.dropout = nn.Dropout(0.5)
        self.g_selection_classify = nn.Conv2d(widths.w1024, num_labels, 1)

    def forward(self, pairs: Tensor, layouts: Tensor) -> Tensor:
        """Logits (P, num_labels) of the class in front.

        Args:
            pairs: (P, 3, H, W) in 0..1, the two segments in class colors on black.
            layouts: (P, 3, H, W) in 0..1, the whole label maps in class colors.
        """
        x = self.trunk(torch.cat([pairs, layouts], dim=1))
        x = x[..., : 3 * x.shape[-1] // 4].mean(dim=(2, 3), keepdim=True)  # published: the right quarter is unused
        return self.g_selection_classify(self.dropout(self.g_selection_conv6(x)))[:, :, 0, 0]


def affine_sample(images: Tensor, theta: Tensor) -> Tensor:
    """Images (K, C, H, W) read where the affine maps `theta` (K, 6) point, bilinear; same shape.

    theta = (a, b, c, d, e, f) takes the position (x, y) of an output pixel to (a x + b y + c, d x + e y + f) in the
    input, both in pixels from the center (column - W / 2, row - H / 2). Zero where that is not within the first W - 1
    columns and H - 1 rows (published behavior: even the identity empties the last column and row).
    """
    height, width = images.shape[-2:]
    x = torch.arange(width, device=images.device) - width / 2
    y = torch.arange(height, device=images.device)[:, None] - height / 2
    a, b, c, d, e, f = (entry[:, None, None] for entry in theta.unbind(dim=1))  # (K, 1, 1) each
    column, row = a * x + b * y + c + width / 2, d * x + e * y + f + height / 2  # (K, H, W)
    inside = (column >= 0) & (column < width - 1) & (row >= 0) & (row < height - 1)
    # grid_sample counts from -1, the first pixel's center, to 1, the last one's.
    grid = torch.stack([2 * column / (width - 1) - 1, 2 * row / (height - 1) - 1], dim=-1)  # (K, H, W, 2)
    return F.grid_sample(images, grid, align_corners=True) * inside[:, None]


def average_pool(x: Tensor) -> Tensor:
    """(N, C, H, W), even sizes -> (N, C, H / 2, W / 2): means over 3x3 windows, cut off at the end."""
    return F.avg_pool2d(x, 3, 2, ceil_mode=True)


def resize(x: Tensor, height: int, width: int) -> Tensor:
    """(N, C, H, W) -> (N, C, height, width), bilinear between the centers of the corner pixels, as in CRN."""
    if x.shape[-2:] == (height, width):
        return x
    return F.interpolate(x, size=(height, width), mode="bilinear", align_corners=True)
