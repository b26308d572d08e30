"""CRN, the cascaded refinement network (Chen and Koltun, arXiv 1707.09405): label map in, k images out."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.blocks import SLOPE
from models.networks.generators import Generator
from models.networks.layout import SemanticLayout

FIRST_HEIGHT = 4
PUBLISHED_CHANNELS = {64: 1024, 256: 512, 512: 128}
"""Largest height of a module -> channels of its convolutions; 32 above."""


def module_heights(height: int) -> list[int]:
    """Heights of the modules for images of a height, 4, 8, 16, ...; empty if it is not 4 * 2^k."""
    heights = [FIRST_HEIGHT]
    while heights[-1] < height:
        heights.append(2 * heights[-1])
    return heights if heights[-1] == height else []


def module_channels(height: int, most: int | None = None) -> dict[int, int]:
    """Channels of each module for images of a height, by the module's height: the published ones, or `most` if less."""
    published = {
        r: next((channels for upto, channels in PUBLISHED_CHANNELS.items() if r <= upto), 32)
        for r in module_heights(height)
    }
    return {r: min(channels, most or channels) for r, channels in published.items()}


class CRNGenerator(Generator):
    """Refinement modules of doubling resolution; each sees the label map and the features of the one before.

    The output is linear, without tanh. It is limited to [-1, 1] in evaluation mode only, as published: images are
    clipped when they are saved.

    Args:
        semantic_nc: channels of the semantic map.
        channels: of both convolutions of each module, by its height, lowest first; see `module_channels`.
        num_images: k, number of images for each label map.
    """

    def __init__(self, semantic_nc: int, channels: Mapping[int, int], num_images: int = 1):
        super().__init__()
        self.heights, self.num_images = list(channels), num_images
        below = 0
        for r, width in channels.items():
            self.add_module(f"g_{r}_conv1", normalized_conv(below + semantic_nc, width))
            self.add_module(f"g_{r}_conv2", normalized_conv(width, width))
            below = width
        self.add_module(f"g_{self.heights[-1]}_conv100", nn.Conv2d(below, 3 * num_images, 1))

    def forward(self, layout: SemanticLayout, z: Tensor | None = None) -> Tensor:
        """The first of the k images of each label map, (N, 3, H, W); `z` is ignored."""
        return self.images(layout)[:, 0]

    def images(self, layout: SemanticLayout) -> Tensor:
        """All images, (N, k, 3, H, W), as large as the layout. In [-1, 1], but beyond it in training mode."""
        x = None
        for r, semantics in zip(self.heights, label_pyramid(layout, len(self.heights))):
            x = semantics if x is None else torch.cat([upsample_to(semantics, x), semantics], dim=1)
            x = self.get_submodule(f"g_{r}_conv1")(x)
            x = self.get_submodule(f"g_{r}_conv2")(x)
        y = self.get_submodule(f"g_{self.heights[-1]}_conv100")(x)
        images = y.unflatten(1, (3, self.num_images)).transpose(1, 2)  # (N, k, 3, H, W): image j from j, k + j, 2k + j
        return images if self.training else images.clamp(-1, 1)

    def train_from(self, height: int) -> None:
        """Freeze the modules below `height`, as published for 1024: they get no gradients, and autograd no graph."""
        for r in self.heights:
            if r < height:
                self.get_submodule(f"g_{r}_conv1").requires_grad_(False)
                self.get_submodule(f"g_{r}_conv2").requires_grad_(False)


def normalized_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    """3x3 convolution without bias, layer norm, leaky ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        layer_norm(out_channels),
        nn.LeakyReLU(SLOPE),
    )


def layer_norm(channels: int) -> nn.GroupNorm:
    """Layer norm as in TensorFlow-slim: statistics of each sample over (C, H, W), scale and shift for each channel.

    That is group norm with one group; nn.LayerNorm would have a scale and a shift for each position, too.
    """
    return nn.GroupNorm(1, channels, eps=1e-12)


def upsample_to(target: Tensor, x: Tensor) -> Tensor:
    """(N, C, h, w) -> (N, C, H, W), the height and width of `target`: bilinear, with corners on corners."""
    return F.interpolate(x, size=target.shape[-2:], mode="bilinear", align_corners=True)


def label_pyramid(layout: SemanticLayout, levels: int) -> list[Tensor]:
    """The semantic map at `levels` resolutions, coarsest first; each is the mean over 2x2 windows of the next.

    The coarse maps are thus soft: fractions of each label.
    """
    pyramid = [layout.at(*layout.size)]
    for _ in range(levels - 1):
        pyramid.append(F.avg_pool2d(pyramid[-1], 2))
    return pyramid[::-1]
