"""Carrying out the steps of a plan, each as a program of its own, as a user would run it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from scripts.reproduce.plan import Step
from util.distributed import World
from util.errors import StoppedError
from util.launcher import under_launcher

ROOT = Path(__file__).parents[2]
OF_LAUNCHERS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
SIGNALED = 128
"""Exit statuses above it are those of programs that a signal has ended."""


def carry_out(steps: Sequence[Step], after_step: Callable[[], object]) -> list[Step]:
    """Do all steps that are not done; return those that failed. The other steps of a run that failed are left out.

    Under a launcher such as torchrun every process calls this: all train together, run by run, and then the main one
    does the rest.

    Args:
        after_step: called after each step that changed something, by the main process.
    Raises:
        StoppedError: a signal has ended a step, or the segmenter of all rows cannot be trained.
    """
    is_main = World.from_environment().is_main
    failed: list[Step] = []
    for step in steps_here(steps, together=under_launcher(), is_main=is_main):
        if is_done(step) or step.run in [other.run for other in failed]:
            continue
        step.before()
        if is_done(step):
            continue
        if is_main:
            print(f"\n$ {step.command}", flush=True)
        status = run_program(step, together=under_launcher() and step.what == "train")
        if abs(status) > SIGNALED or status < 0:
            raise StoppedError(f"{step.run}: {step.what} was ended by a signal; the same command goes on")
        if status and step.what == "segmenter":
            raise StoppedError(f"{step.run}: the segmenter cannot be trained, and every row needs it: {step.command}")
        if status:
            failed.append(step)
            print(f"{step.run}: {step.what} has failed with status {status}; other rows go on", file=sys.stderr)
        elif is_main:
            step.after()
        if is_main:
            after_step()
    return failed


def is_done(step: Step) -> bool:
    """Whether a step can be left out.

    Together, no process may leave out a training that the others take part in: train.py itself ends at once.
    """
    return step.is_done() and not (under_launcher() and step.what == "train")


def steps_here(steps: Sequence[Step], together: bool, is_main: bool) -> Iterator[Step]:
    """The steps of this process in order: under a launcher first all trainings, then in the main process the others."""
    if not together:
        yield from steps
        return
    yield from (step for step in steps if step.what == "train" or (step.what == "bank" and is_main))
    if is_main:
        yield from (step for step in steps if step.what not in ("train", "bank"))


def run_program(step: Step, together: bool) -> int:
    """Run the program of a step to its end; return its exit status, negative after a signal.

    If this process is asked to end, the program is asked, too, and may save before.

    Args:
        together: the program takes part in the processes of the launcher, instead of running alone.
    """
    first, *rest = step.words
    words = [first if first == "-m" else str(ROOT / first), *rest]
    environment = {name: value for name, value in os.environ.items() if together or name not in OF_LAUNCHERS}
    with subprocess.Popen([sys.executable, *words], env=environment) as process:
        try:
            return process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
