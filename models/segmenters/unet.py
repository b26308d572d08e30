"""A small U-Net (Ronneberger et al., arXiv 1505.04597) that learns to segment photos in minutes, even on a CPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.segmenters.base import resize_scores

BLOCK = 2  # side in pixels of the blocks that are one position of the finest feature map: most of the speed


def conv(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    """From photos to logits of the same size, through feature maps at 1/2, 1/4, ... of it and back.

    Args:
        num_classes: channels of the logits.
        widths: channels of the feature maps, finest first.
    """

    def __init__(self, num_classes: int, widths: Sequence[int]):
        super().__init__()
        inputs = (3 * BLOCK**2, *widths[:-1])
        self.down = nn.ModuleList(
            nn.Sequential(conv(before, width, stride=1 if level == 0 else 2), conv(width, width))
            for level, (before, width) in enumerate(zip(inputs, widths))
        )
        # Global context: lakes and seas look the same in a small window.
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
        return F.pixel_shuffle(self.classify(x), BLOCK)  # (N, num_classes, H, W)
