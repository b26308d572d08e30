"""The loader that every program uses: torch's, with deterministic samples and an answer to every fault of reading."""

import contextlib
from typing import Any

import torch
from torch.utils.data import DataLoader

from data.sample import AnySamples
from data.sampler import EpochSampler
from data.seeded import SeededSamples
from data.skipping import SkippingSamples, collate
from data.workers import NotedSamples, Workers, begin_worker


class SampleLoader(DataLoader):
    """Batches of a data set, a function of what `sampler` says alone, crops and flips included.

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
        self.workers = Workers(num_workers, dataset) if num_workers else None
        samples = dataset
        if self.workers:
            samples = NotedSamples(samples, self.workers.reading)
            options |= {
                "persistent_workers": True,
                "worker_init_fn": begin_worker,
                "multiprocessing_context": self.workers.context,
            }
        if skip_bad_samples:
            samples = SkippingSamples(samples, skip_bad_samples)
        super().__init__(
            SeededSamples(samples, sampler.seed),
            sampler=sampler,
            num_workers=num_workers,
            collate_fn=collate,
            # Without one of its own, torch draws from the main generator at the start of each epoch.
            generator=torch.Generator().manual_seed(sampler.seed),
            **options,
        )

    def __iter__(self):
        if self.workers is None or self.workers.processes:
            return super().__iter__()
        with self.workers.starting():
            return super().__iter__()

    def naming_dead_workers(self) -> contextlib.AbstractContextManager[None]:
        """Hold this around everything that happens while the loader is in use.

        The death of a worker shows in it, anywhere, as a `DataWorkerError`: one line that names the worker, how it
        died, and the sample it was reading.
        """
        return self.workers.naming_the_dead() if self.workers else contextlib.nullcontext()
