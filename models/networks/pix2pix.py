"""pix2pix (Isola et al., arXiv 1611.07004): U-Net generator whose noise is dropout, and PatchGAN discriminator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from models.networks.blocks import SLOPE
from models.networks.generators import Generator
from models.networks.layout import SemanticLayout
from models.networks.norms import InstanceNorm, OwnStatisticsBatchNorm

KERNEL: dict[str, Any] = {"kernel_size": 4, "padding": 1}
OUTER_LEVELS = 4
"""Resolutions from 1 to 1/8 of the image; at the lower ones, feature maps have 8 ngf channels and there is dropout."""
NORMS = {
    "batch": OwnStatisticsBatchNorm,
    "instance": lambda channels, **_: InstanceNorm(channels, affine=False),
}


class LatentDropout(nn.Module):
    """Dropout of half the values, decided by a latent: a value is doubled where z > 0, and 0 elsewhere."""

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """(N, C, H, W), (N, C * H * W) from N(0, 1) -> (N, C, H, W)."""
        kept = z.unflatten(1, x.shape[1:]) > 0  # (N, C, H, W)
        return torch.where(kept, 2 * x, 0.0)


class UNetBlock(nn.Module):
    """One level of the U-Net: halve the resolution, run the levels inside, double it, concatenate the input.

    Submodules of `model` stand in the order, and so under the names, of the released weights.

    Args:
        channels: of the input; the output has twice as many.
        inner_channels: after the convolution that halves.
        inside: the next level; None for the innermost.
        norm: builds a norm of so many channels.
        bias: whether convolutions have one.
        dropout: whether the last layer is dropout.
    """

    def __init__(self, channels: int, inner_channels: int, inside: UNetBlock | None, norm, bias: bool, dropout: bool):
        super().__init__()
        down = [nn.LeakyReLU(SLOPE), nn.Conv2d(channels, inner_channels, stride=2, bias=bias, **KERNEL)]
        middle = [] if inside is None else [norm(inner_channels), inside]
        below = inner_channels if inside is None else 2 * inner_channels
        up = [nn.ReLU(), nn.ConvTranspose2d(below, channels, stride=2, bias=bias, **KERNEL), norm(channels)]
        self.model = nn.Sequential(*down, *middle, *up, *([LatentDropout()] if dropout else []))

    def forward(self, x: Tensor, noise: Iterator[Tensor] | None) -> Tensor:
        """(N, channels, H, W) -> (N, 2 * channels, H, W): the input, then the features from the levels inside.

        Args:
            noise: gives the latent of each dropout layer, innermost first; None for no dropout.
        """
        # The published skip carries LeakyReLU(x), of which the ReLU after it makes the same as of x.
        return torch.cat([x, run(self.model, x, noise)], dim=1)


def run(layers: nn.Sequential, x: Tensor, noise: Iterator[Tensor] | None) -> Tensor:
    """Apply the layers in their order; levels and dropout layers take the latents they need from `noise`."""
    for layer in layers:
        if isinstance(layer, UNetBlock):
            x = layer(x, noise)
        elif not isinstance(layer, LatentDropout):
            x = layer(x)
        elif noise is not None:
            x = layer(x, next(noise))
    return x


class UNetOuterBlock(nn.Module):
    """The outermost level: from the semantic map to the image, without norms or skip connection."""

    def __init__(self, semantic_nc: int, ngf: int, inside: UNetBlock, bias: bool):
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv2d(semantic_nc, ngf, stride=2, bias=bias, **KERNEL),
            inside,
            nn.ReLU(),
            nn.ConvTranspose2d(2 * ngf, 3, stride=2, **KERNEL),
            nn.Tanh(),
        )

    def forward(self, semantics: Tensor, noise: Iterator[Tensor] | None) -> Tensor:
        """(N, semantic_nc, H, W) -> (N, 3, H, W) in [-1, 1]."""
        return run(self.model, semantics, noise)


class UNetGenerator(Generator):
    """The U-Net of pix2pix. Its latent is the noise of its dropout layers, one number for each of their values.

    In training mode, batch norm uses the statistics of the batch, and dropout is active. In evaluation mode the network
    does the same for each image alone: pix2pix is tested in training mode, one image at a time.

    Args:
        semantic_nc: channels of the semantic map.
        ngf: base number of channels: doubled at each lower resolution up to 8 ngf.
        num_downs: levels, 5 or more; the innermost feature map is 2^num_downs times smaller than the image.
        norm: "batch", or "instance" (without affine parameters).
        image_size: (height, width) of the images, multiples of 2^num_downs; they determine the length of the latent.
        dropout: False to leave it out.
        own_statistics: False for running statistics and no dropout in evaluation mode.
    """

    def __init__(
        self,
        semantic_nc: int,
        ngf: int = 64,
        num_downs: int = 8,
        norm: str = "batch",
        image_size: tuple[int, int] = (256, 256),
        dropout: bool = True,
        own_statistics: bool = True,
    ):
        super().__init__()
        assert num_downs > OUTER_LEVELS, "a U-Net has 5 levels or more"
        self.ngf, self.num_downs, self.image_size = ngf, num_downs, image_size
        self.dropout, self.own_statistics = dropout, own_statistics
        bias = norm == "instance"  # also where no norm follows; batch norm has its own

        def make_norm(channels: int) -> nn.Module:
            return NORMS[norm](channels, own_statistics=own_statistics)

        block = None
        for level in range(num_downs - 1, 0, -1):  # from the innermost, whose output is 2^level times smaller
            channels, inner_channels = (ngf * min(2**i, 8) for i in (level - 1, level))
            is_dropping = OUTER_LEVELS <= level < num_downs - 1 and dropout
            block = UNetBlock(channels, inner_channels, block, make_norm, bias, is_dropping)
        assert block is not None
        self.model = UNetOuterBlock(semantic_nc, ngf, block, bias)

    def dropped_values(self, height: int, width: int) -> list[int]:
        """Numbers of values of one image that each dropout layer has, innermost first, in images of a size."""
        levels = range(self.num_downs - 2, OUTER_LEVELS - 1, -1)
        return [8 * self.ngf * (height >> level) * (width >> level) for level in levels] if self.dropout else []

    @property
    def z_dim(self) -> int | None:
        """Length of the latent; None where dropout is not active."""
        is_active = self.training or self.own_statistics
        return sum(self.dropped_values(*self.image_size)) or None if is_active else None

    def forward(self, layout: SemanticLayout, z: Tensor | None = None) -> Tensor:
        """Images (N, 3, H, W) in [-1, 1], as large as the layout.

        Args:
            z: (N, z_dim); drawn from N(0, 1) if it is None and dropout is active.
        """
        noise = None
        if self.z_dim is not None:
            values = self.dropped_values(*layout.size)
            z = torch.randn(len(layout), sum(values), device=layout.device) if z is None else z
            noise = iter(z.split(values, dim=1))
        return self.model(layout.at(*layout.size), noise)


class PatchDiscriminator(nn.Module):
    """The PatchGAN discriminator of pix2pix: each logit judges a patch, of 70x70 pixels with the default of 3 layers.

    Args:
        semantic_nc: channels of the semantic map.
        ndf: channels after the first convolution; doubled per layer up to 8 ndf.
        norm: "batch", or "instance" (without affine parameters).
        n_layers: convolutions of stride 2.
    """

    def __init__(self, semantic_nc: int, ndf: int = 64, norm: str = "batch", n_layers: int = 3):
        super().__init__()
        layers = [nn.Conv2d(semantic_nc + 3, ndf, stride=2, **KERNEL), nn.LeakyReLU(SLOPE)]
        widths = [ndf * min(2**n, 8) for n in range(n_layers + 1)]
        for n in range(1, n_layers + 1):
            stride = 2 if n < n_layers else 1
            conv = nn.Conv2d(widths[n - 1], widths[n], stride=stride, bias=norm == "instance", **KERNEL)
            layers += [conv, NORMS[norm](widths[n], own_statistics=False), nn.LeakyReLU(SLOPE)]
        self.model = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, **KERNEL))

    def forward(self, layout: SemanticLayout, images: Tensor) -> Tensor:
        """Logits (N, 1, h, w) of images (N, 3, H, W), given their layout."""
        return self.model(torch.cat([layout.at(*images.shape[-2:]), images], dim=1))
