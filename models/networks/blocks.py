"""Residual blocks of the generators."""

from __future__ import annotations

from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from models.networks.layout import SemanticLayout
from models.networks.normalization import SPADE, NormSpec, normalized_conv
from models.networks.statistics import held_statistics

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

    def compute(self, x: Tensor, layout: SemanticLayout) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H, W)."""
        residual = self.conv_0(leaky_relu(self.norm_0(x, layout)))  # (N, middle, H, W)
        residual = self.conv_1(leaky_relu(self.norm_1(residual, layout)))  # (N, out, H, W)
        return self.shortcut(x, layout) + residual

    def shortcut(self, x: Tensor, layout: SemanticLayout) -> Tensor:
        """No activation after norm_s: figure 11 draws one, the released weights were trained without."""
        return self.conv_s(self.norm_s(x, layout)) if self.learned_shortcut else x


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
    """The activation of generator, discriminator and encoder: slope 0.2."""
    return F.leaky_relu(x, 0.2)


def recompute_activations(network: nn.Module) -> None:
    """Let every `Block` of `network` compute its activations twice: less memory, about a third more time."""
    for module in network.modules():
        if isinstance(module, Block):
            module.recomputed = True
