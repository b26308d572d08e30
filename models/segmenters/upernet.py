"""UPerNet on ResNet-101 (Xiao et al., arXiv 1807.10221), which segments ADE20K."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.segmenters.base import Segmenter, Size, per_channel, resize_pixels, resize_scores, size_of
from models.segmenters.resnet import bottlenecks, conv_norm_relu

NUM_CLASSES = 150
WIDTH = 512  # channels of every map of the decoder
POOL_SIZES = (1, 2, 3, 6)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet, of 0..1
MEAN_BGR = (102.9801, 115.9465, 122.7717)  # of 0..255
MAX_SIDE = 1000
MULTIPLE = 32  # sides of every input are multiples of this

# Preprocessing -> short sides, in pixels, of the images whose probabilities are averaged.
SCALES = {"rgb": (300, 375, 450, 525, 600), "bgr": (450,)}


class Encoder(nn.Module):
    """ResNet-101 with three 3x3 convolutions as its stem."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(64)
        self.conv2, self.bn2 = nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64)
        self.conv3, self.bn3 = nn.Conv2d(64, 128, 3, padding=1, bias=False), nn.BatchNorm2d(128)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = bottlenecks(128, 64, blocks=3)
        self.layer2 = bottlenecks(256, 128, blocks=4, stride=2)
        self.layer3 = bottlenecks(512, 256, blocks=23, stride=2)
        self.layer4 = bottlenecks(1024, 512, blocks=3, stride=2)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Images (N, 3, H, W) to 256, 512, 1024, 2048 channels at 1/4, 1/8, 1/16, 1/32."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        x = self.maxpool(F.relu(self.bn3(self.conv3(x))))  # (N, 128, H / 4, W / 4)
        maps = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            maps.append(x)
        return maps


class Decoder(nn.Module):
    """Pyramid pooling on the coarsest map, a feature pyramid on all four, and their fusion (paper, figure 4)."""

    def __init__(self):
        super().__init__()
        self.ppm_conv = nn.ModuleList(conv_norm_relu(2048, WIDTH, 1) for _ in POOL_SIZES)
        self.ppm_last_conv = conv_norm_relu(2048 + len(POOL_SIZES) * WIDTH, WIDTH, 3)
        self.fpn_in = nn.ModuleList(conv_norm_relu(channels, WIDTH, 1) for channels in (256, 512, 1024))
        # One level of nesting more than needed: names in the published file have its index.
        self.fpn_out = nn.ModuleList(nn.Sequential(conv_norm_relu(WIDTH, WIDTH, 3)) for _ in self.fpn_in)
        self.conv_last = nn.Sequential(conv_norm_relu(4 * WIDTH, WIDTH, 3), nn.Conv2d(WIDTH, NUM_CLASSES, 1))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """The encoder's maps to logits (N, 150, H / 4, W / 4)."""
        *finer, coarsest = maps
        size = size_of(coarsest)
        pooled = [resize_scores(F.adaptive_avg_pool2d(coarsest, side), size) for side in POOL_SIZES]
        pooled = [conv(x) for conv, x in zip(self.ppm_conv, pooled)]
        x = self.ppm_last_conv(torch.cat([coarsest, *pooled], dim=1))
        pyramid = [x]
        for lateral, out, skip in reversed(list(zip(self.fpn_in, self.fpn_out, finer))):
            skip = lateral(skip)
            x = skip + resize_scores(x, tuple(skip.shape[-2:]))
            pyramid.insert(0, out(x))  # x itself, not out(x), is added to the finer map
        size = tuple(pyramid[0].shape[-2:])
        return self.conv_last(torch.cat([resize_scores(x, size) for x in pyramid], dim=1))


