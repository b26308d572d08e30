"""Command lines of `python -m scripts.reproduce` on small networks, and runs as the programs leave them."""

import shlex
from pathlib import Path

import pytest

from scripts.reproduce.arguments import parse_args
from scripts.reproduce.plan import Plan, make_plan

TINY = "--crop_size 64 --ngf 4 --ndf 4 --no_vgg_loss --gpu_ids -1"


@pytest.fixture
def plan_of(tmp_path):
    """Make the plan of a command line, with all folders in `tmp_path`."""

    def make(words: str, tiny: str = TINY) -> Plan:
        folders = f"--checkpoints_dir {tmp_path / 'checkpoints'} --results_dir {tmp_path / 'results'}"
        return make_plan(*parse_args(shlex.split(f"{words} {tiny} {folders}")))

    return make


@pytest.fixture
def refused(plan_of, capsys):
    """The one line with which a command line is refused."""

    def make(words: str, tiny: str = TINY) -> str:
        try:
            plan_of(words, tiny)
        except ValueError as error:  # `InputError`, as main prints it
            return str(error)
        except SystemExit as stop:
            assert stop.code == 2
            (line,) = capsys.readouterr().err.splitlines()
            return line.removeprefix("python -m scripts.reproduce: error: ")
        raise AssertionError(f"{words}: is not refused")

    return make


def write_program(path: Path, text: str) -> list[str]:
    """A Python program; return the words of a step that runs it."""
    path.write_text(text)
    return [str(path)]
