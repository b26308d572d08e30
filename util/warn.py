"""One-line warnings on standard error, compatible with a progress bar."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from tqdm import tqdm

from util.distributed import is_main_process

WARNING, SAMPLE_SKIPPED, STEP_SKIPPED = "warning", "sample skipped", "step skipped"
"""Kinds of warnings."""
_said: set[str] = set()
_listeners: list[Callable[[str, str], None]] = []


def warn(message: str, kind: str = WARNING) -> None:
    """Print a line "warning: ...", and give kind and message to those who listen."""
    line = message.replace("\n", "\\n").replace("\r", "\\r")  # names of files may hold line breaks
    tqdm.write(f"warning: {line}", file=sys.stderr)
    sys.stderr.flush()
    for listener in _listeners:
        listener(kind, line)


@contextlib.contextmanager
def warnings_given_to(listener: Callable[[str, str], None]) -> Iterator[None]:
    """Inside, `listener` is called with kind and message of every warning of this process."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def warn_once(message: str) -> None:
    """Print a warning once per message, in the main process only."""
    if message not in _said and is_main_process():
        warn(message)
    _said.add(message)
