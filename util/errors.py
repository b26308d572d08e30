"""The one exception for what a user gave and cannot be used, and the one place that prints it."""

import contextlib
import sys
from collections.abc import Iterator

WORKER_MARK = "Original Traceback (most recent call last)"
"""In the message with which a DataLoader re-raises what happened in a worker: the whole traceback."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line that says what, where, what is allowed, and the fix. Programs print it and exit with
    status 2; every other exception is a bug of ours and keeps its traceback.

    Attributes:
        said_elsewhere: another process has the same trouble and prints it.
    """

    said_elsewhere = False

    def __init__(self, message: str):
        if WORKER_MARK in message:
            last = message.strip().splitlines()[-1]
            message = last.removeprefix(f"{type(self).__module__}.{type(self).__name__}: ")
        # A file's name may hold line breaks; the message may not.
        super().__init__(message.replace("\n", "\\n").replace("\r", "\\r"))


@contextlib.contextmanager
def report_input_errors(program: str) -> Iterator[None]:
    """Turn an `InputError`, or a file or folder that the system refuses, into one line and exit status 2."""
    try:
        yield
    except InputError as error:
        message = None if error.said_elsewhere else str(error)
    except OSError as error:
        if error.filename is None:  # not about a file that somebody named
            raise
        message = describe(error)
    else:
        return
    if message is not None:
        print(f"{program}: error: {message}", file=sys.stderr)
    sys.exit(2)


def describe(error: InputError | OSError) -> str:
    """One line about what the user gave, or the system refused."""
    if isinstance(error, InputError) or error.filename is None:
        return str(error)
    return f"{error.filename}: {error.strerror}; check path, permissions and free space"
