"""One-line warnings on standard error, compatible with a progress bar."""

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
    """Print a warning once per message, in the main process only."""
    if message not in _said and is_main_process():
        warn(message)
    _said.add(message)
