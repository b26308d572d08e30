"""The one exception for what a user gave and cannot be used; `util.console` prints it."""

import errno

ADVICE_ON_MACHINE = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some of your space",
    errno.EMFILE: "allow more open files (ulimit -n 65536), or use fewer workers",
    errno.ENFILE: "allow more open files (ulimit -n 65536), or use fewer workers",
    errno.EFBIG: "files may not grow so large here (ulimit -f, or the kind of the disk); name a place on another disk",
    errno.EIO: "a disk or the terminal does not answer",
}
"""What to do about errors of the system that may name no file."""
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
"""What to do about errors that are about a path."""

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


class StoppedError(RuntimeError):
    """Something that the work needs has gone, such as another process; nothing is wrong with what the user gave.

    The message is one line. Programs print it and exit with status 1.
    """


def describe(error: InputError | OSError) -> str:
    """One line about what the user gave, or the system refused."""
    if isinstance(error, InputError) or error.filename is None:
        return str(error)
    advice = (ADVICE_ON_PATH | ADVICE_ON_MACHINE).get(error.errno or 0)
    return f"{error.filename}: {error.strerror}" + (f"; {advice}" if advice else "")
