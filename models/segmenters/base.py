"""The base class of all segmenters, from images to scores or classes, and from label maps to classes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from util.errors import InputError
from util.segmentation_scores import IGNORED

Size = tuple[int, int]
"""Height and width in pixels."""


class Segmenter(nn.Module, ABC):
    """A segmentation network with its preprocessing and its rule for label maps; inference only.

    Subclasses set these attributes and implement `score_pixels`.

    Attributes:
        name: the `--dataset_mode` whose images it segments.
        class_ids: ids in label files of class 0, 1, ...
        unlabelled_ids: ids of pixels that are not scored (spelled as in saved `segmenter.json` files).
        mean_iou: key of `util.segmentation_scores.MEAN_IOU`, the rule of the published numbers.
        files: names of the published weight files, by attribute of the sub-network.
        source: where the files come from.
        license: of code and files.
    """

    name: str
    class_ids: tuple[int, ...]
    unlabelled_ids: tuple[int, ...]
    mean_iou: str
    files: Mapping[str, str]
    source: ClassVar[str]
    license: ClassVar[str]

    @property
    def num_classes(self) -> int:
        return len(self.class_ids)

    @torch.inference_mode()
    def scores(self, images: Tensor, size: Size) -> Tensor:
        """A score of every class for every pixel of a label map; a larger score is a likelier class.

        Args:
            images: RGB (N, 3, H, W) in [0, 1]. Rounded to 8 bits, because published numbers are of saved images.
            size: of the label map.
        Returns:
            (N, C, *size) float32: logits, probabilities or log-probabilities, see the subclass.
        Raises:
            ValueError: a value outside [0, 1].
        """
        least, most = images.min().item(), images.max().item()
        if not (least >= 0 and most <= 1):  # NaN is refused as well
            raise ValueError(f"images hold values from {least:.3g} to {most:.3g}; must be in [0, 1]")
        device = next(self.parameters()).device
        return self.score_pixels((images.to(device, torch.float32) * 255).round(), size)

    @abstractmethod
    def score_pixels(self, pixels: Tensor, size: Size) -> Tensor:
        """As `scores`, for pixels (N, 3, H, W) in 0, 1, ... 255."""

    def predict(self, images: Tensor, size: Size) -> Tensor:
        """Classes (N, *size) int64 of images (N, 3, H, W) in [0, 1]."""
        return self.scores(images, size).argmax(dim=1)

    def scored_size(self, image_size: Size, label_size: Size) -> Size:
        """The size at which classes and label maps are compared: that of the label files."""
        return label_size

    def ground_truth(self, labels: Tensor, size: Size | None = None) -> Tensor:
        """Classes from the ids of label files.

        Args:
            labels: (N, H, W) integer, ids of the data set.
            size: if given, label maps are resized to it, by Pillow's nearest neighbor.
        Returns:
            (N, H, W) or (N, *size) int64: 0 .. C - 1, or IGNORED.
        Raises:
            InputError: an id that is neither a class nor unlabeled.
        """
        classes = torch.full((256,), -1)
        classes[list(self.unlabelled_ids)] = IGNORED
        classes[list(self.class_ids)] = torch.arange(self.num_classes)
        labels = labels.long()
        known = (labels >= 0) & (labels < 256)
        truth = classes.to(labels.device)[labels.where(known, 0)]
        known &= truth >= 0
        if not known.all():
            raise InputError(f"label maps hold {int(labels[~known][0])}, which is not an id of {self.name}")
        if size is not None and size != size_of(labels):
            truth = _resize(truth[:, None], size, "nearest")[:, 0]
        return truth

    def train(self, mode: bool = True) -> Segmenter:
        """Always in evaluation mode."""
        return super().train(False)


def size_of(x: Tensor) -> Size:
    """Height and width of a tensor (..., H, W)."""
    height, width = x.shape[-2:]
    return height, width


def resize_scores(scores: Tensor, size: Size) -> Tensor:
    """(N, C, H, W) to (N, C, *size), bilinear between pixel centers."""
    return F.interpolate(scores, size, mode="bilinear", align_corners=False)


def resize_pixels(pixels: Tensor, size: Size) -> Tensor:
    """Pixels (N, 3, H, W) in 0, 1, ... 255 to (N, 3, *size), bilinear and rounded as Pillow does it."""
    return _resize(pixels, size, "bilinear")


def _resize(values: Tensor, size: Size, mode: str) -> Tensor:
    from torchvision.transforms import InterpolationMode, functional  # late: importing it takes a second

    # By Pillow, on the CPU: PyTorch rounds differently in up to 4 % of the pixels.
    images = (functional.to_pil_image(image) for image in values.to("cpu", torch.uint8))
    resized = [
        functional.pil_to_tensor(functional.resize(image, list(size), InterpolationMode(mode))) for image in images
    ]
    return torch.stack(resized).to(values)


def per_channel(values: Sequence[float], like: Tensor) -> Tensor:
    """Three numbers as (3, 1, 1), with dtype and device of `like`."""
    return torch.tensor(values, dtype=like.dtype, device=like.device).view(3, 1, 1)
