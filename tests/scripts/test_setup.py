"""The virtual environment that the scripts make."""

import os
import subprocess

import pytest

from tests.scripts.shell import ROOT, write_program

pytestmark = pytest.mark.tools


def test_an_environment_that_was_there_stays_when_a_new_one_cannot_be_made(tmp_path):
    """Its interpreter may have gone with an upgrade of the system; its packages have not."""
    write_program(tmp_path / "python", '[ "$1" = -c ]')  # new enough, but has no venv
    command = f"cd {tmp_path} && source {ROOT}/scripts/setup.sh && setup_venv"
    environment = {**os.environ, "PYTHON": str(tmp_path / "python"), "SPADE_PYTHON": ""}
    (tmp_path / ".venv" / "lib").mkdir(parents=True)
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert "'python3 -m venv' does not work here" in done.stderr
    assert (tmp_path / ".venv" / "lib").is_dir()
