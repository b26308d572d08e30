"""One thread that computes one thing at a time, and what waits for it: bounded, and the newest of a kind wins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

MOST_WAITING = 64

Result = TypeVar("Result")


class SupersededError(Exception):
    """A newer job of the same key came before this one was begun."""


class BusyError(Exception):
    """Too many jobs wait."""


@dataclass(frozen=True)
class _Job:
    number: int
    work: Callable[[], Any]
    result: asyncio.Future[Any]


class Jobs:
    """Runs jobs in order, one at a time, in a thread. To be used in one event loop.

    Args:
        most_waiting: jobs that may wait while one runs.
    """

    def __init__(self, most_waiting: int = MOST_WAITING):
        self.most_waiting = most_waiting
        self._waiting: dict[Hashable, _Job] = {}  # in order
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="paint")
        self._running: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """The number of jobs that wait."""
        return len(self._waiting)

    async def run(self, key: Hashable, number: int, work: Callable[[], Result]) -> Result:
        """The result of `work()`. A job whose caller is cancelled while it waits is never begun.

        Args:
            key: of waiting jobs with the same key, only that of the largest number remains. A job that runs ends.
        Raises:
            SupersededError: a job of this key with a larger number waits, or one at least as large came.
            BusyError: too many jobs wait.
        """
        older = self._waiting.get(key)
        if older is not None and older.number > number:
            raise SupersededError
        if older is None and len(self._waiting) >= self.most_waiting:
            raise BusyError
        job = _Job(number, work, asyncio.get_running_loop().create_future())
        self._waiting[key] = job  # in the place of the older one: who draws on is not put behind the others
        if older is not None and not older.result.done():
            older.result.set_exception(SupersededError())
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        try:
            return await job.result
        finally:
            if self._waiting.get(key) is job:
                del self._waiting[key]

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            job = self._waiting.pop(next(iter(self._waiting)))
            if job.result.done():  # its caller is cancelled, and has not run since
                continue
            try:
                result = await loop.run_in_executor(self._thread, job.work)
            except Exception as error:
                if not job.result.done():
                    job.result.set_exception(error)
            else:
                if not job.result.done():
                    job.result.set_result(result)

    def close(self) -> None:
        """Let no further job begin; the running one ends by itself."""
        for job in self._waiting.values():
            job.result.cancel()
        self._waiting.clear()
        self._thread.shutdown(wait=False, cancel_futures=True)
