"""Segmentation scores: compares the segmentation of generated images with their label maps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from evaluation.bootstrap import times_drawn
from models.segmenters import Segmenter
from util.distributed import World, sum_over_processes
from util.errors import InputError
from util.segmentation_scores import IGNORED, ConfusionMatrix

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
        """(N, *size) int64: 0 .. C - 1, or `IGNORED`."""
        return torch.stack([self._classes[index] for index in indices]).long()


class SegmentationCounter:
    """Accumulates the confusion matrix over images, and the accuracy of each image.

    Args:
        of_each: whether to keep the counts of each image, for bootstrap intervals.
    Attributes:
        accuracy: fraction of the labeled pixels that are correct, by index of the image; None without such pixels.
        counts: the counts of each image, ((C + 1) C,) sparse, by index; empty unless `of_each`.
    """

    def __init__(self, truth: TrueClasses, of_each: bool = False):
        self.truth, self.of_each = truth, of_each
        self.counts: dict[int, Tensor] = {}
        self.accuracy: dict[int, float | None] = {}
        self.matrix = ConfusionMatrix(truth.segmenter.num_classes)

    def add(self, indices: Sequence[int], images: Tensor) -> None:
        """Segment images (N, 3, H, W) uint8, a few at a time, and count."""
        height, width = self.truth.size
        at_once = max(1, PIXELS_AT_ONCE // (height * width))
        for start in range(0, len(indices), at_once):
            some = indices[start : start + at_once]
            photos = images[start : start + at_once].float() / 255
            predicted = self.truth.segmenter.predict(photos, self.truth.size).cpu()
            truth = self.truth.of(some)
            self.matrix.add(predictions=predicted, truth=truth)
            labeled = truth != IGNORED
            for place, index in enumerate(some):
                pixels = int(labeled[place].sum())
                right = int((predicted[place] == truth[place])[labeled[place]].sum())
                self.accuracy[index] = right / pixels if pixels else None
                if self.of_each:
                    one = ConfusionMatrix(self.matrix.num_classes)
                    one.add(predictions=predicted[place], truth=truth[place])
                    self.counts[index] = one.counts.double().flatten().to_sparse()  # ((C + 1) C,)

    def gathered(self, world: World) -> tuple[ConfusionMatrix, dict[int, float | None]]:
        """Confusion matrix and accuracies of all processes."""
        if world.size > 1:
            self.matrix.counts = sum_over_processes(self.matrix.counts)
        accuracy = {index: value for part in world.all_gather(self.accuracy) for index, value in part.items()}
        return self.matrix, accuracy

    def gathered_counts(self, world: World) -> dict[int, Tensor]:
        """The counts of the images of all processes, by index."""
        return {index: counts for part in world.all_gather(self.counts) for index, counts in part.items()}

    def scores_of_draws(self, counts: Mapping[int, Tensor], drawn: Tensor) -> dict[str, list[float]]:
        """The scores by name for each draw (draws, samples) of samples.

        Args:
            counts: those of all samples, by index.
        """
        by_sample = torch.stack([counts[index] for index in sorted(counts)]).coalesce()  # (samples, (C + 1) C)
        of_draws: dict[str, list[float]] = defaultdict(list)
        for some in times_drawn(drawn).split(DRAWS_AT_ONCE):
            for cells in torch.sparse.mm(by_sample.t(), some.T).T:  # exact, as counts are below 2^53
                matrix = ConfusionMatrix(self.matrix.num_classes)
                matrix.counts = cells.long().view_as(matrix.counts)  # (C + 1, C)
                for name, value in self.scores(matrix).items():
                    of_draws[name].append(value)
        return of_draws

    def scores(self, matrix: ConfusionMatrix) -> dict[str, float]:
        """The scores of all images by name."""
        return {
            "miou": matrix.mean_iou(self.truth.segmenter.mean_iou),
            "miou_present": matrix.mean_iou("labelled"),
            "accuracy": matrix.pixel_accuracy(),
            "accuracy_with_void": matrix.pixel_accuracy(unlabeled_is_wrong=True),
        }
