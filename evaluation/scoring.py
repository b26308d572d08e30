"""All scores of a set of generated images against one real side, which is read once and kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from evaluation.distances import MOST_KEPT, FeatureSet, frechet_distance, kernel_distance
from evaluation.diversity import LPIPSDistance, mean_pairwise
from evaluation.features import FeatureExtractor
from evaluation.image_sets import GeneratedImages, Truth, batches
from evaluation.protocol import (
    KID_SUBSET_SIZE,
    KID_SUBSETS,
    data_digests,
    features_protocol,
    images_protocol,
    segmenter_protocol,
)
from models.segmenters import Segmenter
from util.distributed import World, sum_over_processes
from util.errors import InputError
from util.segmentation_scores import IGNORED, ConfusionMatrix

LEAST_IMAGES = 2
JUDGED_AT_ONCE = 2**18
"""Pixels of label maps judged in one go: four images of 256x256. A network's scores of 182 classes are large."""
ROWS_AT_ONCE = 4096

Batches = Iterable[tuple[Sequence[int] | Tensor, Tensor]]
"""(indices (N), images (N, 3, H, W) uint8) of generated images; an index says of which sample."""


@dataclass(frozen=True)
class Measurement:
    """What was measured on one set of generated images. Shares are 0 to 1.

    Attributes:
        scores: by name: "fid" or "random_feature_distance", "kid", "kid_deviation", "miou", "miou_present",
            "accuracy", "accuracy_with_void", "lpips_diversity"; those that were computed.
        confusion: over all images; None without segmentation network.
        per_image: {sample: {"accuracy": share of its labelled pixels, None if it has none}}.
    """

    scores: dict[str, float]
    confusion: ConfusionMatrix | None = None
    per_image: dict[str, dict[str, float | None]] = field(default_factory=dict)


