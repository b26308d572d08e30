"""The scores of single classes: their pixels and colors, the images where each did worst, the largest confusions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from models.segmenters import Segmenter
from util.segmentation_scores import ConfusionMatrix

ENOUGH = 0.01
"""Fraction of an image's labeled pixels from which a class counts there: the IoU of a few pixels says little."""
EXAMPLES = 3


@dataclass(frozen=True)
class Confusion:
    """Pixels of class `true` that are classified as `predicted`, both by number.

    Attributes:
        of_class: fraction of the pixels of class `true`.
        of_all: fraction of all labeled pixels.
    """

    true: int
    predicted: int
    of_class: float
    of_all: float


def class_colors(segmenter: Segmenter | None, colors: np.ndarray | None) -> list[str]:
    """The color of each class of the segmenter, such as "#46a2c8", gray for a class without one; empty without colors.

    Args:
        colors: (n, 3) uint8, of the ids of the data set's label files.
    """
    if segmenter is None or colors is None:
        return []
    known = ["#" + bytes(color).hex() for color in np.asarray(colors, dtype=np.uint8)]
    return [known[i] if 0 <= i < len(known) else "#808080" for i in segmenter.class_ids]


def class_facts(
    matrix: ConfusionMatrix | None, names: Sequence[str], colors: Sequence[str], real_photos: Mapping[str, Any]
) -> dict[str, Any]:
    """The parts of scores.json about classes and real photos; nothing without segmentation scores.

    Args:
        names, colors: of the classes; colors may be missing.
        real_photos: of `evaluation.real_photos.score_real_photos`.
    """
    if matrix is None:
        return {}
    facts: dict[str, Any] = {"class_pixels": dict(zip(names, class_pixels(matrix)))}
    if colors:
        facts["class_colors"] = dict(zip(names, colors))
    if real_photos:
        iou = dict(zip(names, real_photos["class_iou"]))
        facts["real_photos"] = {"scores": real_photos["scores"], "per_class_iou": iou}
    return facts


def class_pixels(matrix: ConfusionMatrix) -> list[int]:
    """Number of pixels of each class in the label maps."""
    return matrix.counts[:-1].sum(dim=1).tolist()


def largest_confusions(matrix: ConfusionMatrix, most: int) -> list[Confusion]:
    """The confusions of two classes with the most pixels, the largest first."""
    counts = matrix.counts[:-1].cpu().numpy()
    wrong = counts * (1 - np.eye(len(counts), dtype=counts.dtype))
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    places = [divmod(int(place), len(counts)) for place in order]
    return [
        Confusion(t, p, float(counts[t, p] / counts[t].sum()), float(counts[t, p] / counts.sum()))
        for t, p in places
        if wrong[t, p] > 0
    ]


def worst_images(counts: Mapping[str, Tensor], num_classes: int) -> list[list[tuple[str, float]]]:
    """For each class up to `EXAMPLES` images with the lowest IoU of it, and that IoU; the lowest first.

    Only images with `ENOUGH` pixels of the class are compared, or all that have it if there is no such image; of equal
    ones, that with more pixels of the class is first.

    Args:
        counts: the confusion of each image by name, ((C + 1) C,) sparse.
    """
    names = list(counts)
    iou, fractions = np.full((2, len(names), num_classes), np.nan)
    for place, one in enumerate(counts.values()):
        matrix = ConfusionMatrix.of(one.to_dense(), num_classes)
        pixels = matrix.counts[:-1].sum(dim=1).numpy()
        iou[place], fractions[place] = matrix.class_iou(), pixels / max(1, pixels.sum())
    return [_lowest(names, iou[:, k], fractions[:, k]) for k in range(num_classes)]


def _lowest(names: list[str], iou: np.ndarray, fractions: np.ndarray) -> list[tuple[str, float]]:
    compared = fractions >= ENOUGH
    if not compared.any():
        compared = fractions > 0
    order = np.lexsort((-fractions, iou))
    return [(names[i], float(iou[i])) for i in order if compared[i]][:EXAMPLES]
