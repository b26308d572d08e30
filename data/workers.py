"""Processes that read samples: which signals they obey, and one line about how one of them died."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from multiprocessing.process import BaseProcess
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, Subset, get_worker_info

from data.sample import AnySamples, Sample, Samples
from util.errors import StoppedError

NOTHING = -1  # instead of an index
WATCH_INTERVAL = 1.0  # seconds between two looks of a worker at whether the main process still exists
DYING = 1.0  # seconds that the end of a process may take
GROUP_SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1)
ADVICE: dict[int, str] = {
    signal.SIGKILL: "; if memory ran out use fewer --num_workers",
    signal.SIGBUS: "; if shared memory (/dev/shm) ran out use fewer --num_workers",
}


class DataWorkerError(StoppedError):
    """A worker process died. The message is one line: which worker, how it died, and what it was reading."""


class NotedSamples(Samples):
    """Samples of a data set; the index that each worker is reading is noted in memory that the main process shares.

    Attributes:
        reading: (num_workers,) int64, `NOTHING` for a worker that is not reading. (A note costs 5 microseconds.)
    """

    def __init__(self, dataset: AnySamples, num_workers: int):
        self.dataset = dataset
        self.reading = torch.full((num_workers,), NOTHING).share_memory_()

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        """Read one sample, in a worker."""
        worker = get_worker_info()
        assert worker is not None, "samples are noted in workers alone"
        number = worker.id
        self.reading[number] = index
        try:
            return self.dataset[index]
        finally:
            self.reading[number] = NOTHING

    def describe(self, index: int) -> str:
        """Name a sample."""
        return describe(self.dataset, index)


def describe(dataset: Dataset[Sample], index: int) -> str:
    """Name a sample for people: as the data set describes it, or else by number."""
    if isinstance(dataset, Subset):
        return describe(dataset.dataset, dataset.indices[index])
    return dataset.describe(index) if isinstance(dataset, Samples) else f"sample {index}"


def raise_if_dead(workers: Sequence[BaseProcess], samples: NotedSamples, cause: Exception) -> None:
    """Raise a `DataWorkerError` if an exception has come from the death of a worker, and end the other workers."""
    # Connections to a process that dies break a moment before it has an exit status.
    end = time.monotonic() + (DYING if isinstance(cause, (ConnectionError, EOFError)) else 0)
    while not (dead := [number for number, worker in enumerate(workers) if worker.exitcode is not None]):
        if time.monotonic() > end:
            return
        with contextlib.suppress(RuntimeError):  # of torch's handler of SIGCHLD, once the process is dead
            time.sleep(0.01)
    lines = [_death(number, workers[number], samples) for number in dead]
    for worker in workers:  # torch would wait seconds for each
        worker.terminate()
        worker.join(DYING)
    raise DataWorkerError(" and ".join(lines)) from cause


def _death(number: int, worker: BaseProcess, samples: NotedSamples) -> str:
    code, index = worker.exitcode or 0, int(samples.reading[number])
    end = f"was killed by signal {-code}" if code < 0 else f"ended with exit status {code}"
    work = "while it was reading nothing" if index == NOTHING else f"while reading {samples.describe(index)}"
    return f"data worker {number} (process {worker.pid}) {end} {work}{ADVICE.get(-code, '')}"


class QuietLoader(DataLoader):
    """torch's loader; its workers leave the signals of a process group to the main process. Arguments are torch's."""

    def __init__(self, dataset: Dataset, *arguments: Any, **options: Any):
        super().__init__(dataset, *arguments, worker_init_fn=begin_worker, **options)

    def __iter__(self):
        with group_signals_held_back():
            return super().__iter__()


@contextlib.contextmanager
def group_signals_held_back() -> Iterator[None]:
    """Start processes in this block: they keep signals pending until `begin_worker` has chosen how to handle them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, GROUP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin_worker(number: int = 0) -> None:
    """Make a new worker live exactly as long as the main process wants it.

    Ctrl-C, the end of a terminal and the signals of a cluster reach every process of a group. The main process handles
    them, for instance by saving, and needs its workers for that. But SIGTERM from the main process is how torch and
    multiprocessing end workers that do not end by themselves, also when the program exits, so that one is obeyed. If
    the main process is gone, the worker ends, even one that waits for a file: torch only looks between two batches.
    """
    for signal_number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(signal_number, signal.SIG_IGN)
    # Not ignored: that would lose a SIGTERM that is pending. The thread takes it and learns who has sent it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    parent = multiprocessing.parent_process()
    main = parent.pid if parent else None
    threading.Thread(target=_watch, args=(main, os.getppid()), daemon=True).start()


def _watch(main: int | None, parent: int) -> None:
    # The parent is the main process, or a server that forks for it and ends with it.
    while True:
        received = signal.sigtimedwait({signal.SIGTERM}, WATCH_INTERVAL)
        if os.getppid() != parent or (received and received.si_pid == main):
            os._exit(0)
