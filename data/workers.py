"""Data worker processes: which signals they obey, and a one-line error if one of them dies."""

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
WATCH_INTERVAL = 1.0  # seconds between a worker's checks that the main process still exists
DYING = 1.0  # seconds that a process may take to end
GROUP_SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1)
ADVICE: dict[int, str] = {
    signal.SIGKILL: "; if memory ran out use fewer --num_workers",
    signal.SIGBUS: "; if shared memory (/dev/shm) ran out use fewer --num_workers",
}


class DataWorkerError(StoppedError):
    """A data worker died. The message is one line: which worker, how it died, and what it was reading."""


class NotedSamples(Samples):
    """Samples of a data set that record, in shared memory, the index that each worker is reading.

    Attributes:
        reading: (num_workers,) int64, `NOTHING` for a worker that is not reading. (A write takes 5 microseconds.)
    """

    def __init__(self, dataset: AnySamples, num_workers: int):
        self.dataset = dataset
        self.reading = torch.full((num_workers,), NOTHING).share_memory_()

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        """Read one sample, in a worker."""
        worker = get_worker_info()
        assert worker is not None, "samples are recorded in workers only"
        number = worker.id
        self.reading[number] = index
        try:
            return self.dataset[index]
        finally:
            self.reading[number] = NOTHING

    def describe(self, index: int) -> str:
        """Name a sample in a message."""
        return describe(self.dataset, index)


def describe(dataset: Dataset[Sample], index: int) -> str:
    """Name a sample in a message: as the data set describes it, or else by number."""
    if isinstance(dataset, Subset):
        return describe(dataset.dataset, dataset.indices[index])
    return dataset.describe(index) if isinstance(dataset, Samples) else f"sample {index}"


def raise_if_dead(workers: Sequence[BaseProcess], samples: NotedSamples, cause: Exception) -> None:
    """If a worker has died, end the others and raise a `DataWorkerError` from `cause`; otherwise return."""
    # Connections to a dying process break shortly before its exit status is known.
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
    """torch's `DataLoader`, whose workers leave signals to their process group to the main process."""

    def __init__(self, dataset: Dataset, *arguments: Any, **options: Any):
        super().__init__(dataset, *arguments, worker_init_fn=begin_worker, **options)

    def __iter__(self):
        with group_signals_held_back():
            return super().__iter__()


@contextlib.contextmanager
def group_signals_held_back() -> Iterator[None]:
    """Block `GROUP_SIGNALS`: processes started in this block keep them pending until `begin_worker` handles them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, GROUP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin_worker(number: int = 0) -> None:
    """Set up signals in a new worker so that it lives exactly as long as the main process needs it.

    Ctrl-C, the closing of a terminal and the signals of a cluster reach every process of a group. The main process
    handles them, for instance by saving, and needs its workers for that, so workers ignore them. But torch and
    multiprocessing end workers by SIGTERM, also when the program exits, so workers obey SIGTERM from the main process.
    If the main process is gone, the worker ends, even while it waits for a file: torch only checks between batches.
    """
    for signal_number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(signal_number, signal.SIG_IGN)
    # Blocked, not ignored, which would lose a pending SIGTERM. The thread receives it and sees which process sent it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    parent = multiprocessing.parent_process()
    main = parent.pid if parent else None
    threading.Thread(target=_watch, args=(main, os.getppid()), daemon=True).start()


def _watch(main: int | None, parent: int) -> None:
    # The parent is the main process, or a fork server that ends with it.
    while True:
        received = signal.sigtimedwait({signal.SIGTERM}, WATCH_INTERVAL)
        if os.getppid() != parent or (received and received.si_pid == main):
            os._exit(0)
