"""Residual blocks of the generators."""

from __future__ import annotations

from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from models.networks.layout import SemanticLayout
from models.networks.normalization import SPADE
from models.networks.norms import NormSpec, normalized_conv
from models.networks.statistics import held_statistics
from models.tables.modulation import add_projected, looked_up_again
from models.tables.neighborhoods import Sites

SLOPE = 0.2
"""Of every leaky ReLU in generator, discriminator and encoder."""
SMALL_MAP, WIDE_LAYER = 256, 2**18
"""At most so many sites, and at least so many pairs of channels, make a convolution a matrix product on a CPU."""

# torch.compile cannot trace a checkpoint that has contexts of its own: with it, these blocks run as they are.
uncompiled_checkpoint = torch.compiler.disable(checkpoint)


class Block(nn.Module):
    """A part of a network that can compute its activations again in the backward pass, instead of keeping them.

    Subclasses define `compute(x, ...)`.

    Attributes:
        recomputed: whether it does. Outputs and gradients stay the same: the second pass leaves batch-norm statistics
            and spectral-norm vectors as the first one left them.
    """

    recomputed = False

    def forward(self, *inputs: Tensor | SemanticLayout) -> Tensor:
        if not (self.recomputed and torch.is_grad_enabled()):
            return self.compute(*inputs)
        return uncompiled_checkpoint(
            self.compute,
            *inputs,
            use_reentrant=False,
            preserve_rng_state=False,  # nothing here is random
            context_fn=lambda: (nullcontext(), held_statistics(self)),
        )


class SPADEResnetBlock(Block):
    """SPADE ResBlk (paper, figure 11): two SPADE - LeakyReLU - 3x3 convolution stages and a skip connection.

    Args:
        in_channels, out_channels: the skip connection is learned when they differ.
        semantic_nc: channels of the semantic map.
        norm: `NormSpec` with a SPADE kernel; `spectral` applies to conv_0, conv_1 and conv_s.
    """

    def __init__(self, in_channels: int, out_channels: int, semantic_nc: int, norm: NormSpec):
        super().__init__()
        middle = min(in_channels, out_channels)
        self.conv_0 = norm.wrap(nn.Conv2d(in_channels, middle, 3, padding=1))
        self.conv_1 = norm.wrap(nn.Conv2d(middle, out_channels, 3, padding=1))
        self.learned_shortcut = in_channels != out_channels
        if self.learned_shortcut:
            self.conv_s = norm.wrap(nn.Conv2d(in_channels, out_channels, 1, bias=False))
        self.norm_0 = SPADE(in_channels, semantic_nc, norm)
        self.norm_1 = SPADE(middle, semantic_nc, norm)
        if self.learned_shortcut:
            self.norm_s = SPADE(in_channels, semantic_nc, norm)

    def compute(self, x: Tensor, layout: SemanticLayout, scale: int = 1) -> Tensor:
        """(N, in_channels, h, w) -> (N, out_channels, scale * h, scale * w); upsampled first, by nearest neighbor."""
        sites = layout.sites(scale * x.shape[2], scale * x.shape[3], self.norm_0.kernel)
        if sites is not None:
            return self.compute_by_table(x, sites, scale)
        x = upsample(x, scale)
        residual = self.conv_0(leaky_relu(self.norm_0(x, layout)))  # (N, middle, H, W)
        residual = self.conv_1(leaky_relu(self.norm_1(residual, layout)))  # (N, out, H, W)
        return self.shortcut(x, layout) + residual

    def shortcut(self, x: Tensor, layout: SemanticLayout) -> Tensor:
        """No activation after norm_s: figure 11 draws one, the released weights were trained without."""
        return self.conv_s(self.norm_s(x, layout)) if self.learned_shortcut else x

    def prepare(self, sites: Sites | None) -> None:
        """Let all SPADE layers make their rows, where tables are used and rows are kept."""
        for name, module in self.named_children():
            if sites is not None and name.startswith("norm_"):
                module.rows(sites)

    def compute_by_table(self, x: Tensor, sites: Sites, scale: int) -> Tensor:
        """The same, with gamma and beta from tables, and without ever upsampling `x` itself."""
        if self.norm_0.talks:
            x, scale = upsample(x, scale), 1
        normalized = self.norm_0.normalize(x, scale)
        residual = self._stage(self.conv_0, self.norm_0, x, normalized, sites, scale=scale)
        residual = self._stage(
            self.conv_1, self.norm_1, residual, self.norm_1.normalize(residual), sites, in_place=True
        )
        if not self.learned_shortcut:
            return residual + upsample(x, scale)
        normalized = self.norm_s.normalize_again(x, normalized, scale)
        if torch.is_grad_enabled() or self.conv_s._forward_pre_hooks:  # spectral norm makes its weight when called
            return residual + self._stage(self.conv_s, self.norm_s, x, normalized, sites, slope=1.0, scale=scale)
        rows = self.norm_s.rows(sites).to(x.dtype)
        return add_projected(residual, normalized, rows, sites, self.conv_s.weight, scale)

    def _stage(
        self, conv: nn.Conv2d, norm: SPADE, x: Tensor, normalized: Tensor, sites: Sites, slope: float = SLOPE, **kwargs
    ) -> Tensor:
        """`conv` of `normalized`, modulated by `norm` with the further arguments of `modulate`.

        What was normalized and what was modulated, full-size both, are made again of `x` in the backward pass.
        """
        if self.recomputed:  # one way to compute again will do
            return conv(norm.by_table(normalized, sites, slope, **kwargs))
        y = norm.by_table(normalized, sites, slope, made_of=x, **kwargs)
        if y.grad_fn is None:
            return convolve(conv, y)
        with looked_up_again(y):
            return conv(y)


