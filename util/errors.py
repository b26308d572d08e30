"""The one exception for what a user gave and cannot be used; `util.console` prints it."""

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


def describe(error: InputError | OSError) -> str:
    """One line about what the user gave, or the system refused."""
    if isinstance(error, InputError) or error.filename is None:
        return str(error)
    return f"{error.filename}: {error.strerror}; check path, permissions and free space"
