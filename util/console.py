"""Start and end of a program: for everything that stops it, one line on standard error and an exit status.

    0               success
    1               the work was stopped, for example because a process died or a loss is not finite
    2               an input, or a property of the machine, cannot be used
    130, 143, 129   Ctrl-C (SIGINT), SIGTERM, SIGHUP; a training saves a checkpoint first
    141             the reader of the output has closed its pipe (`... | head`); no line, as in other programs

The exceptions of `util.errors` carry their status; `_meaning` has those of Python's exceptions.

Programs import this module before slow imports, so that Ctrl-C ends them with one line from the beginning, and do
those that come later within `slow_imports`. It imports only the standard library.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType

from util.errors import ADVICE_ON_MACHINE, InputError, Interrupted, StoppedError, describe

ROOT = Path(__file__).resolve().parents[1]
ENDINGS: dict[int, str] = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "ended by SIGTERM",
    signal.SIGHUP: "ended by SIGHUP",
}
DEAD_WORKER = "DataLoader worker (pid"
"""Beginning of the message that torch raises at any place in the main thread when a data worker dies."""
NOT_DETERMINISTIC = " does not have a deterministic implementation"
"""In the message of torch when --deterministic meets an operation that is fast on this device alone."""
UNMAPPED = "failed to map segment from shared object"
"""In the message of the system when a library does not fit into the memory that the program may use."""
CONTEXT = 40
"""Characters shown before and after one that cannot be encoded."""
CLOSED_PIPE = 128 + signal.SIGPIPE


@contextlib.contextmanager
def exit_statuses(program: str, interrupted: str = ENDINGS[signal.SIGINT]) -> Iterator[None]:
    """End `program` with one line and an exit status if an input, the machine or a signal stops it.

    Every other exception is a bug and keeps its traceback. Also usable as a decorator of `main`.

    Args:
        interrupted: the message after Ctrl-C.

    Raises:
        SystemExit: with the exit status.
    """
    try:
        with _unwinding_at_signals(program):
            try:
                yield
            finally:
                _flush(sys.stdout)
    except SystemExit as error:
        traceback.clear_frames(error.__traceback__)
        raise
    except (KeyboardInterrupt, Interrupted, InputError, UnicodeEncodeError, OSError, RuntimeError) as error:
        status, message = _meaning(error, interrupted)
        if not status:
            raise
        traceback.clear_frames(error.__traceback__)  # releases what the frames hold: process pools, progress bars
        if message:
            with contextlib.suppress(OSError):
                print(f"{program}: {message}", file=sys.stderr, flush=True)
        sys.exit(status)


def _meaning(error: BaseException, interrupted: str) -> tuple[int, str]:
    """Exit status and line for an exception; status 0 for a bug."""
    if isinstance(error, KeyboardInterrupt):
        return 128 + signal.SIGINT, interrupted
    if isinstance(error, (InputError, StoppedError, Interrupted)):
        return error.exit_status, "" if error.said_elsewhere else f"{error.prefix}{error}"
    if isinstance(error, RuntimeError):
        line = str(error).partition("\n")[0]
        if NOT_DETERMINISTIC in line:
            operation = line.partition(NOT_DETERMINISTIC)[0]
            return 2, f"error: --deterministic: {operation} has no deterministic kernel on this device; leave it out"
        return (1, f"stopped: {line}") if line.startswith(DEAD_WORKER) else (0, "")
    if isinstance(error, UnicodeEncodeError):
        piece = error.object[max(error.start - CONTEXT, 0) : error.end + CONTEXT]
        return 2, f"error: {piece!a}: {error.encoding} cannot write this; rename it, or set PYTHONUTF8=1"
    assert isinstance(error, OSError)
    if (found := _broken_output(error)) is not None:
        output, broken = found
        is_closed = isinstance(broken, BrokenPipeError)
        line = f"error: {output} cannot be written ({broken.strerror}); finished files are kept"
        return (CLOSED_PIPE, "") if is_closed else (2, line)
    if error.filename is not None:
        return 2, f"error: {describe(error)}"
    advice = ADVICE_ON_MACHINE.get(error.errno or 0)
    return (2, f"error: {error.strerror}; {advice}") if advice else (0, "")


def _broken_output(error: OSError) -> tuple[str, OSError] | None:
    """Which of standard output and standard error fails, and how; None if both work. The failed one is set to null."""
    found = None
    for name, stream, number in (("standard output", sys.stdout, 1), ("standard error", sys.stderr, 2)):
        try:
            _flush(stream)  # retries what it could not write
            if isinstance(error, BrokenPipeError) and _nobody_reads(number):  # a stream without a buffer holds nothing
                raise error
        except OSError as trouble:
            found = found or (name, trouble)
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)  # otherwise the interpreter would retry at exit
    return found


def _flush(stream) -> None:
    if stream is not None and not stream.closed:
        stream.flush()


def _nobody_reads(number: int) -> bool:
    """Whether a file descriptor is a pipe whose reading end is closed."""
    poll = select.poll()
    poll.register(number, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


@contextlib.contextmanager
def _unwinding_at_signals(program: str) -> Iterator[None]:
    """Let signals that would kill the process raise an exception instead, so that everything is cleaned up."""

    def unwind(number: int, frame: FrameType | None) -> None:
        for other in ENDINGS:
            signal.signal(other, _end_at_once)
        _write_line(f"\n{program}: {ENDINGS[signal.Signals(number)]}")
        sys.exit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in ENDINGS}
    for number, handler in before.items():
        if handler in (signal.SIG_DFL, _end_at_once):  # signals that are ignored (nohup) or handled stay so
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else unwind)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def slow_imports() -> Iterator[None]:
    """Within this block, Ctrl-C ends a program of this project at once, as it does before `exit_statuses`."""
    if not _program() or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _end_at_once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end_at_once(number: int, frame: FrameType | None) -> None:
    # Without an exception, because libraries may convert one that is raised while they are being imported.
    _write_line(f"{_program_name()}: {ENDINGS[signal.Signals(number)]}")
    os._exit(128 + number)


def _write_line(line: str) -> None:
    """Write to standard error directly: Python's buffers may be in the middle of a write."""
    with contextlib.suppress(OSError):
        os.write(2, f"{line}\n".encode(errors="backslashreplace"))


