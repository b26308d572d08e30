"""The loader that every program uses: torch's, with deterministic samples and an answer to every fault of reading."""

import contextlib
from collections.abc import Iterator, Sequence
from multiprocessing.process import BaseProcess
from typing import Any

import torch

from data.sample import AnySamples
from data.sampler import EpochSampler
from data.seeded import SeededSamples
from data.skipping import SkippingSamples, collate
from data.workers import DataWorkerError, NotedSamples, QuietLoader, raise_if_dead


class SampleLoader(QuietLoader):
    """Batches of a data set that depend on the sampler's seed, epoch and indices alone, crops and flips included.

    Args:
        dataset: takes an index and draws from torch's main generator.
        sampler: yields (epoch, index), and holds the seed.
        skip_bad_samples: if not 0, samples that cannot be read are replaced, and the batch has an entry "skipped" with
            a line for each; more than so many in a row are an `InputError`.
        options: of torch's `DataLoader`.
    """

    sampler: EpochSampler

    def __init__(
        self,
        dataset: AnySamples,
        sampler: EpochSampler,
        num_workers: int = 0,
        skip_bad_samples: int = 0,
        **options: Any,
    ):
        self.processes: Sequence[BaseProcess] = ()  # the workers in their order, once they have started
        self.noted = NotedSamples(dataset, num_workers)
        samples: AnySamples = self.noted if num_workers else dataset
        if skip_bad_samples:
            samples = SkippingSamples(samples, skip_bad_samples)
        super().__init__(
            SeededSamples(samples, sampler.seed),
            sampler=sampler,
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
            collate_fn=collate,
            # Without one of its own, torch draws from the main generator at the start of each epoch.
            generator=torch.Generator().manual_seed(sampler.seed),
            **options,
        )

    def __iter__(self):
        batches = super().__iter__()  # starts the workers
        self.processes = getattr(batches, "_workers", ())  # torch names its processes nowhere else
        return self._named(batches)

    def _named(self, batches: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        # A block of its own. A connection to a dying worker breaks here, and torch's handler of SIGCHLD may raise
        # while that is looked into, even before the first line of it: this comes to light in the block of the caller.
        with self.naming_dead_workers():
            yield from batches

    @contextlib.contextmanager
    def naming_dead_workers(self) -> Iterator[None]:
        """Hold this around everything that happens while the loader is in use.

        The death of a worker shows in any line of the main thread: where torch waits for a batch, or wherever its
        handler of SIGCHLD happens to run. It leaves this block as a `DataWorkerError`.
        """
        try:
            yield
        except DataWorkerError:
            raise
        except Exception as error:
            raise_if_dead(self.processes, self.noted, error)
            raise
