"""The SPADE residual block with gamma and beta from tables; its input is not upsampled before the lookup."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.blocks import SLOPE, SPADEResnetBlock, upsample
from models.networks.layout import SemanticLayout
from models.tables.modulation import add_projected, look_up_in_backward
from models.tables.neighborhoods import Sites
from models.tables.normalization import TableSPADE
from models.tables.packed import PackedConv2d
from models.tables.sites import sites_of

SMALL_MAP, WIDE_LAYER = 256, 2**18
"""On a CPU, a convolution of at most this many sites and at least this many channel pairs runs as a matrix product."""


class TableResnetBlock(SPADEResnetBlock):
    """`SPADEResnetBlock`, the same function of the same parameters, with table lookups wherever they are faster.

    Args:
        always: use tables also on GPUs and for noise-like maps.
        recomputes_parts: recompute the full-size normalized and modulated activations in the backward pass instead of
            keeping them. Off in a block that `models.recompute` recomputes as a whole.
    """

    spade = TableSPADE
    norm_0: TableSPADE
    norm_1: TableSPADE
    norm_s: TableSPADE

    def __init__(self, *args, always: bool = False, recomputes_parts: bool = True):
        super().__init__(*args)
        self.always = always
        self.recomputes_parts = recomputes_parts

    def forward(self, x: Tensor, layout: SemanticLayout, scale: int = 1) -> Tensor:
        """(N, in_channels, h, w) -> (N, out_channels, H, W), where H, W = scale * h, scale * w."""
        sites = self._sites(layout, scale * x.shape[2], scale * x.shape[3])
        return super().forward(x, layout, scale) if sites is None else self._by_table(x, sites, scale)

    def prepare(self, layout: SemanticLayout, height: int, width: int) -> None:
        """Compute the rows of all SPADE layers for H x W sites, where tables are used.

        Only a layout of `prepared.keeping_rows` keeps them.
        """
        sites = self._sites(layout, height, width)
        for module in self.children():
            if sites is not None and isinstance(module, TableSPADE):
                module.rows(sites)

    def _sites(self, layout: SemanticLayout, height: int, width: int) -> Sites | None:
        padding_mode = self.norm_0.mlp_gamma.padding_mode
        return sites_of(layout, height, width, self.norm_0.kernel, self.always, padding_mode)

    def _by_table(self, x: Tensor, sites: Sites, scale: int) -> Tensor:
        # Processes that normalize together must hold tensors of one size, and another process may be on the dense path,
        # which normalizes after the upsampling.
        if self.norm_0.is_synchronized:
            x, scale = upsample(x, scale), 1
        normalized = self.norm_0.normalize(x, scale)  # (N, in, h, w)
        residual = self._stage(self.conv_0, self.norm_0, x, normalized, sites, scale=scale)  # (N, middle, H, W)
        residual = self._stage(
            self.conv_1, self.norm_1, residual, self.norm_1.normalize(residual), sites, in_place=True
        )  # (N, out, H, W)
        if not self.learned_shortcut:
            return residual + upsample(x, scale)
        normalized = self.norm_s.normalize_again(x, normalized, scale)  # (N, in, h, w)
        if torch.is_grad_enabled() or is_spectral(self.conv_s):
            return residual + self._stage(self.conv_s, self.norm_s, x, normalized, sites, slope=1.0, scale=scale)
        rows = self.norm_s.rows(sites).to(x.dtype)
        return add_projected(residual, normalized, rows, sites, self.conv_s.weight, scale)

    def _stage(
        self, conv: nn.Conv2d, norm: TableSPADE, x: Tensor, normalized: Tensor, sites: Sites, slope: float = SLOPE, **kw
    ) -> Tensor:
        """Modulate `normalized` by the rows of `norm`, apply leaky ReLU, and convolve.

        Args:
            x: the input of `norm`, from which `normalized` was computed. It is all that autograd keeps: normalized and
                modulated activations are recomputed from it in the backward pass, unless `recomputes_parts` is off.
            kw: further arguments of `modulate`.
        """
        if not self.recomputes_parts:
            return conv(norm.by_table(normalized, sites, slope, **kw))
        y = norm.by_table(normalized, sites, slope, source=x, **kw)
        if y.grad_fn is None:  # no gradients are wanted
            return convolve(conv, y)
        with look_up_in_backward(y):  # the convolution needs its input for the gradient of its weight
            return conv(y)


def is_spectral(conv: nn.Module) -> bool:
    """Whether the layer has spectral norm, which computes its weight in every call."""
    return hasattr(conv, "spectral_norm")


def convolve(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """`conv(x)`; for wide layers on small maps as one matrix product, two to three times as fast on a CPU.

    Convolutions on CPUs reorder their weight in every call, and there this takes most of their time.
    """
    count, _, height, width = x.shape
    if conv.kernel_size != (3, 3) or conv.padding_mode != "zeros" or isinstance(conv, PackedConv2d):
        return conv(x)
    small = count * height * width <= SMALL_MAP and conv.in_channels * conv.out_channels >= WIDE_LAYER
    if not small or x.device.type != "cpu" or torch.is_grad_enabled() or is_spectral(conv):
        return conv(x)
    weight = conv.weight.permute(0, 2, 3, 1).flatten(1)  # (C', 9 * C), a view of channels-last memory
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))  # (N, H + 2, W + 2, C)
    patches = padded.unfold(1, 3, 1).unfold(2, 3, 1)  # (N, H, W, C, 3, 3)
    patches = patches.permute(0, 1, 2, 4, 5, 3).flatten(3).flatten(0, 2)  # (sites, 9 * C)
    return F.linear(patches, weight, conv.bias).view(count, height, width, -1).permute(0, 3, 1, 2)  # (N, C', H, W)
