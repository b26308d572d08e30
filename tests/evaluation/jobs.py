"""What processes of a test do: gathering the features that each of them holds."""

from __future__ import annotations

import torch

from evaluation.distances import FeatureSet
from util.distributed import World


def gather(parts: list[torch.Tensor | None], most_kept: int) -> dict:
    """Of the union of the parts, as plain arrays; the part of each rank, in several batches."""
    world = World.from_environment()
    with world.joined(torch.device("cpu")):
        features = FeatureSet(most_kept)
        part = parts[world.rank]
        for batch in () if part is None else part.split(3):
            features.add(batch)
        union = features.gathered(world)
    kept = union.features
    return {
        "n": union.n,
        "mean": union.mean.numpy(),
        "covariance": union.covariance.numpy(),
        "features": None if kept is None else kept.numpy(),
    }
