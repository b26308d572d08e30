"""Bootstrap intervals of scores: how far they vary with the images (Efron and Tibshirani 1993).

Samples are drawn with replacement, each a label map with its generated image and its photo: as these depend on each
other, they are one observation. Where only statistics of the real images are known, those stay the same in all draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evaluation.distances import FeatureSet, frechet_distance, polynomial_kernel

PERCENTILES = 2.5, 97.5
MOST_FEATURES, MOST_DRAWS = 512, 100
"""Fréchet distances of more features than the first number, such as Inception's, are measured of fewer draws: one
takes seconds, as it decomposes matrices of features by features."""
ROWS_AT_ONCE = 1024

Interval = tuple[float, float]


def draw_samples(samples: int, draws: int, seed: int) -> Tensor:
    """Indices (draws, samples) of samples that are drawn with replacement."""
    return torch.randint(samples, (draws, samples), generator=torch.Generator().manual_seed(seed))


def times_drawn(drawn: Tensor) -> Tensor:
    """How often each draw has each sample, (draws, samples) float64, from the indices (draws, samples)."""
    times = torch.zeros(drawn.shape, dtype=torch.float64)
    return times.scatter_add_(1, drawn, torch.ones_like(times))


def interval(score: float, of_draws: Sequence[float], least: float = -np.inf, most: float = np.inf) -> Interval:
    """The 95% interval of a score from its values for the draws; NaN if there are none, such as without labeled pixels.

    It is that of the percentiles, moved so that the mean of the draws falls on the score. A draw repeats samples and
    lacks others, so its Fréchet distance is larger than that of as many different samples, and its mIoU lacks rare
    classes. For distances this bias can exceed the spread, and plain percentiles then contain neither the score nor
    its mean over other samples. The moved ones are an interval of that mean, for the same number of samples.

    Args:
        least, most: the range of the score.
    """
    values = np.asarray(of_draws, dtype=np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = (np.percentile(values, PERCENTILES) - values.mean() + score).clip(least, most)
    return min(float(low), score), max(float(high), score)  # the mean of very few samples can be outside


def frechet_of_draws(generated: FeatureSet, real: FeatureSet, drawn: Tensor) -> list[float]:
    """Fréchet distance for each draw (draws, samples); `real` stays whole if its images are no pairs with these."""
    if generated.features is None:
        return []
    distances = []
    for some in drawn[: draws_of_frechet(generated, len(drawn))]:
        against = _subset(real, some) if are_pairs(generated, real) else real
        distances.append(frechet_distance(_subset(generated, some), against))
    return distances


def are_pairs(generated: FeatureSet, real: FeatureSet) -> bool:
    """Whether the features of every image are known, and those of one sample have the same place in both sets."""
    return generated.features is not None and real.features is not None and generated.n == real.n


def draws_of_frechet(features: FeatureSet, draws: int) -> int:
    """The number of draws of which the Fréchet distance is measured."""
    return draws if (features.dim or 0) <= MOST_FEATURES else min(draws, MOST_DRAWS)


def _subset(features: FeatureSet, indices: Tensor) -> FeatureSet:
    subset = FeatureSet()
    subset.add(_rows(features)[indices])
    return subset


def _rows(features: FeatureSet) -> Tensor:
    assert features.features is not None
    return features.features


def kernel_of_draws(generated: FeatureSet, real: FeatureSet, drawn: Tensor) -> list[float]:
    """Kernel distance for each draw (draws, samples) from the features of every image, without subsets.

    The unbiased estimate leaves out pairs of an image with itself, so also those of an image that is drawn twice.
    """
    if not are_pairs(generated, real):
        return []
    x, y = (_rows(features).double() for features in (generated, real))
    times = times_drawn(drawn)
    n, pairs_with_itself = len(x), times.square()
    within = torch.zeros(len(drawn), dtype=torch.float64)
    across = torch.zeros_like(within)
    for rows in torch.arange(n).split(ROWS_AT_ONCE):
        for features in (x, y):
            kernel = polynomial_kernel(features[rows], features)  # (rows, n)
            within += ((times[:, rows] @ kernel) * times).sum(dim=1)
            within -= pairs_with_itself[:, rows] @ kernel[torch.arange(len(rows)), rows]
        across += ((times[:, rows] @ polynomial_kernel(x[rows], y)) * times).sum(dim=1)
    within /= n**2 - pairs_with_itself.sum(dim=1)
    return (within - 2 * across / n**2).tolist()


def bootstrap_facts(draws: int, seed: int, generated: FeatureSet | None, real: FeatureSet | None) -> dict[str, Any]:
    """How the intervals were made, as JSON values; no part of a protocol, since scores do not depend on it.

    Args:
        generated, real: the features; None without distances.
    """
    facts = {"draws": draws, "seed": seed, "percentiles": list(PERCENTILES)}
    drawn = "label maps with their generated images"
    if generated is not None and real is not None:
        facts["draws_of_frechet_distance"] = draws_of_frechet(generated, draws)
        drawn += " and photos" if are_pairs(generated, real) else "; statistics of real images stay"
    return facts | {"drawn": drawn}


def bootstrap_in_words(facts: Mapping[str, Any]) -> str:
    """A description of the intervals, in two sentences."""
    fewer = facts.get("draws_of_frechet_distance", facts["draws"])
    fewer = f" ({fewer:,} for the Fréchet distance)" if fewer < facts["draws"] else ""
    return (
        f"In brackets: 95% bootstrap intervals from {facts['draws']:,} draws{fewer} with replacement of "
        f"{facts['drawn']}. They say how far a score varies with the images, not with the training."
    )
