"""Signals that ask a training to save itself, and perhaps to end."""

from __future__ import annotations

import os
import signal
import time
from types import FrameType

from util.distributed import World

BY_URGENCY = (0, signal.SIGUSR1, signal.SIGINT, signal.SIGTERM)
ENDING = BY_URGENCY[2:]
GRACE_SECONDS = 1.0
"""A launcher may pass on a signal that has already reached all processes of a terminal: that is still the first."""


class Interrupted(BaseException):
    """The training has been saved and ends because a signal asked for it."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.signal = signal.Signals(number)
        self.exit_status = 128 + number  # 143 for SIGTERM, 130 for SIGINT, as shells have it


class Interrupts:
    """Notes signals while its block runs; the training asks for them between its steps.

    SIGTERM and SIGINT (Ctrl-C) ask it to save and to end, and a second one ends it at once. SIGUSR1, which clusters
    send some time before they end a job, asks it to save and to go on.
    """

    def __init__(self):
        self._pending = 0  # place in `BY_URGENCY`
        self._ending_since: float | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> Interrupts:
        for number in BY_URGENCY[1:]:
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def take(self, world: World) -> int:
        """The most urgent signal that any process of `world` has got since the last call; 0 for none."""
        pending, self._pending = world.largest(self._pending), 0
        return BY_URGENCY[pending]

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._pending = max(self._pending, BY_URGENCY.index(number))
        if number not in ENDING:
            _say(f"{signal.Signals(number).name}: saving, then going on")
        elif self._ending_since is None:
            self._ending_since = time.monotonic()
            _say(f"{signal.Signals(number).name}: saving, then ending; once more ends at once")
        elif time.monotonic() - self._ending_since > GRACE_SECONDS:
            os._exit(128 + number)


def _say(text: str) -> None:
    """Write a line to standard error past Python's buffers, which may be in the middle of a line of their own."""
    os.write(2, f"\n{text}\n".encode())
