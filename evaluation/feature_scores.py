"""Scores of features of generated and real images: FID and KID, if the features are Inception's; precision, recall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from evaluation.bootstrap import Interval, frechet_of_draws, interval, kernel_of_draws
from evaluation.distances import MOST_KEPT, FeatureSet, frechet_distance, kernel_distance
from evaluation.features import FeatureExtractor
from evaluation.precision_recall import precision_recall, precision_recall_facts
from evaluation.protocol import KID_SUBSET_SIZE, KID_SUBSETS, Protocol, features_protocol
from util.distributed import World
from util.errors import InputError

ROWS_AT_ONCE = 4096
KERNEL_SCORES = {
    "fid": "kid",
    "random_feature_distance": "random_feature_kernel_distance",
    "own_feature_distance": "own_feature_kernel_distance",
}
"""The name of the kernel distance of the same features, by that of the Fréchet distance."""
PRECISION_AND_RECALL = {
    "fid": ("precision", "recall"),
    "random_feature_distance": ("random_feature_precision", "random_feature_recall"),
    "own_feature_distance": ("own_feature_precision", "own_feature_recall"),
}
"""The names of precision and recall in the same features, by that of the Fréchet distance."""


class FeatureCollector:
    """Collects the features of images by index, so that the result is in the order of the samples."""

    def __init__(self, extractor: FeatureExtractor, names: Sequence[str]):
        self.extractor, self.names = extractor, names
        self.set = FeatureSet()
        self.indices: list[int] = []

    def add(self, indices: Sequence[int], images: Tensor) -> None:
        """Add images (N, 3, H, W) uint8. Raises `InputError`, which names the first one with features not finite."""
        rows = self.extractor(images)
        finite = rows.isfinite().all(dim=1).tolist()
        if not all(finite):
            name = self.names[indices[finite.index(False)]]
            raise InputError(f"{name}: its features are not finite (NaN); is the weight file damaged?")
        self.set.add(rows)
        self.indices += indices

    def gathered(self, world: World) -> FeatureSet:
        """The features of all processes, in the order of the samples, on which KID's subsets depend."""
        union = self.set.gathered(world)
        indices = [index for part in world.all_gather(self.indices) for index in part]
        if union.features is None:
            return union
        ordered = FeatureSet()
        for rows in union.features[torch.tensor(indices).argsort()].split(ROWS_AT_ONCE):
            ordered.add(rows)
        return ordered


class FeatureScores:
    """The scores that compare features of generated images with those of real ones.

    Args:
        real: the features of the real images, or statistics of them from a file.
        images: number of generated images.
        kid: whether to compute the kernel distance too, if the features of every image are known; None: if it is KID.
        seed: for its subsets.
        precision_recall: whether to compute precision and recall too, if the features of every image are known.
    Attributes:
        kernel_score: name of the kernel distance; None if it is not computed.
        precision_and_recall: their names; empty if they are not computed.
    """

    def __init__(
        self,
        extractor: FeatureExtractor,
        real: FeatureSet,
        images: int,
        kid: bool | None,
        seed: int,
        precision_recall: bool = False,
    ):
        self.extractor, self.real, self.images, self.seed = extractor, real, images, seed
        are_known = real.features is not None and images <= MOST_KEPT
        wanted = extractor.score_name == "fid" if kid is None else kid
        self.kernel_score = KERNEL_SCORES.get(extractor.score_name) if wanted and are_known else None
        self.precision_and_recall: Sequence[str] = ()
        if precision_recall and are_known:
            self.precision_and_recall = PRECISION_AND_RECALL[extractor.score_name]

    @property
    def names(self) -> list[str]:
        """The names of the scores, without deviations."""
        kernel = [self.kernel_score] if self.kernel_score else []
        return [self.extractor.score_name, *kernel, *self.precision_and_recall]

    def of(self, generated: FeatureSet) -> dict[str, float]:
        """The scores by name, and with the kernel distance its deviation."""
        scores = {self.extractor.score_name: frechet_distance(generated, self.real)}
        if name := self.kernel_score:
            scores[name], scores[f"{name}_deviation"] = kernel_distance(
                generated, self.real, KID_SUBSETS, KID_SUBSET_SIZE, self.seed
            )
        if self.precision_and_recall:
            scores |= zip(self.precision_and_recall, precision_recall(generated, self.real))
        return scores

    def intervals(self, generated: FeatureSet, scores: Mapping[str, float], drawn: Tensor) -> dict[str, Interval]:
        """Bootstrap intervals of the `scores` by name, for draws (draws, samples) of samples.

        Precision and recall have none: a draw repeats images, and the nearest neighbor of a repeated one is its copy.
        """
        name = self.extractor.score_name
        found = {name: interval(scores[name], frechet_of_draws(generated, self.real, drawn), least=0)}
        if name := self.kernel_score:
            found[name] = interval(scores[name], kernel_of_draws(generated, self.real, drawn))
        return found

    def protocol(self, real_is_given: bool) -> Protocol:
        """The protocol of the scores.

        Args:
            real_is_given: whether the statistics of the real images are from a file.
        """
        protocol = features_protocol(
            self.extractor, self.real, self.images, real_is_given, self.kernel_score, self.seed
        )
        facts = {name: precision_recall_facts() for name in self.precision_and_recall}
        return protocol | facts
