"""Scores of predicted label maps: one confusion matrix over a data set, and the numbers papers take from it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

IGNORED = 255
"""The true class of pixels that have none. Predictions never hold it."""


class ConfusionMatrix:
    """How many pixels of each true class were predicted as each class, over all images so far.

    Every score follows from the counts, none is a mean over images. With several processes, sum `counts` over them
    (`torch.distributed.all_reduce(matrix.counts)`) before asking. Scores are fractions, 0 to 1, and NaN where nothing
    was counted that they could be a fraction of (but 0 by the rule "all").

    Attributes:
        counts: (num_classes + 1, num_classes) int64. Row t, column p: pixels of class t predicted as p. The last row
            holds the pixels without a class.
    """

    def __init__(self, num_classes: int, device: torch.device | str = "cpu"):
        if not 0 < num_classes <= IGNORED:
            raise ValueError(f"num_classes {num_classes}: must be 1 to {IGNORED}")
        self.num_classes = num_classes
        self.counts = torch.zeros(num_classes + 1, num_classes, dtype=torch.int64, device=device)

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
        """Fraction of the pixels with a class that were predicted right; or of all pixels.

        Numbers near 82 % for Cityscapes are fractions of all pixels, numbers near 94 % of those with a class.
        """
        matrix = self._labeled()
        return _fraction(np.diag(matrix).sum(), int(self.counts.sum()) if unlabeled_is_wrong else matrix.sum())

    def mean_accuracy(self) -> float:
        """Mean over the classes that occur in the labels of the fraction of their pixels that were predicted right."""
        matrix = self._labeled()
        return _mean(np.diag(matrix) / _nan_if_zero(matrix.sum(axis=1)))

    def class_iou(self) -> np.ndarray:
        """Intersection over union of each class, (num_classes,) float64; NaN for one in neither labels nor predictions.

        What is predicted on pixels without a class plays no part.
        """
        intersection, union = self.overlap()
        return intersection / _nan_if_zero(union)

    def mean_iou(self, rule: str) -> float:
        """Mean of `class_iou` by one of the rules in MEAN_IOU, which differ in the classes that count."""
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


# Which classes a mean IoU is taken over. Published numbers of each data set follow the code they were made with.
MEAN_IOU: dict[str, Callable[[ConfusionMatrix], float]] = {
    "labelled": _mean_over_labeled,  # those in the labels (DeepLab-PyTorch: COCO-Stuff)
    "all": _mean_over_all,  # every one, 0 for those in neither (CSAIL: ADE20K)
    "occurring": _mean_over_occurring,  # those in labels or predictions (DRN: Cityscapes)
}


def _nan_if_zero(counts: np.ndarray) -> np.ndarray:
    return np.where(counts > 0, counts, np.nan)


def _fraction(part: int, whole: int) -> float:
    return float(part / whole) if whole else float("nan")


def _mean(values: np.ndarray) -> float:
    """Of those that are not NaN; NaN if there are none."""
    return float("nan") if np.isnan(values).all() else float(np.nanmean(values))
