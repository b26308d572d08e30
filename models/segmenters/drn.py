"""DRN-D-105, a dilated residual network (Yu, Koltun, Funkhouser, arXiv 1705.09914), which segments Cityscapes."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.segmenters.base import Segmenter, Size, per_channel, resize_pixels
from models.segmenters.resnet import bottlenecks, conv_norm_relu

NUM_CLASSES = 19
STRIDE = 8
# Per channel, of the data set's photos in [0, 1].
MEAN = (0.29010095242892997, 0.32808144844279574, 0.28696394422942517)
STD = (0.1829540508368939, 0.18656561047509476, 0.18447508988480435)

FULL_SIZE = (1024, 2048)
"""Height and width of the data set's own photos and label maps."""

# Ids in *_labelIds.png of the 19 classes that are scored, in the order of the network's outputs.
TRAIN_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)

RESOLUTIONS = ("512", "upsample_logits", "upsample_image")


def bilinear_kernel(stride: int) -> Tensor:
    """(2 stride, 2 stride): kernel of the transposed convolution of that stride that interpolates bilinearly."""
    ramp = 1 - (torch.arange(2 * stride) - (stride - 0.5)).abs() / stride
    return ramp[:, None] * ramp[None, :]


class DRND105(nn.Module):
    """Dilated residual network (paper, section 2) in its variant D-105, a 1x1 classifier and fixed upsampling."""

    def __init__(self):
        super().__init__()
        self.base = nn.Sequential(
            conv_norm_relu(3, 16, 7),
            conv_norm_relu(16, 16, 3),
            conv_norm_relu(16, 32, 3, stride=2),
            bottlenecks(32, 64, blocks=3, stride=2),
            bottlenecks(256, 128, blocks=4, stride=2),
            bottlenecks(512, 256, blocks=23, dilation=2),
            bottlenecks(1024, 512, blocks=3, dilation=4),
            conv_norm_relu(2048, 512, 3, dilation=2),  # two stages that remove gridding (paper, section 4)
            conv_norm_relu(512, 512, 3),
        )
        self.seg = nn.Conv2d(512, NUM_CLASSES, 1)
        self.up = nn.ConvTranspose2d(
            NUM_CLASSES, NUM_CLASSES, 2 * STRIDE, STRIDE, padding=STRIDE // 2, groups=NUM_CLASSES, bias=False
        )
        with torch.no_grad():
            self.up.weight.copy_(bilinear_kernel(STRIDE))

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 3, H, W) to log-probabilities (N, 19, h, w), h and w the next multiples of 8.

        Within 4 pixels of the border the upsampling fades to 0, where an interpolation would continue the last value.
        """
        return self.up(self.seg(self.base(x))).log_softmax(dim=1)


class CityscapesSegmenter(Segmenter):
    """Segments Cityscapes into its 19 training classes. Scores are log-probabilities.

    Published numbers disagree about the resolution:

    - "upsample_image", the default: the image is enlarged to 2048x1024, the size of the network's training photos, and
      compared with the label files as they are. This is reported to give the SPADE paper's mIoU of 62.3.
    - "upsample_logits": the image is segmented at its own 512x256, and the network's output is enlarged.
    - "512": the image is segmented at its own 512x256, and the label maps are downsampled to it.

    Images are enlarged by Pillow's bilinear resizing; published descriptions do not name a method.
    """

    name = "cityscapes"
    class_ids = TRAIN_IDS
    unlabelled_ids = tuple(sorted({*range(35), 255} - {*TRAIN_IDS}))  # -1, license plates, may be 34 or 255
    mean_iou = "occurring"
    files: ClassVar = {"network": "drn-d-105_ms_cityscapes.pth"}
    source = "https://github.com/fyu/drn"
    license = "BSD-3-Clause"

    def __init__(self, resolution: str = "upsample_image"):
        super().__init__()
        if resolution not in RESOLUTIONS:
            raise ValueError(f"resolution {resolution}: must be one of {', '.join(RESOLUTIONS)}")
        self.resolution = resolution
        self.network = DRND105()
        self.eval().requires_grad_(False)

    def scored_size(self, image_size: Size, label_size: Size) -> Size:
        """The size of the image with "512", else that of the label files."""
        return image_size if self.resolution == "512" else label_size

    def preprocess(self, pixels: Tensor) -> Tensor:
        """RGB pixels (N, 3, H, W) in 0 .. 255 to normalized inputs of the network, enlarged for "upsample_image"."""
        if self.resolution == "upsample_image":
            pixels = resize_pixels(pixels, FULL_SIZE)
        return (pixels / 255 - per_channel(MEAN, pixels)) / per_channel(STD, pixels)

    def score_pixels(self, pixels: Tensor, size: Size) -> Tensor:
        """Log-probabilities (N, 19, *size).

        Resizing them picks the same classes as resizing logits: the two differ by one number per pixel, the same for
        all classes.
        """
        x = self.preprocess(pixels)
        height, width = x.shape[-2:]
        scores = self.network(x)[..., :height, :width]
        if tuple(scores.shape[-2:]) == tuple(size):
            return scores
        return F.interpolate(scores, size, mode="bilinear", align_corners=False, antialias=True)  # Pillow's bilinear
