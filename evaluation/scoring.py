"""Computes all scores of generated images against references, which are read once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from evaluation.bootstrap import Interval, bootstrap_facts, draw_samples, interval
from evaluation.distances import FeatureSet
from evaluation.diversity import LPIPSDistance, mean_pairwise
from evaluation.feature_scores import FeatureCollector, FeatureScores
from evaluation.features import FeatureExtractor
from evaluation.image_sets import GeneratedImages, Truth, batches
from evaluation.precision_recall import check_number
from evaluation.protocol import Protocol, data_digests, images_protocol, segmenter_protocol
from evaluation.reconstruction import ReconstructionCounter, check_reconstructions, reconstruction_protocol
from evaluation.segmentation import SegmentationCounter, TrueClasses, scores_of_draws, scores_of_image
from models.segmenters import Segmenter
from util.distributed import World
from util.errors import InputError
from util.segmentation_scores import ConfusionMatrix

LEAST_IMAGES = 2

Batches = Iterable[tuple[Sequence[int] | Tensor, Tensor]]
"""Indices (N,) of samples, and their generated images (N, 3, H, W) uint8."""


@dataclass(frozen=True)
class Measurement:
    """The scores of one set of generated images. Fractions are 0 to 1.

    Attributes:
        scores: those that were computed, by the names in `evaluation.scores.SCORES`; a kernel distance also with the
            suffix "_deviation".
        confusion: of all images; None without segmentation network.
        per_image: {sample: {"accuracy": fraction of its labeled pixels, "miou": over the classes of its label map, both
            None without labeled pixels; "psnr" and "ssim", if it is a reconstruction}}.
        image_counts: the confusion of each image by name, ((C + 1) C,) sparse; empty without segmentation network.
        intervals: lowest and highest value by name of the score; empty without bootstrap.
        bootstrap: how they were made, as JSON values.
    """

    scores: dict[str, float]
    confusion: ConfusionMatrix | None = None
    per_image: dict[str, dict[str, float | None]] = field(default_factory=dict)
    image_counts: dict[str, Tensor] = field(default_factory=dict)
    intervals: dict[str, Interval] = field(default_factory=dict)
    bootstrap: dict[str, Any] = field(default_factory=dict)


class Evaluation:
    """Scores sets of generated images against the same photos and label maps.

    The constructor reads the references, each process its shard: samples rank, rank + size, ... All processes of
    `world` must make the same calls; all get the same scores, which do not depend on their number.

    Args:
        truth: the references; read with photos unless `real` is given, with labels if there is a segmenter.
        features: for FID and KID; None for no distances.
        segmenter: on its device; None for no segmentation scores.
        segmenter_files: {"name", "sha256"} of each of its files, for the protocol.
        real: statistics of real features, instead of photos.
        kid: whether to compute the kernel distance too; None: with Inception's features, of which it is KID.
        precision_recall: whether to compute precision and recall in the features.
        reconstructions: whether to compare each image with its photo, by PSNR and SSIM.
        bootstrap: number of draws of samples for intervals; 0 for none.
        batch_size: samples read at once; it changes scores only by rounding.
        seed: for KID's subsets, and for the draws.
    Raises:
        InputError: there are fewer than two samples, or files, labels or features are invalid.

    Attributes:
        shard: indices of the samples of this process.
        feature_scores: None without features.
        classes: the label maps as classes of the segmenter; None without one.
        reconstructions: whether each image is compared with its photo.
    """

    def __init__(
        self,
        truth: Truth,
        *,
        features: FeatureExtractor | None = None,
        segmenter: Segmenter | None = None,
        segmenter_files: Sequence[Mapping[str, str]] = (),
        real: FeatureSet | None = None,
        world: World | None = None,
        kid: bool | None = None,
        precision_recall: bool = False,
        bootstrap: int = 0,
        batch_size: int = 8,
        num_workers: int = 0,
        seed: int = 0,
        show: bool = False,
        reconstructions: bool = False,
    ):
        self.truth, self.features, self.segmenter = truth, features, segmenter
        self.world = world or World()
        if len(truth) < LEAST_IMAGES:
            raise InputError(f"{len(truth)} image cannot be scored: distances and scores need {LEAST_IMAGES} or more")
        if precision_recall:
            check_number(len(truth))
        self.reconstructions = reconstructions
        if reconstructions:
            check_reconstructions(truth)
        self.shard = range(self.world.rank, len(truth), self.world.size)
        self._segmenter_files = list(segmenter_files)
        self.classes = TrueClasses(segmenter, truth.size) if segmenter else None
        self._real_is_given = real is not None
        self._bootstrap, self._seed = bootstrap, seed
        photos = FeatureCollector(features, truth.names) if features and real is None else None
        digests: dict[str, str] = {}
        with self.world.failing_together():
            if self.world.is_main:
                digests = data_digests(truth)
            if photos or self.classes:
                for batch in batches(truth, self.shard, batch_size, num_workers, "real", show):
                    indices: list[int] = batch["index"].tolist()
                    if photos:
                        photos.add(indices, batch["photo"])
                    if self.classes:
                        self.classes.add(indices, [truth.names[index] for index in indices], batch["labels"])
        self._digests = self.world.broadcast(digests)
        self.feature_scores: FeatureScores | None = None
        if photos:
            real = photos.gathered(self.world)
        if features and real:
            self.feature_scores = FeatureScores(features, real, len(truth), kid, seed, precision_recall)

    def score(self, generated: Batches) -> dict[str, float]:
        """Only the scores of `measure`."""
        return self.measure(generated).scores

    def measure(self, generated: Batches) -> Measurement:
        """Score one set of images.

        Args:
            generated: images of this process's `shard` in any order; of several images of a sample, the first counts.
        Raises:
            InputError: images of another size, or whose features are not finite.
            ValueError: images of another type, or of samples that are not in the shard, or too few.
        """
        collector = FeatureCollector(self.features, self.truth.names) if self.features else None
        counter = SegmentationCounter(self.classes) if self.classes else None
        pairs = ReconstructionCounter(self.truth) if self.reconstructions else None
        done: set[int] = set()
        with self.world.failing_together():
            for indices, images in generated:
                indices, images = self._new_ones(indices, images, done)
                if indices:
                    if collector:
                        collector.add(indices, images)
                    if counter:
                        counter.add(indices, images)
                    if pairs:
                        pairs.add(indices, images)
                    done.update(indices)
        if len(done) < len(self.shard):
            raise ValueError(f"{len(done)} images were generated of {len(self.shard)} samples in this process's shard")
        features = collector.gathered(self.world) if collector else None
        measured = Measurement(self._feature_scores(features) if features else {})
        if counter:
            confusion, by_index = counter.gathered(self.world)
            counts = {self.truth.names[index]: one for index, one in by_index.items()}
            per_image = {name: scores_of_image(one, confusion.num_classes) for name, one in counts.items()}
            measured = Measurement(measured.scores | counter.scores(confusion), confusion, per_image, counts)
        if pairs:
            pairs.gather(self.world)
            both = {name: measured.per_image.get(name, {}) | scores for name, scores in pairs.per_image.items()}
            measured = replace(measured, scores=measured.scores | pairs.scores, per_image=both)
        return self._with_intervals(measured, features, pairs) if self._bootstrap else measured

    def _new_ones(self, indices: Sequence[int] | Tensor, images: Tensor, done: set[int]) -> tuple[list[int], Tensor]:
        indices = [int(index) for index in indices]
        if images.dtype != torch.uint8 or images.ndim != 4 or len(images) != len(indices):
            raise ValueError(f"images {tuple(images.shape)} {images.dtype}: must be ({len(indices)}, 3, H, W) uint8")
        strange = [index for index in indices if index not in self.shard]
        if strange:
            raise ValueError(f"sample {strange[0]} is not in this process's shard {self.shard}")
        if tuple(images.shape[2:]) != self.truth.size:
            (height, width), (wanted_height, wanted_width) = images.shape[2:], self.truth.size
            raise InputError(f"images are {width}x{height}, and photos {wanted_width}x{wanted_height}")
        new = [place for place, index in enumerate(indices) if index not in done and index not in indices[:place]]
        return [indices[place] for place in new], images[new]

    def _feature_scores(self, generated: FeatureSet) -> dict[str, float]:
        """Computed by the main process only, and broadcast: more processes would compete for cores."""
        scores: dict[str, float] = {}
        with self.world.failing_together():
            if self.world.is_main and self.feature_scores:
                scores = self.feature_scores.of(generated)
        return self.world.broadcast(scores)

    def _with_intervals(
        self, measured: Measurement, features: FeatureSet | None, pairs: ReconstructionCounter | None
    ) -> Measurement:
        """Add bootstrap intervals, computed by the main process from the same draws for all scores, and broadcast."""
        intervals: dict[str, Interval] = {}
        real = self.feature_scores.real if self.feature_scores else None
        if self.world.is_main:
            drawn = draw_samples(len(self.truth), self._bootstrap, self._seed)
            if features and self.feature_scores:
                intervals |= self.feature_scores.intervals(features, measured.scores, drawn)
            if self.segmenter and measured.image_counts:
                counts = list(measured.image_counts.values())
                of_draws = scores_of_draws(counts, drawn, self.segmenter.num_classes, self.segmenter.mean_iou)
                intervals |= {name: interval(measured.scores[name], of_draws[name], 0, 1) for name in of_draws}
            if pairs:
                intervals |= pairs.intervals(drawn)
        intervals = self.world.broadcast(intervals)
        facts = bootstrap_facts(self._bootstrap, self._seed, features, real) if intervals else {}
        return replace(measured, intervals=intervals, bootstrap=facts)

    @property
    def protocol(self) -> Protocol:
        """The protocol as JSON values, by score or group of scores, without paths."""
        protocol: Protocol = {"images": images_protocol(self.truth, self._digests)}
        if self.feature_scores:
            protocol |= self.feature_scores.protocol(self._real_is_given)
        if self.reconstructions:
            protocol["reconstruction"] = reconstruction_protocol()
        if self.classes:
            facts = segmenter_protocol(self.classes.segmenter, self.truth.size, self.classes.size)
            protocol["segmentation"] = facts | ({"files": self._segmenter_files} if self._segmenter_files else {})
        return protocol


def style_diversity(
    distance: LPIPSDistance, styles: Sequence[GeneratedImages], world: World, batch_size: int, num_workers: int
) -> float:
    """Mean LPIPS over all pairs of styles of a label map, and over all label maps.

    Args:
        styles: a set of images for each style, all in the same order.
    """
    shard = range(world.rank, len(styles[0]), world.size)
    total = 0.0
    with world.failing_together():
        readers = [batches(style, shard, batch_size, num_workers, "styles", False) for style in styles]
        for parts in zip(*readers):
            total += mean_pairwise(distance, [part["image"] for part in parts]) * len(parts[0]["image"])
    return sum(world.all_gather(total)) / len(styles[0])


def generated_batches(
    images: GeneratedImages, shard: Sequence[int], batch_size: int, num_workers: int, show: bool = False
) -> Iterator[tuple[Tensor, Tensor]]:
    """Read images for `Evaluation.measure`."""
    for batch in batches(images, shard, batch_size, num_workers, "generated", show):
        yield batch["index"], batch["image"]