class Evaluation:
    """Scores generated images again and again against the same photos and label maps.

    The real side is read when it is built, by each process its share: samples rank, rank + size, ... Every process of
    `world` makes the same calls; all of them get the same scores, which are those of one process.

    Args:
        truth: the real side; read with photos unless `real` is given, with labels if there is a segmenter.
        features: what the Fréchet distance compares; None leaves the distances out.
        segmenter: what judges images by their label maps, on its device; None leaves segmentation scores out.
        real: statistics to take in place of the photos'.
        kid: whether to compute KID, if the features are Inception's.
        batch_size: samples read at once; it changes no score but by rounding.
        seed: of KID's subsets.
    Raises:
        InputError: fewer than two samples, and whatever is wrong with files, labels or features.
    """

    def __init__(
        self,
        truth: Truth,
        *,
        features: FeatureExtractor | None = None,
        segmenter: Segmenter | None = None,
        real: FeatureSet | None = None,
        world: World | None = None,
        kid: bool = True,
        batch_size: int = 8,
        num_workers: int = 0,
        seed: int = 0,
        show: bool = False,
    ):
        self.truth, self.features, self.segmenter = truth, features, segmenter
        self.world = world or World()
        self.kid, self.seed = kid, seed
        if len(truth) < LEAST_IMAGES:
            raise InputError(f"{len(truth)} image cannot be scored: distances and scores need {LEAST_IMAGES} or more")
        self.share = range(self.world.rank, len(truth), self.world.size)
        self._real_is_given = real is not None
        self._classes: dict[int, Tensor] = {}  # true classes (h, w) uint8 of the samples in the share
        self._scored_size: tuple[int, int] | None = None
        collector = Collector(features, truth.names)
        digests: dict[str, str] = {}
        with self.world.failing_together():
            if self.world.is_main:
                digests = data_digests(truth)
            if (features and real is None) or segmenter:
                for batch in batches(truth, self.share, batch_size, num_workers, "real", show):
                    self._take_in(batch, collector, photos=real is None)
        self._digests = self.world.broadcast(digests)
        self.real = collector.gathered(self.world) if features and real is None else real

    def _take_in(self, batch: dict[str, Any], collector: Collector, photos: bool) -> None:
        indices = batch["index"].tolist()
        if self.features and photos:
            collector.add(indices, batch["photo"])
        if self.segmenter:
            label_size = tuple(batch["labels"].shape[1:])
            self._scored_size = self.segmenter.scored_size(self.truth.size, label_size)
            for index, labels in zip(indices, batch["labels"]):
                try:
                    classes = self.segmenter.ground_truth(labels[None], self._scored_size)[0]
                except InputError as error:
                    raise InputError(f"{self.truth.names[index]}: {error}") from None
                self._classes[index] = classes.to(torch.uint8)

    def score(self, generated: Batches) -> dict[str, float]:
        """The scores of `measure` alone."""
        return self.measure(generated).scores

    def measure(self, generated: Batches) -> Measurement:
        """Score one set of images.

        Args:
            generated: of this process's `share`, each sample once or more (the first one counts), in any order.
        Raises:
            InputError: images of another size, or whose features are not finite.
            ValueError: images of another type, or of samples that are not in the share, or too few.
        """
        collector = Collector(self.features, self.truth.names)
        judge = Judge(self.segmenter, self._classes, self._scored_size)
        done: set[int] = set()
        with self.world.failing_together():
            for indices, images in generated:
                indices, images = self._new_ones(indices, images, done)
                if indices:
                    collector.add(indices, images)
                    judge.add(indices, images)
                    done.update(indices)
        if len(done) < len(self.share):
            raise ValueError(f"{len(done)} images were generated of {len(self.share)} samples in this process's share")
        scores = self._distances(collector.gathered(self.world)) if self.features else {}
        confusion = judge.gathered(self.world)
        accuracy = {index: value for part in self.world.all_gather(judge.accuracy) for index, value in part.items()}
        if confusion is not None:
            scores |= {
                "miou": confusion.mean_iou(self.segmenter.mean_iou),
                "miou_present": confusion.mean_iou("labelled"),
                "accuracy": confusion.pixel_accuracy(),
                "accuracy_with_void": confusion.pixel_accuracy(unlabelled_is_wrong=True),
            }
        per_image = {self.truth.names[index]: {"accuracy": accuracy[index]} for index in sorted(accuracy)}
        return Measurement(scores, confusion, per_image)

    def _new_ones(self, indices: Sequence[int] | Tensor, images: Tensor, done: set[int]) -> tuple[list[int], Tensor]:
        indices = [int(index) for index in indices]
        if images.dtype != torch.uint8 or images.ndim != 4 or len(images) != len(indices):
            raise ValueError(f"images {tuple(images.shape)} {images.dtype}: must be ({len(indices)}, 3, H, W) uint8")
        strange = [index for index in indices if index not in self.share]
        if strange:
            raise ValueError(f"sample {strange[0]} is not in this process's share {self.share}")
        if tuple(images.shape[2:]) != self.truth.size:
            (height, width), (wanted_height, wanted_width) = images.shape[2:], self.truth.size
            raise InputError(f"images are {width}x{height}, and photos {wanted_width}x{wanted_height}")
        new = [place for place, index in enumerate(indices) if index not in done and index not in indices[:place]]
        return [indices[place] for place in new], images[new]

    def _distances(self, fake: FeatureSet) -> dict[str, float]:
        """Computed by one process for all: the others would only take cores from it."""
        scores: dict[str, float] = {}
        with self.world.failing_together():
            if self.world.is_main:
                scores[self.features.score_name] = frechet_distance(fake, self.real)
                if self.with_kid:
                    scores["kid"], scores["kid_deviation"] = kernel_distance(
                        fake, self.real, KID_SUBSETS, KID_SUBSET_SIZE, self.seed
                    )
        return self.world.broadcast(scores)

    @property
    def with_kid(self) -> bool:
        """Whether KID is computed: only of Inception's features, and only where those of every image are known."""
        if not self.kid or self.features is None or self.features.score_name != "fid":
            return False
        return self.real.features is not None and len(self.truth) <= MOST_KEPT

    @property
    def protocol(self) -> dict[str, Any]:
        """How the scores come about, as JSON values, by score or group of scores. Paths are no part of it."""
        protocol = {"images": images_protocol(self.truth, self._digests)}
        if self.features:
            protocol |= features_protocol(
                self.features, self.real, len(self.truth), self._real_is_given, self.with_kid, self.seed
            )
        if self.segmenter:
            protocol["segmentation"] = segmenter_protocol(self.segmenter, self.truth.size, self._scored_size)
        return protocol


