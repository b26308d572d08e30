"""The one exception for what a user gave and cannot be used, and the one place that prints it."""

import contextlib
import sys
from collections.abc import Iterator


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line that says what, where, what is allowed, and the fix. Programs print it and exit with
    status 2; every other exception is a bug of ours and keeps its traceback.
    """


@contextlib.contextmanager
def report_input_errors(program: str) -> Iterator[None]:
    """Turn an `InputError` into one line on standard error and exit status 2."""
    try:
        yield
    except InputError as error:
        # A DataLoader worker re-raises with its whole traceback as the message; the last line is the one for the user.
        line = str(error).strip().splitlines()[-1].removeprefix(f"{InputError.__module__}.{InputError.__name__}: ")
        print(f"{program}: error: {line}", file=sys.stderr)
        sys.exit(2)
