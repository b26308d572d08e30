"""What is left of the engine when several processes have parted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.worlds import free_port, launcher_variables

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
PROGRAM = """
import atexit
from pathlib import Path

import torch
from util.distributed import World

def count_threads():
    names = []
    for task in Path("/proc/self/task").iterdir():
        try:
            names.append((task / "comm").read_text())
        except OSError:  # it has ended
            pass
    print(sum("gloo" in name for name in names))

def train():
    world = World.from_environment()
    with world.joined(torch.device("cpu")):
        model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(3, 3))
        model.held_by_itself = model
        model(torch.ones(2, 3)).sum().backward()
        count_threads()
        raise InterruptedError

atexit.register(count_threads)  # the first to be registered is the last to run
try:
    train()
except InterruptedError:
    pass
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="no list of threads")
def test_no_thread_of_the_engine_is_left_when_the_interpreter_ends():
    """Or it could still want the interpreter, which would abort the process. An exception leaves the most behind."""
    words, port = [sys.executable, "-c", PROGRAM], free_port()
    started = [
        subprocess.Popen(words, cwd=ROOT, env=os.environ | variables, text=True, stdout=subprocess.PIPE)
        for variables in (launcher_variables(rank, 2, port) for rank in range(2))
    ]
    for process in started:
        while_training, at_the_end = process.communicate(timeout=120)[0].split()
        assert int(while_training) > 0
        assert int(at_the_end) == 0
        assert process.returncode == 0
