"""DeepLabV2 on ResNet-101 at three scales (Chen et al., arXiv 1606.00915), which segments COCO-Stuff."""

from __future__ import annotations

from collections import OrderedDict
from functools import reduce
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.segmenters.base import Segmenter, Size, per_channel, resize_scores, size_of

NUM_CLASSES = 182
ATROUS_RATES = (6, 12, 18, 24)
SMALLER_SCALES = (0.5, 0.75)
MEAN_BGR = (104.008, 116.669, 122.675)  # of 0..255


class ConvNorm(nn.Module):
    """Convolution without bias, batch norm, and ReLU unless `activate` is False."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, dilation: int = 1, activate=True
    ):
        super().__init__()
        padding = kernel_size // 2 * dilation
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W), sides divided by the stride and rounded up."""
        x = self.bn(self.conv(x))
        return F.relu(x, inplace=True) if self.activate else x


class Block(nn.Module):
    """Bottleneck as in Caffe's ResNet: the stride is on the first convolution, the dilation on the second."""

    def __init__(self, in_channels: int, width: int, stride: int, dilation: int, project: bool):
        super().__init__()
        self.reduce = ConvNorm(in_channels, width, 1, stride)
        self.conv3x3 = ConvNorm(width, width, 3, dilation=dilation)
        self.increase = ConvNorm(width, 4 * width, 1, activate=False)
        self.shortcut = ConvNorm(in_channels, 4 * width, 1, stride, activate=False) if project else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, 4 * width, H / stride, W / stride)."""
        return F.relu(self.increase(self.conv3x3(self.reduce(x))) + self.shortcut(x), inplace=True)


def stage(in_channels: int, width: int, blocks: int, stride: int, dilation: int) -> nn.Sequential:
    """`blocks` bottlenecks named block1, block2, ...; the first strides and projects its shortcut."""
    first = Block(in_channels, width, stride, dilation, project=True)
    rest = (Block(4 * width, width, 1, dilation, project=False) for _ in range(blocks - 1))
    return nn.Sequential(OrderedDict((f"block{i}", block) for i, block in enumerate((first, *rest), start=1)))


class ASPP(nn.Module):
    """Atrous spatial pyramid: the sum of four dilated 3x3 classifiers (paper, section 3.2)."""

    def __init__(self, in_channels: int, num_classes: int):
        super().__init__()
        for index, rate in enumerate(ATROUS_RATES):
            self.add_module(f"c{index}", nn.Conv2d(in_channels, num_classes, 3, padding=rate, dilation=rate))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to logits of the same size."""
        return reduce(torch.add, (branch(x) for branch in self.children()))


class DeepLabV2(nn.Sequential):
    """Images (N, 3, H, W) to logits (N, 182, h, w). The stem's pooling rounds up: 64 pixels become 9, 256 become 33."""

    def __init__(self):
        stem: dict[str, nn.Module] = {
            "conv1": ConvNorm(3, 64, 7, stride=2),
            "pool": nn.MaxPool2d(3, 2, padding=1, ceil_mode=True),
        }
        super().__init__(
            OrderedDict(
                layer1=nn.Sequential(OrderedDict(stem)),
                layer2=stage(64, 64, blocks=3, stride=1, dilation=1),
                layer3=stage(256, 128, blocks=4, stride=2, dilation=1),
                layer4=stage(512, 256, blocks=23, stride=1, dilation=2),
                layer5=stage(1024, 512, blocks=3, stride=1, dilation=4),
                aspp=ASPP(2048, NUM_CLASSES),
            )
        )


class MultiScale(nn.Module):
    """The same network on the image at scales 1, 0.5 and 0.75; the maximum of their logits (paper, section 3.2).

    Args:
        recompute_scale_factor: resize to the smaller scales as PyTorch before 1.6 did, by the ratio of the two sizes.
            It matters where a side is not a multiple of 4.
    """

    def __init__(self, recompute_scale_factor: bool = False):
        super().__init__()
        self.base = DeepLabV2()
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 3, H, W) to logits (N, 182, h, w) of the size that scale 1 has."""
        logits = self.base(x)
        for scale in SMALLER_SCALES:
            smaller = F.interpolate(
                x,
                scale_factor=scale,
                mode="bilinear",
                align_corners=False,
                recompute_scale_factor=self.recompute_scale_factor,
            )
            logits = torch.maximum(logits, resize_scores(self.base(smaller), size_of(logits)))
        return logits


class CocoSegmenter(Segmenter):
    """Segments COCO-Stuff. Scores are logits. Images are segmented at their own size; no CRF.

    Only 171 of the 182 ids occur in label files, so a mean over all of them is meaningless.
    """

    name = "coco"
    class_ids = tuple(range(NUM_CLASSES))
    unlabelled_ids = (255,)
    mean_iou = "labelled"
    files: ClassVar = {"network": "deeplabv2_resnet101_msc-cocostuff164k-100000.pth"}
    source = "https://github.com/kazuto1011/deeplab-pytorch"
    license = "MIT"

    def __init__(self, recompute_scale_factor: bool = False):
        super().__init__()
        self.network = MultiScale(recompute_scale_factor)
        self.eval().requires_grad_(False)

    def preprocess(self, pixels: Tensor) -> Tensor:
        """RGB pixels (N, 3, H, W) in 0 .. 255 to inputs of the network: BGR, centered, not scaled."""
        bgr = pixels.flip(1).double()  # the published code subtracts in double precision
        return (bgr - per_channel(MEAN_BGR, bgr)).float()

    def score_pixels(self, pixels: Tensor, size: Size) -> Tensor:
        """Logits (N, 182, *size)."""
        return resize_scores(self.network(self.preprocess(pixels)), size)
