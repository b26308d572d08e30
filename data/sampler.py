"""The order of the samples in an epoch."""

import itertools
from collections.abc import Iterator

from torch.utils.data import DistributedSampler

Place = tuple[int, int]
"""Epoch and index of a sample: all that its random crop and flip may depend on besides the seed."""


class EpochSampler(DistributedSampler):
    """An order that is a function of seed and epoch alone, and that can begin in the middle.

    Of `num_replicas` processes, each takes every `num_replicas`-th sample of one common order, so that batches of all
    processes together hold the same samples for any number of processes. A run that stopped inside an epoch goes on
    with the samples it has not seen, without reading the others again.
    """

    first = 0

    def set_epoch(self, epoch: int, first: int = 0) -> None:
        """Choose the order of `epoch` and leave out its first `first` samples, counted over all processes."""
        assert first % self.num_replicas == 0
        super().set_epoch(epoch)
        self.first = first

    def __iter__(self) -> Iterator[Place]:
        # Workers keep their copy of the data set from epoch to epoch: the number of the epoch travels with the index.
        indices = itertools.islice(super().__iter__(), self.first // self.num_replicas, None)
        return zip(itertools.repeat(self.epoch), indices)
