from util.console import exit_statuses

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from data.parallel import FILES_PER_TASK, parallel_map
from util.errors import InputError
from util.files import replacing

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]


def double(number: int) -> int:
    return 2 * number


def refuse(bad: int, number: int) -> int:
    if number == bad:
        raise InputError(f"{number} will not do")
    return number


def die(number: int) -> None:
    os._exit(1)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_results_come_in_order(workers):
    numbers = range(3 * FILES_PER_TASK + 1)
    assert list(parallel_map(double, numbers, workers)) == [2 * number for number in numbers]
    assert list(parallel_map(double, [], workers)) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_of_the_work_are_raised_here(workers):
    with pytest.raises(InputError, match=r"^20 will not do$"):
        list(parallel_map(partial(refuse, 20), range(4 * FILES_PER_TASK), workers))


def test_a_worker_that_dies_is_an_input_error():
    with pytest.raises(InputError, match="--workers 2: a worker was ended from outside"):
        list(parallel_map(die, range(4 * FILES_PER_TASK), 2))


def slow(number: int, folder: Path) -> None:
    """Takes a while to write a file, as an image does."""
    with replacing(folder / f"{number}.txt") as temporary:
        temporary.write_text(str(os.getpid()), encoding="utf-8")
        time.sleep(0.05)
    if number == 2 * FILES_PER_TASK:
        print("under way", flush=True)


def work_until_interrupted(folder: str) -> None:
    """What the tests below run in a process group of its own."""
    with exit_statuses("work.py"):
        list(parallel_map(partial(slow, folder=Path(folder)), range(100 * FILES_PER_TASK), 2))


@pytest.fixture
def working(tmp_path):
    """A group of processes in the middle of 80 seconds of work."""
    words = [sys.executable, "-c", "import sys, tests.data.test_parallel as t; t.work_until_interrupted(sys.argv[1])"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([*words, str(tmp_path)], cwd=ROOT, start_new_session=True, **pipes)
    assert process.stdout.readline() == "under way\n"
    yield process
    if process.poll() is None:
        process.kill()


def worker_ids(folder: Path) -> set[int]:
    return {int(path.read_text(encoding="utf-8")) for path in folder.glob("[0-9]*.txt")}


def is_alive(process_id: int) -> bool:
    status = Path(f"/proc/{process_id}/stat")
    try:
        return status.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("to", [os.killpg, os.kill], ids=["group", "main process"])
def test_ctrl_c_ends_all_processes_after_the_files_they_are_at(working, tmp_path, to):
    to(working.pid, signal.SIGINT)
    said = working.communicate(timeout=20)[1]
    assert (working.returncode, said.strip()) == (130, "work.py: interrupted")
    made = worker_ids(tmp_path)
    assert len(made) == 2 and not any(map(is_alive, made))
    assert not list(tmp_path.glob("*.tmp"))


def test_workers_end_when_the_main_process_is_killed(working, tmp_path):
    made = worker_ids(tmp_path)
    working.kill()
    working.wait()
    deadline = time.monotonic() + 20
    while any(map(is_alive, made)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