class Ade20kSegmenter(Segmenter):
    """Segments ADE20K. Scores are probabilities, averaged over scales.

    Args:
        preprocessing: "rgb" is for ade20k-resnet101-upernet: RGB with ImageNet's mean and standard deviation,
            Pillow's resizing, five scales. "bgr" is for baseline-resnet101-upernet of February 2019, when the SPADE
            paper was written: BGR in 0..255 minus the mean, OpenCV's resizing, one scale.
        scales: short sides in pixels; None for those of the preprocessing. Scores with one scale are several points
            below those with five.
    """

    name = "ade20k"
    class_ids = tuple(range(1, NUM_CLASSES + 1))
    unlabelled_ids = (0,)
    mean_iou = "all"
    files: ClassVar = {"encoder": "encoder_epoch_50.pth", "decoder": "decoder_epoch_50.pth"}
    source = "https://github.com/CSAILVision/semantic-segmentation-pytorch (ade20k-resnet101-upernet)"
    license = "BSD-3-Clause"

    def __init__(self, preprocessing: str = "rgb", scales: Sequence[int] | None = None):
        super().__init__()
        if preprocessing not in SCALES:
            raise ValueError(f"preprocessing {preprocessing}: must be one of {', '.join(SCALES)}")
        self.preprocessing = preprocessing
        self.scales = tuple(scales or SCALES[preprocessing])
        self.encoder, self.decoder = Encoder(), Decoder()
        self.eval().requires_grad_(False)

    def preprocess(self, pixels: Tensor, scale: int) -> Tensor:
        """RGB pixels (N, 3, H, W) in 0 .. 255 to the encoder's input at one scale; for its size see `input_size`."""
        size = input_size(size_of(pixels), scale)
        if self.preprocessing == "bgr":
            bgr = resize_fixed_point(pixels.flip(1), size)
            return bgr - per_channel(MEAN_BGR, bgr)
        rgb = resize_pixels(pixels, size) / 255
        return (rgb - per_channel(MEAN, rgb)) / per_channel(STD, rgb)

    def score_pixels(self, pixels: Tensor, size: Size) -> Tensor:
        """Probabilities (N, 150, *size)."""
        logits = (self.decoder(self.encoder(self.preprocess(pixels, scale))) for scale in self.scales)
        return reduce(torch.add, (resize_scores(x, size).softmax(dim=1) / len(self.scales) for x in logits))


def input_size(size: Size, scale: int) -> Size:
    """`size` scaled to a short side of `scale` but a long side of at most MAX_SIDE, both rounded up to MULTIPLE."""
    ratio = min(scale / min(size), MAX_SIDE / max(size))
    height, width = ((int(side * ratio) - 1) // MULTIPLE * MULTIPLE + MULTIPLE for side in size)
    return height, width


def resize_fixed_point(pixels: Tensor, size: Size) -> Tensor:
    """Pixels (N, 3, H, W) in 0 .. 255 to (N, 3, *size) exactly as OpenCV's INTER_LINEAR does.

    Bilinear without antialiasing, in integers: weights are multiples of 1 / 2048, and the vertical step drops 4 bits
    before and 16 bits after each product.
    """
    x = pixels.long()
    left, right, a, b = _taps(x.shape[-1], size[1], x.device)
    x = x[..., left] * a + x[..., right] * b  # (N, 3, H, w), times 2048
    above, below, a, b = _taps(x.shape[-2], size[0], x.device)
    x = x >> 4
    x = ((x[..., above, :] * a[:, None]) >> 16) + ((x[..., below, :] * b[:, None]) >> 16)  # (N, 3, h, w), times 4
    return ((x + 2) >> 2).to(pixels)


def _taps(old: int, new: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Indices of the two pixels on either side of each new one, and their weights in units of 1 / 2048."""
    center = ((torch.arange(new, dtype=torch.float64) + 0.5) * (old / new) - 0.5).float()
    first = center.floor()
    left, right = (tap.clamp(0, old - 1).long().to(device) for tap in (first, first + 1))
    a, b = ((weight * 2048).round().long().to(device) for weight in (1 - (center - first), center - first))
    return left, right, a, b
