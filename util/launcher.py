"""What launchers tell a process about the others: torchrun, Slurm and the like, by variables of the environment.

    RANK, WORLD_SIZE                 number of this process, counted from 0, and how many there are
    LOCAL_RANK, LOCAL_WORLD_SIZE     the same among those of this machine
    MASTER_ADDR, MASTER_PORT         where process 0 waits for the others
    SPADE_MEETING_SECONDS            how long a process waits for the others at the start; 300 unless it is set, a day
                                     at most

A variable that is empty counts as one that is not set. Without WORLD_SIZE, or where that is 1, there is one process,
whatever is left of the others in the environment of a notebook or a job.
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
"""Variable in which a launcher of many tasks says how many -> the launcher."""
MEETING_SECONDS = 300
LONGEST_MEETING = 24 * 60 * 60  # seconds
LARGEST_PORT = 2**16 - 1


def text(name: str) -> str:
    """A variable of the environment; empty if it is not set."""
    return os.environ.get(name, "").strip()


def number(
    name: str, default: int, least: int = 0, most: int | None = None, why: str = "", fix: str = f"{START}; {ALONE}"
) -> int:
    """A variable that holds a whole number.

    Args:
        why: what the largest number follows from.
        fix: what to do about another one.
    Raises:
        InputError: it holds something else, or a number outside `least`..`most`.
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
    """How many processes there are."""
    return number("WORLD_SIZE", 1, least=1)


def ranks(size: int) -> tuple[int, int, int]:
    """(rank, local rank, number of processes of this machine) in a world of several processes.

    Raises:
        InputError: a variable is missing, or does not go with the others.
    """
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        if not text(name):
            raise InputError(f"WORLD_SIZE={size}, but {name} is not set; {START}; {ALONE}")
    rank = number("RANK", 0, most=size - 1, why=f" (WORLD_SIZE={size})")
    local_size = number("LOCAL_WORLD_SIZE", size, least=1, most=size, why=f" (WORLD_SIZE={size})")
    local_rank = number("LOCAL_RANK", rank % local_size, most=local_size - 1, why=f" (LOCAL_WORLD_SIZE={local_size})")
    return rank, local_rank, local_size


def master() -> tuple[str, int]:
    """(host, port) of the place where processes meet."""
    return text("MASTER_ADDR"), number("MASTER_PORT", 0, least=1, most=LARGEST_PORT)


def meeting_seconds() -> int:
    """How long processes wait for each other at the start."""
    return number("SPADE_MEETING_SECONDS", MEETING_SECONDS, least=1, most=LONGEST_MEETING, fix="unset it")


def under_launcher() -> bool:
    """Whether torchrun, or another launcher, has started this process as one of its own."""
    return bool(text("WORLD_SIZE"))


def require_one_process(program: str) -> None:
    """Refuse to run in several processes, which would all write the same files. Raises: `InputError`."""
    if (size := world_size()) > 1:
        raise InputError(f"WORLD_SIZE={size}: {program} works in one process; start it without torchrun; {ALONE}")


def warn_of_tasks_apart() -> None:
    """Say that tasks which a launcher has started together know nothing of each other."""
    for name, launcher in TASKS.items():
        tasks = text(name)
        if not under_launcher() and tasks.isdecimal() and int(tasks) > 1:
            print(
                f"warning: {launcher} has started {tasks} tasks, and each works for itself: WORLD_SIZE is not set; "
                "torchrun, and on Slurm scripts/slurm_train.sh, let them train together",
                file=sys.stderr,
            )


def launch(processes: int, program: str, argv: Sequence[str]) -> int:
    """Run `program` in several processes of this machine, as `torchrun --nproc_per_node` does; return exit status."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    try:
        torchrun(["--standalone", f"--nproc_per_node={processes}", program, *argv])
    except ChildFailedError as error:  # it has said itself what was wrong
        return abs(next(iter(error.failures.values())).exitcode)
    except SignalException as interrupted:
        return 128 + interrupted.sigval
    return 0