def _program() -> Path | None:
    """The file that Python was started with, if it is a program of this project."""
    file = getattr(sys.modules["__main__"], "__file__", None)
    path = Path(file).resolve() if file else None
    return path if path and (path.parent == ROOT or path.is_relative_to(ROOT / "scripts")) else None


def _program_name() -> str:
    program = _program() or Path(sys.argv[0])
    if program.name == "__main__.py" and program.is_relative_to(ROOT):
        return f"python -m {'.'.join(program.parent.relative_to(ROOT).parts)}"
    return program.name


def _on_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Report a missing, outdated or broken package in one line; bugs of this project keep their traceback."""
    room = (getattr(error, "name", None) or "").partition(".")[0]
    line = str(error).strip().partition("\n")[0] or kind.__name__
    if UNMAPPED in line:
        line = f"{line}; allow the program more memory (ulimit -v unlimited, or the memory of its job)"
    elif issubclass(kind, ImportError) and not any((ROOT / path).exists() for path in (room or ".", f"{room}.py")):
        line = f"{line}; pip install -r {ROOT / 'requirements.txt'}"
    elif issubclass(kind, Exception) and (package := _broken_package(trace)):
        line = f"the package {package} cannot be imported ({line}); install it anew"
    else:
        sys.__excepthook__(kind, error, trace)
        return
    print(f"{_program_name()}: error: {line}", file=sys.stderr, flush=True)
    sys.exit(2)


def _broken_package(trace: TracebackType | None) -> str | None:
    """The third-party package during whose import an exception was raised; None if it was not during an import."""
    package = None
    for frame, _ in traceback.walk_tb(trace):
        name, file = frame.f_globals.get("__name__", "__main__"), Path(frame.f_code.co_filename)
        if name == "__main__" or (file.is_relative_to(ROOT) and "site-packages" not in file.parts):
            package = None
        elif frame.f_code.co_name == "<module>":
            package = name.partition(".")[0]
    return package


def _start_again_in_utf8() -> None:
    """Restart Python in UTF-8 mode if the locale has another encoding, as is the default from Python 3.15 on.

    Otherwise file names could not be written into pages, JSON files and TensorBoard events. Printed text keeps the
    encoding of the locale.
    """
    terminal = f"{sys.stdout.encoding if sys.stdout else 'utf-8'}:backslashreplace"
    environment = {"PYTHONIOENCODING": terminal} | os.environ
    os.execve(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]], environment)


def _begin() -> None:
    """Replace closed streams, escape characters that a stream cannot encode, and let Ctrl-C end the program at once."""
    if sys.getfilesystemencoding() != "utf-8" and not sys.flags.utf8_mode:
        _start_again_in_utf8()
    sys.excepthook = _on_uncaught
    os.environ["MPLBACKEND"] = "agg"  # figures go to files; a backend inherited from a notebook may not be installed
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:  # closed: the next opened file would get this number, and all printed text
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end_at_once)
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # the work is done: nothing to interrupt


if _program():
    _begin()
