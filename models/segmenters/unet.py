"""A small U-Net (Ronneberger et al., arXiv 1505.04597) that learns to label photos in minutes, on a CPU too."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.segmenters.base import resize_scores

BLOCK = 2  # pixels of a side; a block of pixels is one place of the widest maps, which saves most of the time


def conv(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    """Photos to logits at their own size, through maps of 1/2, 1/4, ... of it and back.

    Args:
        num_classes: of the logits.
        widths: channels at each of these sizes, the largest first.
    """

    def __init__(self, num_classes: int, widths: Sequence[int]):
        super().__init__()
        inputs = (3 * BLOCK**2, *widths[:-1])
        self.down = nn.ModuleList(
            nn.Sequential(conv(before, width, stride=1 if level == 0 else 2), conv(width, width))
            for level, (before, width) in enumerate(zip(inputs, widths))
        )
        # What the whole photo is like: lakes and seas look the same through a small window.
        self.whole = nn.Conv2d(widths[-1], widths[-1], 1)
        self.up = nn.ModuleList(
            conv(below + width, width) for below, width in zip(reversed(widths[1:]), reversed(widths[:-1]))
        )
        self.classify = nn.Conv2d(widths[0], num_classes * BLOCK**2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W), H and W even, to (N, num_classes, H, W)."""
        x = F.pixel_unshuffle(x, BLOCK)  # (N, 12, H / 2, W / 2)
        skips = []
        for block in self.down:
            x = block(x)
            skips.append(x)
        skips.pop()
        x = x + self.whole(x.mean(dim=(2, 3), keepdim=True))
        for block in self.up:
            skip = skips.pop()
            x = block(torch.cat([resize_scores(x, tuple(skip.shape[-2:])), skip], dim=1))
        return F.pixel_shuffle(self.classify(x), BLOCK)
