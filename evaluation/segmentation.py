"""Segmentation scores: compares the segmentation of generated images with their label maps."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from evaluation.bootstrap import times_drawn
from models.segmenters import Segmenter
from util.distributed import World, sum_over_processes
from util.errors import InputError
from util.segmentation_scores import ConfusionMatrix

PIXELS_AT_ONCE = 2**18
"""Pixels segmented at once, four images of 256x256: the network's scores of 182 classes need much memory."""
DRAWS_AT_ONCE = 64
"""Draws whose confusion matrices are in memory at once, 17 MB for 182 classes."""

Size = tuple[int, int]
"""Height and width in pixels."""


class TrueClasses:
    """Label maps as class numbers of a segmentation network.

    Attributes:
        size: at which predictions and label maps are compared; that of the images until a label map is added.
    """

    def __init__(self, segmenter: Segmenter, image_size: Size):
        self.segmenter, self.image_size = segmenter, image_size
        self.size = image_size
        self._classes: dict[int, Tensor] = {}  # (h, w) uint8 by index of the sample

    def add(self, indices: Sequence[int], names: Sequence[str], labels: Tensor) -> None:
        """Add label maps (N, h, w) of samples; raises `InputError`, which names one with an unknown id."""
        _, height, width = labels.shape
        self.size = self.segmenter.scored_size(self.image_size, (height, width))
        for index, name, label_map in zip(indices, names, labels):
            try:
                classes = self.segmenter.ground_truth(label_map[None], self.size)[0]
            except InputError as error:
                raise InputError(f"{name}: {error}") from None
            self._classes[index] = classes.to(torch.uint8)

    def of(self, indices: Sequence[int]) -> Tensor:
        """(N, *size) int64: 0 .. C - 1, or `util.segmentation_scores.IGNORED`."""
        return torch.stack([self._classes[index] for index in indices]).long()


class SegmentationCounter:
    """Accumulates the confusion matrix over images, and keeps the counts of each image.

    Attributes:
        matrix: that of all images so far.
        counts: those of each image, ((C + 1) C,) sparse, by index: see `ConfusionMatrix`.
    """

    def __init__(self, truth: TrueClasses):
        self.truth = truth
        self.counts: dict[int, Tensor] = {}
        self.matrix = ConfusionMatrix(truth.segmenter.num_classes)

    def add(self, indices: Sequence[int], images: Tensor) -> None:
        """Segment images (N, 3, H, W) uint8, a few at a time, and count."""
        height, width = self.truth.size
        at_once = max(1, PIXELS_AT_ONCE // (height * width))
        for start in range(0, len(indices), at_once):
            some = indices[start : start + at_once]
            photos = images[start : start + at_once].float() / 255
            predicted = self.truth.segmenter.predict(photos, self.truth.size).cpu()
            for index, classes, truth in zip(some, predicted, self.truth.of(some)):
                one = ConfusionMatrix(self.matrix.num_classes)
                one.add(predictions=classes, truth=truth)
                self.matrix.counts += one.counts
                self.counts[index] = one.counts.double().flatten().to_sparse()  # ((C + 1) C,)

    def gathered(self, world: World) -> tuple[ConfusionMatrix, dict[int, Tensor]]:
        """Confusion matrix and counts of the images of all processes, in the order of their indices."""
        if world.size > 1:
            self.matrix.counts = sum_over_processes(self.matrix.counts)
        counts = {index: one for part in world.all_gather(self.counts) for index, one in part.items()}
        return self.matrix, dict(sorted(counts.items()))

    def scores(self, matrix: ConfusionMatrix) -> dict[str, float]:
        """The scores of all images by name."""
        return scores_of(matrix, self.truth.segmenter.mean_iou)


def scores_of(matrix: ConfusionMatrix, mean_iou: str) -> dict[str, float]:
    """The segmentation scores of a confusion matrix by name.

    Args:
        mean_iou: the rule of the segmenter, a key of `MEAN_IOU`.
    """
    return {
        "miou": matrix.mean_iou(mean_iou),
        "miou_present": matrix.mean_iou("labelled"),
        "accuracy": matrix.pixel_accuracy(),
        "accuracy_with_void": matrix.pixel_accuracy(unlabeled_is_wrong=True),
    }


def scores_of_image(counts: Tensor, num_classes: int) -> dict[str, float | None]:
    """Accuracy of one image, and its mean IoU over the classes in its label map; None without labeled pixels.

    Args:
        counts: ((C + 1) C,), sparse.
    """
    matrix = ConfusionMatrix.of(counts.to_dense(), num_classes)
    values = {"accuracy": matrix.pixel_accuracy(), "miou": matrix.mean_iou("labelled")}
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def scores_of_draws(counts: Sequence[Tensor], drawn: Tensor, num_classes: int, mean_iou: str) -> dict[str, list[float]]:
    """The scores by name for each draw (draws, samples) of samples.

    Args:
        counts: those of all samples, ((C + 1) C,) sparse, in order.
        mean_iou: see `scores_of`.
    """
    of_draws: dict[str, list[float]] = defaultdict(list)
    for matrix in matrices_of_draws(counts, drawn, num_classes):
        for name, value in scores_of(matrix, mean_iou).items():
            of_draws[name].append(value)
    return of_draws


def matrices_of_draws(counts: Sequence[Tensor], drawn: Tensor, num_classes: int) -> Iterator[ConfusionMatrix]:
    """The confusion matrix of each draw, valid until the next one; arguments as of `scores_of_draws`."""
    matrix = ConfusionMatrix(num_classes)
    by_sample = torch.stack(list(counts)).t().coalesce()  # ((C + 1) C, samples)
    for some in times_drawn(drawn).split(DRAWS_AT_ONCE):
        cells = torch.sparse.mm(by_sample, some.T).T.contiguous()  # (draws, (C + 1) C), exact, as counts are below 2^53
        for counts_of_draw in cells.long():
            matrix.counts = counts_of_draw.view_as(matrix.counts)  # (C + 1, C)
            yield matrix
