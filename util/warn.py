"""Warnings: one line each on standard error, beside a progress bar too."""

import sys

from tqdm import tqdm

from util.distributed import is_main_process

_said: set[str] = set()


def warn(message: str) -> None:
    """Print a line "warning: ..."."""
    line = message.replace("\n", "\\n").replace("\r", "\\r")  # names of files may hold line breaks
    tqdm.write(f"warning: {line}", file=sys.stderr)
    sys.stderr.flush()


def warn_once(message: str) -> None:
    """`warn` the first time that a message is given, in the main process of those that work together alone."""
    if message not in _said and is_main_process():
        warn(message)
    _said.add(message)
