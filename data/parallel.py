"""The same work on many files, in several processes."""

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
"""Large enough that passing tasks around costs nothing, small enough that the workers end together."""

_work: Callable[[Any], Any]
_stop: Event


def usable_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parallel_map(work: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Iterator[Result]:
    """Yield `work(item)` in the order of `items`.

    Args:
        work: a picklable callable; each worker gets it once. What it raises is raised here.
        workers: processes; with 1 or less, or too few items to distribute, this process does the work.

    Raises:
        InputError: when a worker dies, almost always because memory ran out.
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
            stop.set()  # after an error or Ctrl-C every worker ends with the file that it is at


class _Stopped(Exception):  # noqa: N818 (nobody sees it)
    """Nobody waits for the results any more."""


def _start(work: Callable[[Any], Any], stop: Event) -> None:
    global _work, _stop
    _work, _stop = work, stop
    begin_worker()


def _call(item: Any) -> Any:
    if _stop.is_set():
        raise _Stopped
    return _work(item)
