"""Signals that ask a training to save a checkpoint, and possibly to end."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import threading
import time
from types import FrameType
from typing import Any

from util.distributed import World

BY_URGENCY = (0, signal.SIGUSR1, signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
ENDING = BY_URGENCY[2:]
GRACE_SECONDS = 1.0
"""A launcher may forward a signal that has already reached all processes of a terminal; it counts once."""


class Interrupts:
    """Records signals within a `with` block; the training polls them between steps.

    SIGTERM, SIGINT (Ctrl-C) and SIGHUP (the terminal was closed) ask it to save and end; a second one ends it at once.
    SIGUSR1, which clusters send some time before they end a job, asks it to save and go on. In another thread than the
    main one of a Python program, signals stay that program's.
    """

    def __init__(self):
        self._noted: list[int] = []  # indices into `BY_URGENCY`
        self._ending_since: float | None = None
        self._before: dict[signal.Signals, Any] = {}  # handlers by signal

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is not threading.main_thread():  # only that one gets signals
            return self
        for number in BY_URGENCY[1:]:
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def is_ending(self) -> bool:
        """Whether this process has been asked to end."""
        return self._ending_since is not None

    def take(self, world: World) -> int:
        """Return the most urgent signal that any process has received since the last call; 0 for none."""
        noted = list(self._noted)
        del self._noted[: len(noted)]  # only these: signals during the all-reduce are for the next call
        return BY_URGENCY[world.all_reduce_max(max(noted, default=0))]

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._noted.append(BY_URGENCY.index(number))
        if number not in ENDING:
            _say(f"{signal.Signals(number).name}: saving, then going on")
        elif self._ending_since is None:
            self._ending_since = time.monotonic()
            _say(f"{signal.Signals(number).name}: saving, then ending; once more ends at once")
            if number == signal.SIGHUP:
                _leave_terminal()
        elif time.monotonic() - self._ending_since > GRACE_SECONDS:
            os._exit(128 + number)


def _leave_terminal() -> None:
    """Redirect output to a terminal to /dev/null: printing to a closed terminal would be an error."""
    for number in (1, 2):
        if stat.S_ISCHR(os.fstat(number).st_mode):  # isatty is false after the terminal was closed
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def _say(text: str) -> None:
    """Write a line to standard error directly: Python's buffers may be in the middle of a write."""
    with contextlib.suppress(OSError):  # the terminal may be gone
        os.write(2, f"\n{text}\n".encode())
