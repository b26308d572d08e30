"""Several processes as users start them: torchrun on one machine, on several, with restarts, and by --gpu_ids."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runs import BY_TWO, command, contents, differences, train, wait_for
from tests.worlds import free_port, run_together
from util.launcher import launch

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[1]


def torchrun(*flags: str) -> subprocess.Popen:
    """Start torchrun in a group of its own processes; each gets one thread, as in `run_together`."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "torch.distributed.run", *flags]
    return subprocess.Popen(
        words, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def workers_of(agent: subprocess.Popen) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(agent.pid)], capture_output=True, text=True).stdout
    return [int(pid) for pid in found.split()]


def steps_logged(run: Path) -> int:
    log = run / "loss_log.txt"
    return log.read_text().count("(epoch: ") if log.exists() else 0


def test_a_lost_worker_a_sigterm_and_two_nodes_change_no_bit(folder, whole_by_two):
    """The lost worker's command restarts without --auto_resume or --continue_train; two nodes resume by the former."""
    argv, run = command(folder, "launched", *BY_TWO), folder / "launched"
    without = [arg for arg in argv if arg != "--auto_resume"]
    agent = torchrun("--standalone", "--nproc_per_node=2", "--max-restarts=2", "train.py", *without)
    wait_for(lambda: any((run / "saves").glob("*/manifest.json")) or agent.poll() is not None)
    lost = workers_of(agent)
    os.kill(lost[-1], signal.SIGKILL)
    wait_for(lambda: not set(lost) & set(workers_of(agent)) or agent.poll() is not None)
    logged = steps_logged(run)
    wait_for(lambda: steps_logged(run) > logged or agent.poll() is not None)
    agent.send_signal(signal.SIGTERM)
    output = agent.communicate(timeout=180)[0]
    assert "saved and ended by SIGTERM" in output
    before = output.partition("saved and ended by SIGTERM")[0]
    assert "resuming in epoch" in before and "Traceback" not in before  # torchrun's own end has one

    port = str(free_port())
    where = ["--nnodes=2", "--nproc_per_node=1", "--master_addr=127.0.0.1", f"--master_port={port}"]
    nodes = [torchrun(*where, f"--node_rank={rank}", "train.py", *argv) for rank in range(2)]
    outputs = [node.communicate(timeout=120)[0] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], outputs
    assert differences(whole_by_two, contents(run)) == []


@pytest.mark.parametrize("status", [0, 2])
def test_launching_from_within_is_torchrun_and_ends_with_the_status_of_the_program(tmp_path, monkeypatch, status):
    """As --gpu_ids 0,1 launches train.py."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    program = tmp_path / "program.py"
    program.write_text(
        "import os, pathlib, sys, time\n"
        "place = '/'.join(os.environ[name] for name in ('RANK', 'LOCAL_RANK', 'WORLD_SIZE'))\n"
        "pathlib.Path(sys.argv[1], os.environ['RANK']).write_text(place)\n"
        "for _ in range(6000):\n"  # or the launcher ends the other process, which may not have written yet
        "    if all(pathlib.Path(sys.argv[1], rank).exists() for rank in '01'): break\n"
        "    time.sleep(0.01)\n"
        "sys.exit(int(sys.argv[2]))\n"
    )
    assert launch(2, str(program), [str(tmp_path), str(status)]) == status
    assert [(tmp_path / rank).read_text() for rank in "01"] == ["0/0/2", "1/1/2"]


def test_a_batch_that_two_processes_cannot_divide_is_refused_once(tmp_path):
    done = run_together(2, train, [*command(tmp_path, "odd"), "--batchSize", "3"])
    assert [status for status, _ in done] == [2, 2]
    said = [line for _, printed in done for line in printed.splitlines() if "error: " in line]
    assert said == ["train.py: error: --batch_size 3: must be a multiple of 2, for 2 processes and --accumulate 1"]
