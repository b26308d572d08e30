"""The order of an epoch that keeps reading to a few shards at a time."""

from collections.abc import Sequence

import torch

from data.sample import AnySamples
from data.shards.member import MemberPath

SHARDS_AT_A_TIME = 8
"""Shards whose samples are mixed with each other. With no more of them, the order is as random as that of files."""


def shard_numbers(dataset: AnySamples) -> list[int] | None:
    """The number of the shard that each sample is in; None for samples that are files, or drawn in memory."""
    paths = getattr(dataset, "paths", ())
    numbers = [sample.labels.shard.number for sample in paths if isinstance(sample.labels, MemberPath)]
    return numbers if numbers and len(numbers) == len(dataset) else None


def shuffled_by_shards(numbers: Sequence[int], seed: int) -> list[int]:
    """Every index of `numbers` once: shards in random order, and samples in random order within some shards at a time.

    Args:
        numbers: the shard that each sample is in.
        seed: decides the order, with `numbers` alone.
    """
    generator = torch.Generator().manual_seed(seed)
    of_sample = torch.as_tensor(numbers)
    window = torch.randperm(int(of_sample.max()) + 1, generator=generator) // SHARDS_AT_A_TIME  # of each shard
    shuffled = torch.randperm(len(of_sample), generator=generator)
    return shuffled[torch.argsort(window[of_sample[shuffled]], stable=True)].tolist()
