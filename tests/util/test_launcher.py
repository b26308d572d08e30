"""What is left of launchers in the environment, or is missing there: one process, or one line that says what to do."""

import os
import socket
import socketserver
import threading
import time

import pytest
import torch

from tests.worlds import ended, free_port, launcher_variables, start
from util.distributed import World
from util.errors import InputError
from util.launcher import meeting_seconds, require_one_process, under_launcher, warn_of_tasks_apart

pytestmark = pytest.mark.system

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
TWO = {"WORLD_SIZE": "2", "RANK": "1", "MASTER_ADDR": "here", "MASTER_PORT": "29500"}


@pytest.fixture
def environment(monkeypatch):
    """Set variables; all others that launchers set are gone."""

    def put(variables: dict[str, str]) -> None:
        for name in (*NAMES, "SPADE_MEETING_SECONDS", "SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return put


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"RANK": "1"},
        {"RANK": "gold", "LOCAL_RANK": "3", "MASTER_PORT": "none"},
        {"WORLD_SIZE": ""},
        {"WORLD_SIZE": " ", "RANK": "3"},
        {"WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "3", "LOCAL_WORLD_SIZE": "8", "MASTER_ADDR": "gone"},
    ],
    ids=str,
)
def test_leftovers_are_one_process(environment, variables):
    environment(variables)
    assert World.from_environment() == World()


@pytest.mark.parametrize(
    "variables, world",
    [
        (TWO, World(1, 2, 1, 2)),
        (TWO | {"LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}, World(1, 2, 0, 1)),
        (TWO | {"WORLD_SIZE": "8", "RANK": "6", "LOCAL_WORLD_SIZE": "4"}, World(6, 8, 2, 4)),
        (TWO | {"LOCAL_RANK": ""}, World(1, 2, 1, 2)),
    ],
)
def test_what_a_launcher_says(environment, variables, world):
    environment(variables)
    assert World.from_environment() == world
    assert under_launcher()


@pytest.mark.parametrize(
    "variables, message",
    [
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE=2, but RANK is not set; start with torchrun, which sets all of them"),
        ({"WORLD_SIZE": "2", "RANK": "0"}, "WORLD_SIZE=2, but MASTER_ADDR is not set"),
        ({"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "here"}, "WORLD_SIZE=2, but MASTER_PORT is not set"),
        ({"WORLD_SIZE": "auto"}, "WORLD_SIZE=auto: must be a whole number, 1 or more; .* unset RANK WORLD_SIZE"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE=0: must be a whole number, 1 or more"),
        ({"WORLD_SIZE": "²"}, "WORLD_SIZE=²: must be"),
        ({"WORLD_SIZE": "1", "RANK": "3"}, r"RANK=3: must be a whole number, 0..0 \(WORLD_SIZE=1\)"),
        (TWO | {"RANK": "2"}, r"RANK=2: must be a whole number, 0..1 \(WORLD_SIZE=2\)"),
        (TWO | {"RANK": "-1"}, "RANK=-1: must be"),
        (TWO | {"LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "1"}, r"LOCAL_RANK=1: .* 0..0 \(LOCAL_WORLD_SIZE=1\)"),
        (TWO | {"LOCAL_WORLD_SIZE": "4"}, r"LOCAL_WORLD_SIZE=4: .* 1..2 \(WORLD_SIZE=2\)"),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_named(environment, variables, message):
    environment(variables)
    with pytest.raises(InputError, match=message):
        World.from_environment()


def test_a_program_for_one_process_refuses_several(environment):
    environment(TWO)
    with pytest.raises(InputError, match=r"WORLD_SIZE=2: test.py works in one process"):
        require_one_process("test.py")
    environment({"WORLD_SIZE": "1", "RANK": "0"})
    require_one_process("test.py")


@pytest.mark.parametrize("name, launcher", [("SLURM_STEP_NUM_TASKS", "srun"), ("OMPI_COMM_WORLD_SIZE", "mpirun")])
def test_tasks_that_know_nothing_of_each_other_are_told(environment, capsys, name, launcher):
    environment({name: "4"})
    warn_of_tasks_apart()
    assert f"warning: {launcher} has started 4 tasks, and each works for itself" in capsys.readouterr().err
    for quiet in ({name: "4"} | TWO, {name: "1"}, {}):
        environment(quiet)
        warn_of_tasks_apart()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("wrong", ["0", "86401", "99999999999999", "soon"])
def test_the_longest_wait_is_a_day(environment, wrong):
    environment({"SPADE_MEETING_SECONDS": wrong})
    with pytest.raises(InputError) as refusal:
        meeting_seconds()
    assert str(refusal.value) == f"SPADE_MEETING_SECONDS={wrong}: must be a whole number, 1..86400; unset it"
    environment({"SPADE_MEETING_SECONDS": "86400"})
    assert meeting_seconds() == 86400


def meet(seconds: int) -> tuple[str, float]:
    """A job: wait for the others; what comes of it, and after how many seconds."""
    os.environ["SPADE_MEETING_SECONDS"] = str(seconds)
    begin = time.monotonic()
    try:
        with World.from_environment().joined(torch.device("cpu")):
            torch.distributed.barrier()  # gloo takes one that leaves while another still connects for a crash
            return "all there", time.monotonic() - begin
    except InputError as error:
        return str(error), time.monotonic() - begin


def outcomes(size: int, *ranks: int, seconds: int = 2, **others: str) -> list[str]:
    """What the processes that are started, some of `size`, say of their meeting."""
    port = free_port()
    variables = [launcher_variables(rank, size, port) | others for rank in ranks]
    started = [start(meet, seconds, **each) for each in variables]
    found = []
    with ended(process for process, _ in started):
        for _, receiver in started:
            assert receiver.poll(60)
            result, trouble = receiver.recv()
            assert trouble is None, trouble
            found.append(result)
    assert all(took < seconds + 5 for _, took in found), found
    return [said for said, _ in found]


def test_processes_that_never_come_are_named_soon():
    (said,) = outcomes(3, 0)
    assert said.startswith("process 0 has waited 2 s for processes 1, 2 of 3 at 127.0.0.1:")
    (said,) = outcomes(2, 1)
    assert said.startswith("process 1 has waited 2 s for process 0 of 2 at 127.0.0.1:")
    first, second = outcomes(3, 0, 1)
    assert "for process 2 of 3" in first
    assert "for process 2 of 3" in second or "process 0 has left" in second


def test_a_place_where_nobody_can_meet_is_named():
    (said,) = outcomes(2, 1, MASTER_ADDR="no-such-host.invalid")
    assert said.startswith("MASTER_ADDR=no-such-host.invalid: ")
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        (said,) = outcomes(2, 0, MASTER_PORT=port)
        assert said == f"MASTER_PORT={port}: Address already in use; choose another port"
    (said,) = outcomes(2, 0, MASTER_PORT="http")
    assert said.startswith("MASTER_PORT=http: must be a whole number, 1..65535")


def test_another_server_where_processes_should_meet_is_named():
    class Refusal(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Refusal) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        (said,) = outcomes(2, 1, MASTER_PORT=str(port))
        server.shutdown()
    assert said.startswith(f"MASTER_ADDR, MASTER_PORT: nothing to meet at on 127.0.0.1:{port} (")


def test_a_late_process_is_waited_for():
    port = free_port()
    process, receiver = start(meet, 60, **launcher_variables(0, 2, port))
    time.sleep(1)
    other, answer = start(meet, 60, **launcher_variables(1, 2, port))
    with ended([process, other]):
        assert [pipe.recv()[0][0] for pipe in (receiver, answer)] == ["all there"] * 2
