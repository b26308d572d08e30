"""What is left of launchers in the environment, or is missing there: one process, or one line that says what to do."""

import pytest

from util.distributed import World
from util.errors import InputError
from util.launcher import meeting_seconds, require_one_process, under_launcher, warn_of_tasks_apart

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
