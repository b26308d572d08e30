"""The residual block of SPADE (paper, figure 11)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.layout import SemanticLayout
from models.networks.normalization import SPADE
from models.networks.norms import NormSpec

# Negative slope of every leaky ReLU in generator, discriminator and encoder.
SLOPE = 0.2


class SPADEResnetBlock(nn.Module):
    """SPADE ResBlk (paper, figure 11): two SPADE - LeakyReLU - 3x3 convolution stages and a skip connection.

    Args:
        in_channels, out_channels: the skip connection is learned when they differ.
        semantic_nc: channels of the semantic map.
        norm: SPADE norm such as "spectralspadesyncbatch3x3"; `spectral` applies to conv_0, conv_1 and conv_s.

    Attributes:
        spade: class of the normalization layers. A subclass may name another one with the same parameters.
    """

    spade: type[SPADE] = SPADE

    def __init__(self, in_channels: int, out_channels: int, semantic_nc: int, norm: str | NormSpec):
        super().__init__()
        norm = NormSpec.of(norm, spade=True, flag="norm_G")
        middle = min(in_channels, out_channels)
        self.conv_0 = norm.wrap(nn.Conv2d(in_channels, middle, 3, padding=1))
        self.conv_1 = norm.wrap(nn.Conv2d(middle, out_channels, 3, padding=1))
        self.learned_shortcut = in_channels != out_channels
        if self.learned_shortcut:
            self.conv_s = norm.wrap(nn.Conv2d(in_channels, out_channels, 1, bias=False))
        self.norm_0 = self.spade(in_channels, semantic_nc, norm)
        self.norm_1 = self.spade(middle, semantic_nc, norm)
        if self.learned_shortcut:
            self.norm_s = self.spade(in_channels, semantic_nc, norm)

    def forward(self, x: Tensor, layout: SemanticLayout, scale: int = 1) -> Tensor:
        """(N, in_channels, h, w) -> (N, out_channels, H, W), where H, W = scale * h, scale * w.

        The block first upsamples its input by `scale`; figure 12 draws this upsampling in front of the block.
        """
        x = upsample(x, scale)  # (N, in, H, W)
        residual = self.conv_0(leaky_relu(self.norm_0(x, layout)))  # (N, middle, H, W)
        residual = self.conv_1(leaky_relu(self.norm_1(residual, layout)))  # (N, out, H, W)
        return self.shortcut(x, layout) + residual

    def shortcut(self, x: Tensor, layout: SemanticLayout) -> Tensor:
        """Figure 11 draws an activation after norm_s; the released weights were trained without it."""
        return self.conv_s(self.norm_s(x, layout)) if self.learned_shortcut else x


def leaky_relu(x: Tensor) -> Tensor:
    """The activation of generator and encoder, in place: the gradient of what computed `x` must not need `x`."""
    return F.leaky_relu(x, SLOPE, inplace=True)


def upsample(x: Tensor, scale: int = 2) -> Tensor:
    """(N, C, H, W) -> (N, C, scale * H, scale * W), nearest neighbor."""
    return x if scale == 1 else F.interpolate(x, scale_factor=scale, mode="nearest")