class ResnetBlock(Block):
    """Residual block of pix2pixHD: two reflection-padded convolutions of the same width."""

    def __init__(self, channels: int, norm: NormSpec, kernel_size: int = 3):
        super().__init__()
        padding = (kernel_size - 1) // 2
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(padding),
            normalized_conv(nn.Conv2d, channels, channels, norm, kernel_size=kernel_size),
            nn.ReLU(),
            nn.ReflectionPad2d(padding),
            normalized_conv(nn.Conv2d, channels, channels, norm, kernel_size=kernel_size),
        )

    def compute(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> the same shape."""
        return x + self.conv_block(x)


def leaky_relu(x: Tensor) -> Tensor:
    """The activation of generator, discriminator and encoder. Changes `x` itself: what made it must not need it."""
    return F.leaky_relu(x, SLOPE, inplace=True)


def upsample(x: Tensor, scale: int = 2) -> Tensor:
    """(N, C, H, W) -> (N, C, scale * H, scale * W), nearest neighbor."""
    return x if scale == 1 else F.interpolate(x, scale_factor=scale, mode="nearest")


def convolve(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """`conv(x)`; for wide layers on small maps as one matrix product, which CPUs do two to three times as fast.

    There the time goes into bringing the weight into the order that the convolution wants, anew in every call.
    """
    count, _, height, width = x.shape
    if conv.kernel_size != (3, 3):
        return conv(x)
    small = count * height * width <= SMALL_MAP and conv.in_channels * conv.out_channels >= WIDE_LAYER
    if not small or x.device.type != "cpu" or torch.is_grad_enabled() or conv._forward_pre_hooks:
        return conv(x)
    weight = conv.weight.permute(0, 2, 3, 1).flatten(1)  # (C', 9 * C), a view of channels-last memory
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    patches = padded.unfold(1, 3, 1).unfold(2, 3, 1)  # (N, H, W, C, 3, 3)
    patches = patches.permute(0, 1, 2, 4, 5, 3).flatten(3).flatten(0, 2)  # (sites, 9 * C)
    return F.linear(patches, weight, conv.bias).view(count, height, width, -1).permute(0, 3, 1, 2)


def recompute_activations(network: nn.Module) -> None:
    """Let every `Block` of `network` compute its activations twice: less memory, about a third more time."""
    for module in network.modules():
        if isinstance(module, Block):
            module.recomputed = True
