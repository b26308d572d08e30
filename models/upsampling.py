"""Bilinear upsampling in front of the blocks of a generator, where the published ones repeat each value."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.layout import SemanticLayout


def bilinear(block: type[nn.Module]) -> type[nn.Module]:
    """A subclass of a generator's block that upsamples its input bilinearly instead of by nearest neighbor.

    Repeated values are steps every 2, 4, 8, ... pixels, which the convolutions behind them must smooth away, and which
    otherwise stay in images as horizontal and vertical lines. StyleGAN2 (Karras et al., arXiv 1912.04958) upsamples
    bilinearly, too. Parameters are the same.
    """

    class Bilinear(block):
        def forward(self, x: Tensor, layout: SemanticLayout, scale: int = 1) -> Tensor:
            """(N, in_channels, h, w) -> (N, out_channels, scale * h, scale * w)."""
            if scale > 1:
                x = F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)
            return super().forward(x, layout, 1)

    return Bilinear
