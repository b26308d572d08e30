"""Applying a function to many files in several processes."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.synchronize import Event
from typing import Any, TypeVar

from data.workers import begin_worker, group_signals_held_back
from util.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")

FILES_PER_TASK = 16
"""Large enough to make the overhead of tasks negligible, small enough that the workers finish together."""

_work: Callable[[Any], Any]
_stop: Event


def usable_cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parallel_map(work: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Iterator[Result]:
    """Yield `work(item)` in the order of `items`.

    Args:
        work: a picklable callable, sent to each worker once. Its exceptions are raised here.
        workers: number of processes; with 1 or less, or with too few items, this process does the work.

    Raises:
        InputError: a worker died, usually because memory ran out.
    """
    workers = min(workers, len(items) // FILES_PER_TASK)
    if workers <= 1:
        yield from map(work, items)
        return
    stop = multiprocessing.Event()
    with ProcessPoolExecutor(workers, initializer=_start, initargs=(work, stop)) as pool:
        try:
            with group_signals_held_back():
                results = pool.map(_call, items, chunksize=FILES_PER_TASK)
            yield from results
        except BrokenProcessPool as error:
            raise InputError(
                f"--workers {workers}: a worker was ended from outside, probably because memory ran out; use fewer"
            ) from error
        finally:
            stop.set()  # after an error or Ctrl-C every worker ends with its current file


class _Stopped(Exception):  # noqa: N818 (never leaves this module)
    """The results are no longer needed."""


def _start(work: Callable[[Any], Any], stop: Event) -> None:
    global _work, _stop
    _work, _stop = work, stop
    begin_worker()


def _call(item: Any) -> Any:
    if _stop.is_set():
        raise _Stopped
    return _work(item)
