"""Segmentation scores from a confusion matrix over a data set."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

IGNORED = 255
"""Value of pixels without a class in true label maps; never predicted."""


class ConfusionMatrix:
    """Pixel counts by true and predicted class, over all images so far.

    Scores are computed from the counts, not averaged over images. With several processes, sum `counts` over them first
    (`torch.distributed.all_reduce(matrix.counts)`). Scores are fractions, 0 to 1, and NaN if the denominator is 0 (but
    0 by the rule "all").

    Attributes:
        counts: (num_classes + 1, num_classes) int64. Row t, column p: pixels of class t predicted as p. The last row
            holds the pixels without a class.
    """

    def __init__(self, num_classes: int, device: torch.device | str = "cpu"):
        if not 0 < num_classes <= IGNORED:
            raise ValueError(f"num_classes {num_classes}: must be 1 to {IGNORED}")
        self.num_classes = num_classes
        self.counts = torch.zeros(num_classes + 1, num_classes, dtype=torch.int64, device=device)

    @classmethod
    def of(cls, counts: Tensor, num_classes: int) -> ConfusionMatrix:
        """The matrix of given counts, whole numbers, ((C + 1) C,) or (C + 1, C)."""
        matrix = cls(num_classes)
        matrix.counts = counts.long().view_as(matrix.counts)  # (C + 1, C)
        return matrix

    def add(self, *, predictions: Tensor, truth: Tensor) -> None:
        """Count the pixels of two integer maps of one shape, such as (N, H, W).

        Args:
            predictions: 0 .. num_classes - 1.
            truth: the same, or IGNORED.
        Raises:
            ValueError: the shapes differ, or a value is none of these.
        """
        if predictions.shape != truth.shape:
            raise ValueError(f"predictions {tuple(predictions.shape)} and truth {tuple(truth.shape)} differ in shape")
        predictions, truth = (ids.to(self.counts.device).long().flatten() for ids in (predictions, truth))
        ignored = truth == IGNORED
        self._check("predictions", predictions)
        self._check("truth", truth[~ignored])
        cells = torch.where(ignored, self.num_classes, truth) * self.num_classes + predictions
        self.counts += torch.bincount(cells, minlength=self.counts.numel()).view_as(self.counts)

    def _check(self, what: str, ids: Tensor) -> None:
        wrong = ids[(ids < 0) | (ids >= self.num_classes)]
        if len(wrong):
            raise ValueError(f"{what}: {int(wrong[0])} is no class; there are 0..{self.num_classes - 1}")

    def pixel_accuracy(self, *, unlabeled_is_wrong: bool = False) -> float:
        """Fraction of correctly predicted pixels, among those with a class or among all.

        Numbers near 82 % for Cityscapes are fractions of all pixels, numbers near 94 % of those with a class.
        """
        matrix = self._labeled()
        return _fraction(np.diag(matrix).sum(), int(self.counts.sum()) if unlabeled_is_wrong else matrix.sum())

    def mean_accuracy(self) -> float:
        """Mean, over the classes that occur in the labels, of the fraction of correctly predicted pixels."""
        matrix = self._labeled()
        return _mean(np.diag(matrix) / _nan_if_zero(matrix.sum(axis=1)))

    def class_iou(self) -> np.ndarray:
        """Intersection over union of each class, (num_classes,) float64; NaN for classes that occur nowhere.

        Predictions for pixels without a class are ignored.
        """
        intersection, union = self.overlap()
        return intersection / _nan_if_zero(union)

    def mean_iou(self, rule: str) -> float:
        """Mean of `class_iou` by a rule of MEAN_IOU, which chooses the classes that count."""
        return MEAN_IOU[rule](self)

    def frequency_weighted_iou(self) -> float:
        """Mean of `class_iou`, each class weighted by its fraction of the labeled pixels."""
        pixels = self._labeled().sum(axis=1)
        seen = pixels > 0
        return float((pixels[seen] / pixels.sum() * self.class_iou()[seen]).sum()) if seen.any() else float("nan")

    def overlap(self) -> tuple[np.ndarray, np.ndarray]:
        """Pixels of intersection and of union of each class, two arrays (num_classes,) int64."""
        matrix = self._labeled()
        return np.diag(matrix), matrix.sum(axis=1) + matrix.sum(axis=0) - np.diag(matrix)

    def _labeled(self) -> np.ndarray:
        """(num_classes, num_classes) int64: the counts without the pixels that have no class."""
        return self.counts[:-1].cpu().numpy()


def _mean_over_labeled(matrix: ConfusionMatrix) -> float:
    return _mean(matrix.class_iou()[matrix._labeled().sum(axis=1) > 0])


def _mean_over_all(matrix: ConfusionMatrix) -> float:
    intersection, union = matrix.overlap()
    return _mean(intersection / (union + 1e-10))  # the published constant: an absent class counts as 0


def _mean_over_occurring(matrix: ConfusionMatrix) -> float:
    return _mean(matrix.class_iou())


# Classes over which the mean IoU is taken. Published numbers depend on the evaluation code used for each data set.
MEAN_IOU: dict[str, Callable[[ConfusionMatrix], float]] = {
    "labelled": _mean_over_labeled,  # classes in the labels (DeepLab-PyTorch: COCO-Stuff)
    "all": _mean_over_all,  # all classes, 0 for those that occur nowhere (CSAIL: ADE20K)
    "occurring": _mean_over_occurring,  # classes in labels or predictions (DRN: Cityscapes)
}


def _nan_if_zero(counts: np.ndarray) -> np.ndarray:
    return np.where(counts > 0, counts, np.nan)


def _fraction(part: int, whole: int) -> float:
    return float(part / whole) if whole else float("nan")


def _mean(values: np.ndarray) -> float:
    """Mean of the values that are not NaN; NaN if there are none."""
    return float("nan") if np.isnan(values).all() else float(np.nanmean(values))
