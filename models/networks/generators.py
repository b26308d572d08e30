"""Generators: semantic layout (and latent) in, image out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.networks.blocks import SPADEResnetBlock, leaky_relu
from models.networks.layout import SemanticLayout
from models.networks.norms import NormSpec
from models.networks.variants import LayoutSequential, PlainResnetBlock, ResnetBlock, conditional_conv


def first_map_size(crop_size: int, aspect_ratio: float, upsamplings: int) -> tuple[int, int]:
    """(height, width) of the first feature map: images are crop_size wide after `upsamplings` doublings.

    `aspect_ratio` is width / height.
    """
    width = crop_size // 2**upsamplings
    return round(width / aspect_ratio), width


class Generator(nn.Module):
    """Layout and, perhaps, latent (N, z_dim) in, images (N, 3, H, W) in [-1, 1] out.

    Attributes:
        z_dim: length of the latent; None for a generator that takes none.
    """

    z_dim: int | None = None


class SPADEGenerator(Generator):
    """The SPADE generator (paper, figures 4 and 12): residual blocks and nearest-neighbor upsampling.

    Args:
        semantic_nc: channels of the semantic map.
        ngf: base number of channels: the first blocks have 16 ngf, the last one ngf, or ngf / 2 with "most".
        norm: norm string or `NormSpec` as `block` takes it: a SPADE norm such as "spectralspadesyncbatch3x3", or a
            plain one for `PlainResnetBlock` and `ConcatResnetBlock`.
        latent_size: (height, width) of the first feature map; see `first_map_size`.
        num_upsampling_layers: "normal", "more" or "most": 5, 6 or 7 doublings.
        z_dim: length of the latent that the first feature map is made of; None to make it of the downsampled semantic
            map instead.
        block: makes a block of (in_channels, out_channels, semantic_nc, norm).
    """

    def __init__(
        self,
        semantic_nc: int,
        ngf: int = 64,
        norm: str | NormSpec = "spectralspadesyncbatch3x3",
        latent_size: tuple[int, int] = (8, 8),
        num_upsampling_layers: str = "normal",
        z_dim: int | None = None,
        block: Callable[..., SPADEResnetBlock | PlainResnetBlock] = SPADEResnetBlock,
    ):
        super().__init__()
        self.latent_size = latent_size
        self.num_upsampling_layers = num_upsampling_layers
        self.z_dim = z_dim
        if z_dim is None:
            self.fc = nn.Conv2d(semantic_nc, 16 * ngf, 3, padding=1)
        else:
            self.fc = nn.Linear(z_dim, 16 * ngf * latent_size[0] * latent_size[1])

        self.head_0 = block(16 * ngf, 16 * ngf, semantic_nc, norm)
        self.G_middle_0 = block(16 * ngf, 16 * ngf, semantic_nc, norm)
        self.G_middle_1 = block(16 * ngf, 16 * ngf, semantic_nc, norm)
        self.up_0 = block(16 * ngf, 8 * ngf, semantic_nc, norm)
        self.up_1 = block(8 * ngf, 4 * ngf, semantic_nc, norm)
        self.up_2 = block(4 * ngf, 2 * ngf, semantic_nc, norm)
        self.up_3 = block(2 * ngf, ngf, semantic_nc, norm)
        if num_upsampling_layers == "most":
            self.up_4 = block(ngf, ngf // 2, semantic_nc, norm)
        self.conv_img = nn.Conv2d(ngf // 2 if num_upsampling_layers == "most" else ngf, 3, 3, padding=1)

    @property
    def output_size(self) -> tuple[int, int]:
        """(height, width) of the images."""
        height, width = self.latent_size
        return height * self.scale, width * self.scale

    @property
    def scale(self) -> int:
        """How many times larger the images are than the first feature map, a power of two."""
        return math.prod(scale for _, scale in self.stages())

    def forward(self, layout: SemanticLayout, z: Tensor | None = None) -> Tensor:
        """Images (N, 3, H, W) in [-1, 1] for a layout; H x W is `output_size`, whatever the size of the layout.

        Args:
            z: (N, z_dim); drawn from N(0, 1) if it is None and z_dim is set.
        """
        x = self.first_map(layout, z)
        for block, scale in self.stages():
            x = block(x, layout, scale)
        return torch.tanh(self.conv_img(leaky_relu(x)))

    def stages(self) -> list[tuple[SPADEResnetBlock | PlainResnetBlock, int]]:
        """The blocks in their order, each with the factor by which it first upsamples its input."""
        middle = 1 if self.num_upsampling_layers == "normal" else 2
        stages = [(self.head_0, 1), (self.G_middle_0, 2), (self.G_middle_1, middle)]
        stages += [(block, 2) for block in (self.up_0, self.up_1, self.up_2, self.up_3)]
        return [*stages, (self.up_4, 2)] if self.num_upsampling_layers == "most" else stages

    def first_map(self, layout: SemanticLayout, z: Tensor | None) -> Tensor:
        """The first feature map (N, 16 ngf, *latent_size)."""
        if self.z_dim is None:
            return self.fc(layout.at(*self.latent_size))
        if z is None:
            z = torch.randn(len(layout), self.z_dim, device=layout.device)
        return self.fc(z).unflatten(1, (-1, *self.latent_size))  # (N, 16 ngf, height, width)


class Pix2PixHDGenerator(Generator):
    """The global generator of pix2pixHD, the baseline of the paper: convolutions down, residual blocks, up again.

    Args:
        semantic_nc: channels of the semantic map.
        ngf: base number of channels: doubled in each of the `n_downsample` layers.
        norm: norm string or `NormSpec`, such as "instance" or "spectralsyncbatch"; a SPADE norm makes all norms, one
            after every convolution but the last, SPADE: "pix2pixHD++ w/ SPADE" (table 3).
        n_downsample, n_blocks, kernel_size, initial_kernel_size: the `resnet_` options.
        block: makes a residual block of (channels, norm, kernel_size, semantic_nc).
    """

    def __init__(
        self,
        semantic_nc: int,
        ngf: int = 64,
        norm: str | NormSpec = "instance",
        n_downsample: int = 4,
        n_blocks: int = 9,
        kernel_size: int = 3,
        initial_kernel_size: int = 7,
        block: Callable[..., ResnetBlock] = ResnetBlock,
    ):
        super().__init__()
        norm = NormSpec.parse(norm, "norm_G") if isinstance(norm, str) else norm
        layers = [
            nn.ReflectionPad2d(initial_kernel_size // 2),
            conditional_conv(nn.Conv2d, semantic_nc, ngf, norm, semantic_nc, kernel_size=initial_kernel_size),
            nn.ReLU(),
        ]
        widths = [ngf * 2**i for i in range(n_downsample + 1)]
        for narrow, wide in itertools.pairwise(widths):
            sizes = {"kernel_size": 3, "stride": 2, "padding": 1}
            layers += [conditional_conv(nn.Conv2d, narrow, wide, norm, semantic_nc, **sizes), nn.ReLU()]
        layers += [block(widths[-1], norm, kernel_size, semantic_nc) for _ in range(n_blocks)]
        for wide, narrow in itertools.pairwise(reversed(widths)):
            sizes = {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1}
            layers += [conditional_conv(nn.ConvTranspose2d, wide, narrow, norm, semantic_nc, **sizes), nn.ReLU()]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(ngf, 3, 7), nn.Tanh()]
        self.model = LayoutSequential(*layers)

    def forward(self, layout: SemanticLayout, z: Tensor | None = None) -> Tensor:
        """Images (N, 3, H, W) in [-1, 1], as large as the layout; `z` is ignored."""
        return self.model(layout.at(*layout.size), layout)


GENERATORS = {"spade": SPADEGenerator, "pix2pixhd": Pix2PixHDGenerator}
