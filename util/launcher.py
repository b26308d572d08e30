"""Environment variables that launchers such as torchrun and Slurm set for distributed processes.

    RANK, WORLD_SIZE                 number of this process, from 0, and number of processes
    LOCAL_RANK, LOCAL_WORLD_SIZE     the same among the processes of this machine
    MASTER_ADDR, MASTER_PORT         address at which process 0 waits for the others
    SPADE_MEETING_SECONDS            how long a process waits for the others at the start; 300 by default, at most one
                                     day

An empty variable counts as not set. If WORLD_SIZE is 1 or not set, there is one process, even if the environment of a
notebook or a job still holds some of the others.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from util.errors import InputError

START = "start with torchrun, which sets all of them"
ALONE = "for one process: unset RANK WORLD_SIZE"
TASKS = {
    "SLURM_STEP_NUM_TASKS": "srun",
    "OMPI_COMM_WORLD_SIZE": "mpirun",
    "PMI_SIZE": "mpiexec",
}
"""Variable with the number of tasks that a launcher has started -> name of the launcher."""
MEETING_SECONDS = 300
LONGEST_MEETING = 24 * 60 * 60  # seconds
LARGEST_PORT = 2**16 - 1


def text(name: str) -> str:
    """Return an environment variable without surrounding space; "" if it is not set."""
    return os.environ.get(name, "").strip()


def number(
    name: str, default: int, least: int = 0, most: int | None = None, why: str = "", fix: str = f"{START}; {ALONE}"
) -> int:
    """Return an integer from an environment variable.

    Args:
        why: reason for the upper limit, for the message.
        fix: what to do about an invalid value, for the message.

    Raises:
        InputError: the value is not an integer, or outside `least`..`most`.
    """
    value = text(name)
    if not value:
        return default
    is_number = value.isascii() and value.isdecimal()
    if not is_number or int(value) < least or (most is not None and int(value) > most):
        allowed = f"{least} or more" if most is None else f"{least}..{most}"
        raise InputError(f"{name}={value}: must be a whole number, {allowed}{why}; {fix}")
    return int(value)


def world_size() -> int:
    """Number of processes."""
    return number("WORLD_SIZE", 1, least=1)


def ranks(size: int) -> tuple[int, int, int]:
    """Return (rank, local rank, number of processes on this machine) for `size` > 1 processes.

    Raises:
        InputError: a variable is missing, or contradicts the others.
    """
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        if not text(name):
            raise InputError(f"WORLD_SIZE={size}, but {name} is not set; {START}; {ALONE}")
    rank = number("RANK", 0, most=size - 1, why=f" (WORLD_SIZE={size})")
    local_size = number("LOCAL_WORLD_SIZE", size, least=1, most=size, why=f" (WORLD_SIZE={size})")
    local_rank = number("LOCAL_RANK", rank % local_size, most=local_size - 1, why=f" (LOCAL_WORLD_SIZE={local_size})")
    return rank, local_rank, local_size


def master() -> tuple[str, int]:
    """(host, port) of process 0."""
    return text("MASTER_ADDR"), number("MASTER_PORT", 0, least=1, most=LARGEST_PORT)


def meeting_seconds() -> int:
    """How long processes wait for each other at the start."""
    return number("SPADE_MEETING_SECONDS", MEETING_SECONDS, least=1, most=LONGEST_MEETING, fix="unset it")


def under_launcher() -> bool:
    """Whether torchrun or another launcher has started this process."""
    return bool(text("WORLD_SIZE"))


def require_one_process(program: str) -> None:
    """Raise an `InputError` in one of several processes, which would all write the same files."""
    if (size := world_size()) > 1:
        raise InputError(f"WORLD_SIZE={size}: {program} works in one process; start it without torchrun; {ALONE}")


def warn_of_tasks_apart() -> None:
    """Warn if a launcher has started several tasks that are not set up to train together."""
    for name, launcher in TASKS.items():
        tasks = text(name)
        if not under_launcher() and tasks.isdecimal() and int(tasks) > 1:
            print(
                f"warning: {launcher} has started {tasks} tasks, and each works for itself: WORLD_SIZE is not set; "
                "torchrun, and on Slurm scripts/slurm_train.sh, let them train together",
                file=sys.stderr,
            )


def launch(processes: int, program: str, argv: Sequence[str]) -> int:
    """Run `program` in several processes on this machine, like `torchrun --nproc_per_node`; return the exit status."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    try:
        torchrun(["--standalone", f"--nproc_per_node={processes}", program, *argv])
    except ChildFailedError as error:  # the process has printed its error itself
        return abs(next(iter(error.failures.values())).exitcode)
    except SignalException as interrupted:
        return 128 + interrupted.sigval
    return 0
