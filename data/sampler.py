"""The order of the samples in an epoch."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from torch.utils.data import Dataset, DistributedSampler

from data.shards.order import shuffled_by_shards

Place = tuple[int, int]
"""Epoch and index of a sample, which with the seed determine its random crop and flip."""


class EpochSampler(DistributedSampler):
    """Orders samples by seed and epoch alone; can start in the middle of an epoch.

    Each of `num_replicas` processes takes every `num_replicas`-th sample of a common order, so the global batches hold
    the same samples for any number of processes. A run that stopped within an epoch resumes with the samples it has
    not seen, without reading the others again.

    Args:
        shards: the shard that each sample is in, for an order that reads few shards at a time; None for files.
        options: those of torch's `DistributedSampler`.
    """

    first = 0

    def __init__(self, dataset: Dataset, shards: Sequence[int] | None = None, **options: Any):
        super().__init__(dataset, **options)
        self.shards = shards if self.shuffle else None

    def set_epoch(self, epoch: int, first: int = 0) -> None:
        """Set the epoch and skip its first `first` samples, counted over all processes."""
        assert first % self.num_replicas == 0
        super().set_epoch(epoch)
        self.first = first

    def __iter__(self) -> Iterator[Place]:
        # Persistent workers keep their copy of the data set, so the epoch must be sent along with each index.
        indices = itertools.islice(self._of_this_process(), self.first // self.num_replicas, None)
        return zip(itertools.repeat(self.epoch), indices)

    def _of_this_process(self) -> Iterator[int]:
        if self.shards is None:
            return super().__iter__()
        order = shuffled_by_shards(self.shards, self.seed + self.epoch)
        return itertools.islice(order, self.rank, self.total_size, self.num_replicas)
