"""The order of the samples in an epoch."""

import itertools
from collections.abc import Iterator

from torch.utils.data import DistributedSampler


class EpochSampler(DistributedSampler):
    """An order that is a function of seed and epoch alone, and that can begin in the middle.

    A run that stopped inside an epoch goes on with the samples it has not seen, without reading the others again.
    """

    first = 0

    def set_epoch(self, epoch: int, first: int = 0) -> None:
        """Choose the order of `epoch` and leave out its first `first` samples."""
        super().set_epoch(epoch)
        self.first = first

    def __iter__(self) -> Iterator[int]:
        return itertools.islice(super().__iter__(), self.first, None)