class Collector:
    """Gathers the features of images under their indices, so that their order is that of the samples in the end."""

    def __init__(self, features: FeatureExtractor | None, names: Sequence[str]):
        self.features, self.names = features, names
        self.set = FeatureSet()
        self.indices: list[int] = []

    def add(self, indices: Sequence[int], images: Tensor) -> None:
        """Images (N, 3, H, W) uint8. Raises `InputError` that names the first one whose features are not finite."""
        if self.features is None:
            return
        rows = self.features(images)
        finite = rows.isfinite().all(dim=1).tolist()
        if not all(finite):
            name = self.names[indices[finite.index(False)]]
            raise InputError(f"{name}: its features are not finite (NaN); is the weight file damaged?")
        self.set.add(rows)
        self.indices += indices

    def gathered(self, world: World) -> FeatureSet:
        """The features of all processes, in order of the samples: KID draws subsets by place."""
        union = self.set.gathered(world)
        indices = [index for part in world.all_gather(self.indices) for index in part]
        if union.features is None:
            return union
        ordered = FeatureSet()
        for rows in union.features[torch.tensor(indices).argsort()].split(ROWS_AT_ONCE):
            ordered.add(rows)
        return ordered


class Judge:
    """Counts what a segmentation network sees in images, over classes, and the accuracy of each image."""

    def __init__(self, segmenter: Segmenter | None, classes: dict[int, Tensor], size: tuple[int, int] | None):
        self.segmenter, self.classes, self.size = segmenter, classes, size
        self.accuracy: dict[int, float | None] = {}
        self.matrix = ConfusionMatrix(segmenter.num_classes) if segmenter else None

    def add(self, indices: Sequence[int], images: Tensor) -> None:
        """Images (N, 3, H, W) uint8, judged a few at a time."""
        if self.segmenter is None:
            return
        at_once = max(1, JUDGED_AT_ONCE // (self.size[0] * self.size[1]))
        for start in range(0, len(indices), at_once):
            some = indices[start : start + at_once]
            predicted = self.segmenter.predict(images[start : start + at_once].float() / 255, self.size).cpu()
            truth = torch.stack([self.classes[index] for index in some]).long()
            self.matrix.add(predictions=predicted, truth=truth)
            labelled = truth != IGNORED
            for place, index in enumerate(some):
                pixels = int(labelled[place].sum())
                right = int((predicted[place] == truth[place])[labelled[place]].sum())
                self.accuracy[index] = right / pixels if pixels else None

    def gathered(self, world: World) -> ConfusionMatrix | None:
        """The counts of all processes."""
        if self.matrix is not None and world.size > 1:
            self.matrix.counts = sum_over_processes(self.matrix.counts)
        return self.matrix


def style_diversity(
    distance: LPIPSDistance, styles: Sequence[GeneratedImages], world: World, batch_size: int, num_workers: int
) -> float:
    """Mean LPIPS over all pairs of styles of a label map, and over all label maps.

    Args:
        styles: one set of images a style, in one order.
    """
    share = range(world.rank, len(styles[0]), world.size)
    total = 0.0
    with world.failing_together():
        readers = [batches(style, share, batch_size, num_workers, "styles", False) for style in styles]
        for parts in zip(*readers):
            total += mean_pairwise(distance, [part["image"] for part in parts]) * len(parts[0]["image"])
    return sum(world.all_gather(total)) / len(styles[0])


def generated_batches(
    images: GeneratedImages, share: Sequence[int], batch_size: int, num_workers: int, show: bool = False
) -> Iterator[tuple[Tensor, Tensor]]:
    """What `Evaluation.measure` takes, from files."""
    for batch in batches(images, share, batch_size, num_workers, "generated", show):
        yield batch["index"], batch["image"]
