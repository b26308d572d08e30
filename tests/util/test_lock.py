"""The lock of a run is waited for until the process that holds it ends."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from util.lock import RunLock

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
HOLD = """
import sys, time
from util.lock import RunLock
with RunLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(0.5)
"""


def test_a_run_is_waited_for_until_the_process_that_trains_it_has_ended(tmp_path, capsys):
    run = tmp_path / "run"
    RunLock(run).wait_until_free()  # nobody has ever locked it
    with subprocess.Popen([sys.executable, "-c", HOLD, str(run)], cwd=ROOT, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        start = time.monotonic()
        RunLock(run).wait_until_free()
        assert time.monotonic() - start > 0.2
        assert f"waiting for process {holder.pid} on " in capsys.readouterr().out
    RunLock(run).wait_until_free()
    assert capsys.readouterr().out == ""
