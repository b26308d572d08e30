"""The data loader of every program: torch's, with deterministic samples and one-line errors for dead workers."""

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
    """Loads batches that, random crops and flips included, depend only on the sampler's seed, epoch and indices.

    Args:
        dataset: takes an index and draws from torch's main generator.
        sampler: yields (epoch, index), and holds the seed.
        skip_bad_samples: if not 0, samples that cannot be read are replaced, and the batch has an entry "skipped" with
            a line for each; more than this number in a row is an `InputError`.
        options: further arguments of torch's `DataLoader`.
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
        self.processes = getattr(batches, "_workers", ())  # private; torch offers no public access to them
        return self._named(batches)

    def _named(self, batches: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        # Guarded here and again by the caller: a connection to a dying worker breaks here, but torch's SIGCHLD handler
        # may raise while that error is being handled, and only the caller's block can catch the second exception.
        with self.naming_dead_workers():
            yield from batches

    @contextlib.contextmanager
    def naming_dead_workers(self) -> Iterator[None]:
        """Turn the exception caused by a dead worker into a `DataWorkerError`; wrap all code that uses the loader.

        The death of a worker can raise in any line of the main thread: where torch waits for a batch, or wherever its
        SIGCHLD handler happens to run.
        """
        try:
            yield
        except DataWorkerError:
            raise
        except Exception as error:
            raise_if_dead(self.processes, self.noted, error)
            raise
