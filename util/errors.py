"""Exceptions that end a program with one line and an exit status; `util.console` prints them."""

import difflib
import errno
import signal
from collections.abc import Iterable

MOST_NAMES = 8
"""Names of a list in a message; of longer ones those that are most like what was asked for."""

ADVICE_ON_MACHINE = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some of your space",
    errno.EMFILE: "allow more open files (ulimit -n 65536), or use fewer workers",
    errno.ENFILE: "allow more open files (ulimit -n 65536), or use fewer workers",
    errno.EFBIG: "files may not grow so large here (ulimit -f, or the kind of the disk); name a place on another disk",
    errno.EIO: "a disk or the terminal does not answer",
}
"""Fixes for system errors that may not be about a file."""
ADVICE_ON_PATH = {
    errno.ENOENT: "check the path",
    errno.EACCES: "check the permissions of the file and of its folders",
    errno.EPERM: "check the permissions of the file and of its folders",
    errno.EISDIR: "name a file",
    errno.ENOTDIR: "a part of the path is a file; check the path",
    errno.EEXIST: "remove it, or name another place",
    errno.ENOTEMPTY: "empty it, or name another place",
    errno.EROFS: "name a place that can be written to",
    errno.ENAMETOOLONG: "use a shorter name",
    errno.ELOOP: "links lead back to themselves; check the path",
    errno.EXDEV: "name a place on the same disk",
    errno.ESTALE: "the folder of another machine was changed or lost; try again",
}
"""Fixes for system errors about a path."""

WORKER_MARK = "Original Traceback (most recent call last)"
"""Marks a message in which a DataLoader re-raises a worker's exception: it holds the whole traceback."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line that says what, where, what is allowed, and the fix. Programs print it and exit with
    status 2; unexpected exceptions are bugs and keep their traceback.

    Attributes:
        said_elsewhere: another process has the same error and prints it.
    """

    exit_status = 2
    prefix = "error: "
    said_elsewhere = False

    def __init__(self, message: str):
        if WORKER_MARK in message:
            last = message.strip().splitlines()[-1]
            message = last.removeprefix(f"{type(self).__module__}.{type(self).__name__}: ")
        super().__init__(_one_line(message))


class StoppedError(RuntimeError):
    """The work had to stop although the input is valid, for example because another process died.

    The message is one line. Programs print it and exit with status 1.

    Attributes:
        said_elsewhere: another process has the same error and prints it.
    """

    exit_status = 1
    prefix = "stopped: "

    def __init__(self, message: str, said_elsewhere: bool = False):
        super().__init__(_one_line(message))
        self.said_elsewhere = said_elsewhere


class Interrupted(BaseException):
    """A training was saved and ends because of a signal, with the exit status that shells use for the signal.

    Args:
        number: of the signal.
        said_elsewhere: another process prints the message.
    """

    prefix = ""

    def __init__(self, number: int, said_elsewhere: bool = False):
        super().__init__(f"saved and ended by {signal.Signals(number).name}; --continue_train goes on")
        self.exit_status = 128 + number  # 143 for SIGTERM, 130 for SIGINT, 129 for SIGHUP
        self.said_elsewhere = said_elsewhere


def describe(error: InputError | OSError) -> str:
    """Describe an error of the input or of the system in one line."""
    if isinstance(error, InputError) or error.filename is None:
        return str(error)
    advice = (ADVICE_ON_PATH | ADVICE_ON_MACHINE).get(error.errno or 0)
    return f"{error.filename}: {error.strerror}" + (f"; {advice}" if advice else "")


def some_of(names: Iterable[str], asked: str, none: str = "none") -> str:
    """The names for a message: sorted if they are few, otherwise those most like `asked`, and how many more there are.

    Args:
        none: what to say if there are no names.
    """
    names = sorted(set(names))
    if len(names) <= MOST_NAMES:
        return ", ".join(names) or none
    near = difflib.get_close_matches(asked, names, n=MOST_NAMES, cutoff=0)
    return f"{', '.join(near)} and {len(names) - len(near)} more"


def _one_line(message: str) -> str:
    """Escape line breaks, which file names may hold."""
    return message.replace("\n", "\\n").replace("\r", "\\r")
