"""Other residual blocks: that of pix2pixHD, and those of the generators that SPADE is compared with in table 3."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.blocks import SLOPE, upsample
from models.networks.layout import SemanticLayout
from models.networks.normalization import SPADE
from models.networks.norms import PLAIN_NORMS, NormSpec, normalized_conv


class PlainResnetBlock(nn.Module):
    """The block of figure 11 with plain norms in place of SPADE: the layout does not enter it.

    Args:
        in_channels, out_channels: the skip connection is learned when they differ.
        semantic_nc: channels of the semantic map.
        norm: plain norm such as "spectralsyncbatch"; `spectral` applies to conv_0, conv_1 and conv_s.

    Attributes:
        concat: whether the semantic map is joined to the input of conv_0 and conv_1.
    """

    concat = False

    def __init__(self, in_channels: int, out_channels: int, semantic_nc: int, norm: str | NormSpec):
        super().__init__()
        norm = NormSpec.of(norm, spade=False, flag="norm_G")
        make_norm = PLAIN_NORMS[norm.kind] or (lambda channels: nn.Identity())
        middle, joined = min(in_channels, out_channels), semantic_nc if self.concat else 0
        self.conv_0 = norm.wrap(nn.Conv2d(in_channels + joined, middle, 3, padding=1))
        self.conv_1 = norm.wrap(nn.Conv2d(middle + joined, out_channels, 3, padding=1))
        self.learned_shortcut = in_channels != out_channels
        if self.learned_shortcut:
            self.conv_s = norm.wrap(nn.Conv2d(in_channels, out_channels, 1, bias=False))
        self.norm_0 = make_norm(in_channels)
        self.norm_1 = make_norm(middle)
        if self.learned_shortcut:
            self.norm_s = make_norm(in_channels)

    def forward(self, x: Tensor, layout: SemanticLayout, scale: int = 1) -> Tensor:
        """(N, in_channels, h, w) -> (N, out_channels, scale * h, scale * w), as `SPADEResnetBlock` does."""
        x = upsample(x, scale)  # (N, in, H, W)
        residual = self.conv_0(self.join(F.leaky_relu(self.norm_0(x), SLOPE), layout))  # (N, middle, H, W)
        residual = self.conv_1(self.join(F.leaky_relu(self.norm_1(residual), SLOPE), layout))  # (N, out, H, W)
        return (self.conv_s(self.norm_s(x)) if self.learned_shortcut else x) + residual

    def join(self, x: Tensor, layout: SemanticLayout) -> Tensor:
        """The input of a 3x3 convolution: `x` (N, C, H, W), with the semantic map behind it if `concat` is set."""
        return with_semantics(x, layout) if self.concat else x


class ConcatResnetBlock(PlainResnetBlock):
    """The block of "decoder w/ Concat" (table 3): both 3x3 convolutions see the semantic map as further channels.

    The paper says no more than that the map enters "all the intermediate layers via feature concatenation". Its 79 M
    parameters fit a map at both 3x3 convolutions. That it joins after norm and activation is our guess: before them, a
    norm would wash out what uniform regions say.
    """

    concat = True


class LayoutSequential(nn.Sequential):
    """Modules in a row. Those that depend on the layout get it: SPADE, residual blocks, and rows of them."""

    def forward(self, x: Tensor, layout: SemanticLayout) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """(N, C, H, W) -> what the last module returns."""
        for module in self:
            x = module(x, layout) if isinstance(module, SPADE | ResnetBlock | LayoutSequential) else module(x)
        return x


class ResnetBlock(nn.Module):
    """Residual block of pix2pixHD: two reflection-padded convolutions of the same width.

    Args:
        norm: plain, or a SPADE norm for "pix2pixHD++ w/ SPADE" (table 3).
        semantic_nc: channels of the semantic map.

    Attributes:
        concat: whether the semantic map is joined to the input of the first convolution.
    """

    concat = False

    def __init__(self, channels: int, norm: NormSpec, kernel_size: int = 3, semantic_nc: int = 0):
        super().__init__()
        padding = (kernel_size - 1) // 2
        joined = semantic_nc if self.concat else 0
        self.conv_block = LayoutSequential(
            nn.ReflectionPad2d(padding),
            conditional_conv(nn.Conv2d, channels + joined, channels, norm, semantic_nc, kernel_size=kernel_size),
            nn.ReLU(),
            nn.ReflectionPad2d(padding),
            conditional_conv(nn.Conv2d, channels, channels, norm, semantic_nc, kernel_size=kernel_size),
        )

    def forward(self, x: Tensor, layout: SemanticLayout) -> Tensor:
        """(N, channels, H, W) -> the same shape."""
        return x + self.conv_block(with_semantics(x, layout) if self.concat else x, layout)


class ConcatHDResnetBlock(ResnetBlock):
    """The block of "pix2pixHD++ w/ Concat" (table 3): its first convolution sees the semantic map as further channels.

    The place is our guess from the 195 M parameters: the map at every layer would make 212 M.
    """

    concat = True


def conditional_conv(
    conv: type[nn.Module], in_channels: int, out_channels: int, norm: NormSpec, semantic_nc: int, **kwargs
) -> nn.Module:
    """`normalized_conv`, whose norm may also be SPADE; submodules are `0` and `1`, too."""
    if not norm.spade_kernel:
        return normalized_conv(conv, in_channels, out_channels, norm, **kwargs)
    layer = norm.wrap(conv(in_channels, out_channels, bias=False, **kwargs))
    return LayoutSequential(layer, SPADE(out_channels, semantic_nc, norm))


def with_semantics(x: Tensor, layout: SemanticLayout) -> Tensor:
    """Join the semantic map to features: (N, C, H, W) -> (N, C + semantic_nc, H, W)."""
    return torch.cat([x, layout.at(*x.shape[-2:])], dim=1)
