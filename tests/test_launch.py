"""Several processes as users start them: torchrun on one machine, on several, with restarts, and by --gpu_ids."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runs import BY_TWO, command, contents, differences, wait_for
from tests.worlds import free_port
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


def test_two_nodes_end_like_two_processes_of_one(folder, whole_by_two):
    port = str(free_port())
    where = ["--nnodes=2", "--nproc_per_node=1", "--master_addr=127.0.0.1", f"--master_port={port}"]
    argv = [arg for arg in command(folder, "nodes", *BY_TWO) if arg != "--auto_resume"]
    nodes = [torchrun(*where, f"--node_rank={rank}", "train.py", *argv) for rank in range(2)]
    outputs = [node.communicate(timeout=120)[0] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], outputs
    assert differences(whole_by_two, contents(folder / "nodes")) == []


def test_a_lost_worker_restarts_by_itself_and_changes_no_bit(folder, whole_by_two):
    """Without --auto_resume or --continue_train: the very same command."""
    argv = [arg for arg in command(folder, "elastic", *BY_TWO) if arg != "--auto_resume"]
    agent = torchrun("--standalone", "--nproc_per_node=2", "--max-restarts=2", "train.py", *argv)
    wait_for(lambda: any((folder / "elastic" / "saves").glob("*/manifest.json")) or agent.poll() is not None)
    os.kill(workers_of(agent)[-1], signal.SIGKILL)
    output = agent.communicate(timeout=180)[0]
    assert agent.returncode == 0, output
    assert "resuming in epoch" in output
    assert "Traceback" not in output
    assert differences(whole_by_two, contents(folder / "elastic")) == []


def test_sigterm_to_torchrun_saves_and_ends_and_a_launch_from_within_goes_on(folder, whole_by_two, monkeypatch):
    argv = command(folder, "ended", *BY_TWO, "--save_latest_freq", "1000")
    agent = torchrun("--standalone", "--nproc_per_node=2", "train.py", *argv)
    log = folder / "ended" / "loss_log.txt"
    wait_for(lambda: (log.exists() and "epoch: 1" in log.read_text()) or agent.poll() is not None)
    agent.send_signal(signal.SIGTERM)
    output = agent.communicate(timeout=120)[0]
    assert "saved and ended by SIGTERM" in output
    assert len(list((folder / "ended" / "saves").iterdir())) == 1
    # Launching from within, as --gpu_ids 0,1 does, is torchrun: the run goes on to the same end.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(ROOT)
    assert launch(2, str(ROOT / "train.py"), argv) == 0
    assert differences(whole_by_two, contents(folder / "ended")) == []


def test_the_exit_status_of_a_launched_training_is_its_own(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert launch(2, str(ROOT / "train.py"), [*command(tmp_path, "odd"), "--batchSize", "3"]) == 2
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("train.py: error")]
    assert said == ["train.py: error: --batch_size 3: must be a multiple of 2, for 2 processes and --accumulate 1"]
