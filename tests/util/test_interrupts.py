"""Signals that come at the worst moment: none is lost, none is answered twice."""

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
from pathlib import Path

import pytest

from util.distributed import World
from util.interrupts import Interrupts

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
TRAINING = """
import sys, time
from pathlib import Path
from util.distributed import World
from util.errors import Interrupted
from util.interrupts import Interrupts

with Interrupts() as interrupts:
    while not (asked := interrupts.take(World())):
        print("a step")
        print("a bar", file=sys.stderr)
        time.sleep(0.01)
    print("saving")
    Path(sys.argv[1]).touch()
    sys.exit(Interrupted(asked).exit_status)
"""


class SignalWhileMeeting(World):
    """A world in which a signal comes while this process waits for what the others have got."""

    def all_reduce_max(self, number: int) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        return super().all_reduce_max(number)


@pytest.mark.parametrize("before, first", [(None, 0), (signal.SIGUSR1, signal.SIGUSR1)])
def test_a_signal_while_the_processes_meet_is_taken_the_next_time(before, first, capfd):
    with Interrupts() as interrupts:
        if before:
            os.kill(os.getpid(), before)
        assert interrupts.take(SignalWhileMeeting()) == first
        assert interrupts.take(World()) == signal.SIGTERM
        assert interrupts.take(World()) == 0
    assert "SIGTERM: saving, then ending" in capfd.readouterr().err


def test_a_training_is_saved_when_its_terminal_is_closed(tmp_path):
    ours, its = pty.openpty()
    words = [sys.executable, "-c", TRAINING, str(tmp_path / "saved")]
    streams = {"stdin": its, "stdout": its, "stderr": its}
    own_terminal = {"start_new_session": True, "preexec_fn": lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)}
    process = subprocess.Popen(words, cwd=ROOT, **streams, **own_terminal)
    os.close(its)
    assert b"a step" in os.read(ours, 1000)
    os.close(ours)
    assert process.wait(60) == 129
    assert (tmp_path / "saved").exists()


def test_a_training_that_ignores_its_terminal_goes_on():
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGHUP)
            assert interrupts.take(World()) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_another_thread_signals_stay_those_of_the_program():
    before = signal.getsignal(signal.SIGTERM)
    handlers = []

    def train() -> None:
        with Interrupts() as interrupts:
            handlers.append(signal.getsignal(signal.SIGTERM))
            assert interrupts.take(World()) == 0

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert handlers == [before]
