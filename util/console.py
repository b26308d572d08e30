"""How a program starts on its terminal and how it ends: one line and an exit status for everything that stops it.

    0               done
    1               the work was stopped, by the loss of a process or a loss that is not finite; the line says what
    2               something the user gave, or the machine has, cannot be used; the line says what
    130, 143, 129   Ctrl-C (SIGINT), SIGTERM, SIGHUP; a training saves itself first
    141             nobody reads the output any more (`... | head`); without a line, as other programs do

The exceptions of `util.errors` carry their status; `_meaning` has those of Python and of the machine.

Programs import this module before anything that takes time to import, so that Ctrl-C ends them in one line from then
on. It needs the standard library alone.
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
"""With this begins what torch raises, wherever the main thread is, when a process that reads files dies."""
CONTEXT = 40
"""Letters around one that cannot be written, in a message."""
CLOSED_PIPE = 128 + signal.SIGPIPE


@contextlib.contextmanager
def exit_statuses(program: str, interrupted: str = ENDINGS[signal.SIGINT]) -> Iterator[None]:
    """End `program` in one line, and with a status, where a user, the machine or a signal stops it.

    Every other exception is a bug of ours and keeps its traceback. It is a decorator for `main`, too.

    Args:
        interrupted: what to say after Ctrl-C.
    Raises:
        SystemExit: with the status.
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
        traceback.clear_frames(error.__traceback__)  # ends what they hold: pools of processes, progress bars
        if message:
            with contextlib.suppress(OSError):
                print(f"{program}: {message}", file=sys.stderr, flush=True)
        sys.exit(status)


def _meaning(error: BaseException, interrupted: str) -> tuple[int, str]:
    """Exit status and line for an exception; status 0 for one that a user cannot fix."""
    if isinstance(error, KeyboardInterrupt):
        return 128 + signal.SIGINT, interrupted
    if isinstance(error, (InputError, StoppedError, Interrupted)):
        return error.exit_status, "" if error.said_elsewhere else f"{error.prefix}{error}"
    if isinstance(error, RuntimeError):
        line = str(error).partition("\n")[0]
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
    """Which of standard output and standard error fails, and how; None if both work. They take everything from now."""
    found = None
    for name, stream, number in (("standard output", sys.stdout, 1), ("standard error", sys.stderr, 2)):
        try:
            _flush(stream)  # tries again what it could not write
            if isinstance(error, BrokenPipeError) and _nobody_reads(number):  # a stream without a buffer holds nothing
                raise error
        except OSError as trouble:
            found = found or (name, trouble)
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)  # or the interpreter would try once more at its end
    return found


def _flush(stream) -> None:
    if stream is not None and not stream.closed:
        stream.flush()


def _nobody_reads(number: int) -> bool:
    """Whether a file descriptor is the end of a pipe that has no other end any more."""
    poll = select.poll()
    poll.register(number, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


@contextlib.contextmanager
def _unwinding_at_signals(program: str) -> Iterator[None]:
    """Let signals that would end the process at once raise an exception instead: everything is cleaned up then."""

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
        if handler in (signal.SIG_DFL, _end_at_once):  # what is ignored (nohup), or handled already, stays so
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else unwind)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_at_once(number: int, frame: FrameType | None) -> None:
    # Without an exception: libraries turn one that they meet while they are imported into something else.
    _write_line(f"{_program_name()}: {ENDINGS[signal.Signals(number)]}")
    os._exit(128 + number)


def _write_line(line: str) -> None:
    """Write to standard error past Python's buffers, which may be in the middle of a line of their own."""
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
    """Say in one line that a package is missing, too old or broken; a bug of ours keeps its traceback."""
    room = (getattr(error, "name", None) or "").partition(".")[0]
    line = str(error).strip().partition("\n")[0] or kind.__name__
    if issubclass(kind, ImportError) and not any((ROOT / path).exists() for path in (room or ".", f"{room}.py")):
        line = f"{line}; pip install -r {ROOT / 'requirements.txt'}"
    elif issubclass(kind, Exception) and (package := _broken_package(trace)):
        line = f"the package {package} cannot be imported ({line}); install it anew"
    else:
        sys.__excepthook__(kind, error, trace)
        return
    print(f"{_program_name()}: error: {line}", file=sys.stderr, flush=True)
    sys.exit(2)


def _broken_package(trace: TracebackType | None) -> str | None:
    """The package of others that was being imported where an exception was raised; None if it was not in an import."""
    package = None
    for frame, _ in traceback.walk_tb(trace):
        name, file = frame.f_globals.get("__name__", "__main__"), Path(frame.f_code.co_filename)
        if name == "__main__" or (file.is_relative_to(ROOT) and "site-packages" not in file.parts):
            package = None
        elif frame.f_code.co_name == "<module>":
            package = name.partition(".")[0]
    return package


def _start_again_in_utf8() -> None:
    """Where the locale is another one, take names of files for UTF-8 all the same, as Python 3.15 does by itself.

    Else they could not be written into pages, JSON files and the events of TensorBoard. What is printed keeps to the
    locale.
    """
    terminal = f"{sys.stdout.encoding if sys.stdout else 'utf-8'}:backslashreplace"
    environment = {"PYTHONIOENCODING": terminal} | os.environ
    os.execve(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]], environment)


def _begin() -> None:
    """Make streams usable that are closed, or cannot show a name, and let Ctrl-C end the program at once."""
    if sys.getfilesystemencoding() != "utf-8" and not sys.flags.utf8_mode:
        _start_again_in_utf8()
    sys.excepthook = _on_uncaught
    os.environ["MPLBACKEND"] = "agg"  # figures go to files; a notebook's backend, which it hands on, may not be here
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:  # closed, so that the next file to be opened would get the number, and all that is printed
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end_at_once)
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # the work is done: too late to interrupt it


if _program():
    _begin()
