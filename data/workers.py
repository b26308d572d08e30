"""The processes that read samples: what they are doing, which signals they obey, and how they died."""

import contextlib
import copy
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any
from weakref import WeakSet

import torch
from torch.utils.data import DataLoader, Dataset, Subset, get_worker_info

from data.sample import AnySamples, Sample, Samples
from util.errors import StoppedError

NOTHING = -1  # instead of an index
WATCH_INTERVAL = 1.0  # seconds after which a worker looks whether the main process is still there
DYING = 1.0  # seconds that the end of a process may take
GROUP_SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1)
ADVICE = {
    signal.SIGKILL: "; if memory ran out use fewer --num_workers",
    signal.SIGBUS: "; if shared memory (/dev/shm) ran out use fewer --num_workers",
}


class DataWorkerError(StoppedError):
    """A process that reads samples died. The message is one line: which, how, and what it was reading."""


class Workers:
    """The worker processes of one loader.

    Each notes in shared memory which sample it is reading, so that it can be told after its death. The loader takes
    its processes from `context`, which remembers them.

    Args:
        count: processes, 1 or more.
        dataset: what they read, in which samples have names.
    """

    def __init__(self, count: int, dataset: AnySamples):
        self.count = count
        self.dataset = dataset
        self.reading = torch.full((count,), NOTHING).share_memory_()  # the index that worker i is reading
        self.processes: list[BaseProcess] = []  # the last `count` are those of the loader's iterator, in their order
        self.context = self._remembering_context()
        self.news: str | None = None  # of a death

    def _remembering_context(self) -> BaseContext:
        context = copy.copy(multiprocessing.get_context())
        make = context.Process

        def remember(*args: Any, **options: Any) -> BaseProcess:
            self.processes.append(make(*args, **options))
            return self.processes[-1]

        context.Process = remember
        return context

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """Hold this while torch starts the workers.

        They inherit that signals to the group are held back, until `begin_worker` is done. Afterwards the signal
        handler of torch, which raises wherever the main thread is when a worker dies, says which one did.
        """
        with group_signals_held_back():
            yield
        _watched.add(self)
        if threading.current_thread() is threading.main_thread():
            _name_deaths_in_handler()

    @contextlib.contextmanager
    def naming_the_dead(self) -> Iterator[None]:
        """Turn an exception into a `DataWorkerError` if its cause is that a worker has died."""
        try:
            yield
        except DataWorkerError:
            raise
        except Exception as error:  # what torch raises where it waits, or what became of it, or of a cut connection
            # Connections of a process that dies break a moment before it has an exit status.
            self.check(error, patience=DYING if isinstance(error, (ConnectionError, EOFError)) else 0)
            raise

    def check(self, cause: Exception, patience: float = 0) -> None:
        """Raise a `DataWorkerError` if a worker has died, or does in `patience` seconds, and end the others."""
        if self.news is None:
            end = time.monotonic() + patience
            current = [process for process in self.processes[-self.count :] if process.pid]  # that is, started
            while not (dead := [number for number, process in enumerate(current) if process.exitcode is not None]):
                if time.monotonic() > end:
                    return
                time.sleep(0.01)
            self.news = " and ".join(self._obituary(number, current[number]) for number in dead)
            for process in current:  # torch would wait for them for seconds
                process.terminate()
                process.join(DYING)
        raise DataWorkerError(self.news) from cause

    def _obituary(self, number: int, process: BaseProcess) -> str:
        code, index = process.exitcode, int(self.reading[number])
        end = f"was killed by signal {-code}" if code < 0 else f"ended with exit status {code}"
        work = "while it was reading nothing" if index == NOTHING else f"while reading {describe(self.dataset, index)}"
        return f"data worker {number} (process {process.pid}) {end} {work}{ADVICE.get(-code, '')}"


_watched: WeakSet[Workers] = WeakSet()
_torch_handler: Callable[[int, Any], None] | None = None


def _name_deaths_in_handler() -> None:
    """Put a handler that raises `DataWorkerError` before torch's, which stays for as long as the process lives."""
    global _torch_handler
    handler = signal.getsignal(signal.SIGCHLD)
    if handler is not _on_end_of_process and callable(handler):
        _torch_handler = handler
        signal.signal(signal.SIGCHLD, _on_end_of_process)


def _on_end_of_process(number: int, frame: Any) -> None:
    try:
        _torch_handler(number, frame)
    except RuntimeError as error:
        for workers in list(_watched):
            if any(f"(pid {process.pid})" in str(error) for process in workers.processes):
                workers.check(error)
        raise


class NotedSamples(Samples):
    """Samples of which `reading` holds the index while a worker reads them. (Costs 5 microseconds.)

    Args:
        reading: (workers,) int64 in shared memory.
    """

    def __init__(self, dataset: AnySamples, reading: torch.Tensor):
        self.dataset = dataset
        self.reading = reading

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        """Read one sample."""
        number = get_worker_info().id
        self.reading[number] = index
        try:
            return self.dataset[index]
        finally:
            self.reading[number] = NOTHING

    def describe(self, index: int) -> str:
        """Name a sample."""
        return describe(self.dataset, index)


def describe(dataset: Dataset[Sample], index: int) -> str:
    """Name a sample for people: with the data set's own method `describe(index)` if it has one, else by number."""
    if isinstance(dataset, Subset):
        return describe(dataset.dataset, dataset.indices[index])
    return dataset.describe(index) if hasattr(dataset, "describe") else f"sample {index}"


class QuietLoader(DataLoader):
    """torch's loader; its workers leave the signals of a group to the main process. Arguments are torch's."""

    def __init__(self, dataset: Dataset, *arguments: Any, **options: Any):
        super().__init__(dataset, *arguments, worker_init_fn=begin_worker, **options)

    def __iter__(self):
        with group_signals_held_back():
            return super().__iter__()


@contextlib.contextmanager
def group_signals_held_back() -> Iterator[None]:
    """Let processes that are started in the block inherit that signals wait, until `begin_worker` answers them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, GROUP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin_worker(number: int = 0) -> None:
    """Make a new worker live exactly as long as the main process wants it.

    Ctrl-C, the end of a terminal and a cluster's signals reach every process of a group. The main process answers them,
    by saving for instance, and needs its workers for that. But its own SIGTERM is how torch and multiprocessing end
    workers that do not end by themselves, at the exit of a program too, so that one counts. If the main process is
    gone, so is the worker, even one that waits for a file: torch only looks between two batches.
    """
    for signal_number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(signal_number, signal.SIG_IGN)
    # Not ignored, which would lose one that came already. The thread takes it, and learns there who has sent it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    main = multiprocessing.parent_process().pid
    threading.Thread(target=_watch, args=(main, os.getppid()), daemon=True).start()


def _watch(main: int, parent: int) -> None:
    # The parent is the main process, or a server that forks for it and ends with it.
    while True:
        received = signal.sigtimedwait({signal.SIGTERM}, WATCH_INTERVAL)
        if os.getppid() != parent or (received and received.si_pid == main):
            os._exit(0)
