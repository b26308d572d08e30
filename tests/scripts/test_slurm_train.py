"""Under stand-ins for Slurm's programs the job trains in all its tasks, and takes another turn when it should."""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.scripts.shell import ROOT, write_program
from tests.worlds import free_port

pytestmark = pytest.mark.tools

PATIENCE_SECONDS = 90
# Tasks are started as Slurm does it, their numbers kept for scancel, and the highest status is srun's.
SRUN = """
echo "srun $*" >>"$STAND_INS/calls"
while [[ $1 == --* ]]; do shift; done
tasks=()
for ((i = 0; i < SLURM_NTASKS; i++)); do
    SLURM_PROCID=$i SLURM_LOCALID=$((i % SLURM_NTASKS_PER_NODE)) "$@" &
    tasks+=($!)
done
echo "${tasks[@]}" >"$STAND_INS/tasks"
highest=0
for task in "${tasks[@]}"; do
    status=0
    wait "$task" || status=$?
    ((status <= highest)) || highest=$status
done
exit $highest
"""
SCONTROL = """
echo "scontrol $*" >>"$STAND_INS/calls"
case "$1 $2" in
    "show hostnames") printf '127.0.0.1\\nother\\n' ;;
    "show job") echo "JobId=$3 JobName=spade JobState=$STATE Reason=None" ;;
esac
"""
SCANCEL = """
echo "scancel $*" >>"$STAND_INS/calls"
kill "-${1#--signal=}" $(cat "$STAND_INS/tasks")
"""
# Says what a task is told, and ends as the test wants it.
PRETENDER = """
echo "$RANK/$WORLD_SIZE $LOCAL_RANK/$LOCAL_WORLD_SIZE $MASTER_ADDR:$MASTER_PORT $*" >>"$STAND_INS/told.$RANK"
exit ${STATUS:-0}
"""
TINY = "--crop_size 64 --ngf 2 --ndf 2 --norm_G spectralspadeinstance1x1 --no_vgg_loss --gpu_ids -1 --batch_size 2"
QUIET = "--max_dataset_size 12 --print_freq 2 --no_html --no_tensorboard --num_workers 0 --name run"


class Slurm:
    """Submits the job to the stand-ins. `told` and `calls` are what they were told."""

    def __init__(self, folder: Path):
        self.folder = folder
        for name, body in (("srun", SRUN), ("scontrol", SCONTROL), ("scancel", SCANCEL), ("pretender", PRETENDER)):
            write_program(folder / "bin" / name, body)
        (folder / "calls").touch()

    def submit(self, *flags: str, python: str = "pretender", cwd: Path = ROOT, **variables: str) -> subprocess.Popen:
        """Start a job of 2 tasks."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        environment = {"SLURM_JOB_ID": str(job_id()), "SLURM_JOB_NODELIST": "here,other", "SLURM_NTASKS": "2"}
        environment |= {"SLURM_NTASKS_PER_NODE": "2", "STATE": "RUNNING", "STAND_INS": str(self.folder), "PATH": path}
        environment |= {"SPADE_PYTHON": python, "OMP_NUM_THREADS": "1", **variables}
        return subprocess.Popen(
            ["bash", str(ROOT / "scripts" / "slurm_train.sh"), *flags],
            cwd=cwd, env=os.environ | environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def calls(self, start: str) -> list[str]:
        return [line for line in (self.folder / "calls").read_text().splitlines() if line.startswith(start)]

    def told(self) -> list[str]:
        return [path.read_text().strip() for path in sorted(self.folder.glob("told.*"))]


def job_id() -> int:
    """A job's number that leads to a port which is free: those below 30000 are rarely taken."""
    port = free_port() % 20000 + 10000
    return port - 10000 + 20000 * 7


@pytest.fixture
def slurm(tmp_path) -> Slurm:
    return Slurm(tmp_path / "slurm")


def finish(job: subprocess.Popen) -> tuple[int, str]:
    """Exit status and output."""
    try:
        output, _ = job.communicate(timeout=PATIENCE_SECONDS)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(job.pid, signal.SIGKILL)  # its tasks too
    return job.returncode, output


def directives() -> dict[str, str]:
    """The options that sbatch reads in the script."""
    text = (ROOT / "scripts" / "slurm_train.sh").read_text()
    words = [line.partition("--")[2] for line in text.splitlines() if line.startswith("#SBATCH ")]
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def test_every_task_is_told_its_place_and_resumes(slurm):
    job = slurm.submit("--name", "two words", SLURM_JOB_ID="41234", SLURM_CPUS_PER_TASK="6", SLURM_GPUS_ON_NODE="2")
    assert finish(job)[0] == 0
    assert slurm.told() == [f"{i}/2 {i}/2 127.0.0.1:11234 train.py --auto_resume --name two words" for i in (0, 1)]
    (srun,) = slurm.calls("srun")
    assert "--gpu-bind=none --cpus-per-task=6 " in srun


@pytest.mark.parametrize(
    ("status", "state", "requeued"),
    [
        (143, "RUNNING", True),
        (0, "RUNNING", False),
        (1, "RUNNING", False),
        (137, "RUNNING", False),
        (143, "CANCELLED", False),  # by a person, who does not want it back
        (143, "PENDING", False),  # Slurm has requeued it already
    ],
)
def test_only_a_saved_job_that_slurm_still_counts_as_running_is_requeued(status, state, requeued, slurm):
    assert finish(slurm.submit(STATUS=str(status), STATE=state, SLURM_JOB_ID="77"))[0] == status
    assert slurm.calls("scontrol requeue") == ["scontrol requeue 77"] * requeued


def test_the_job_may_be_requeued_and_is_told_of_its_end_in_time():
    told = directives()
    assert told["signal"] == "B:USR1@300" and told["open-mode"] == "append" and "requeue" in told
    assert told["nodes"] == told["gpus-per-node"] == told["ntasks-per-node"] == "1"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"SLURM_GPUS_ON_NODE": "8"}, "2 tasks for the 8 GPUs of a node; use sbatch --ntasks-per-node=8"),
        ({"cwd": Path("/")}, "no train.py in /; submit in the root of the repository"),
    ],
)
def test_a_wrong_submission_is_one_line(wrong, words, slurm):
    status, output = finish(slurm.submit(**wrong))
    assert status == 2 and words in output and output.count("\n") == 1
    assert slurm.told() == []


def test_a_task_that_is_ended_while_it_starts_is_not_taken_for_one_that_has_saved(slurm):
    write_program(slurm.folder / "bin" / "slow", "echo >$STAND_INS/started_$RANK; sleep 1; exit 1")
    job = slurm.submit(python="slow")
    wait_for(lambda: all((slurm.folder / f"started_{rank}").exists() for rank in range(2)), job)
    job.send_signal(signal.SIGUSR1)
    assert finish(job)[0] == 1
    assert slurm.calls("scancel") and not slurm.calls("scontrol requeue")


def test_training_before_the_time_limit_is_saved_and_requeued(slurm, tmp_path):
    flags = [*shlex.split(f"{TINY} {QUIET}"), "--checkpoints_dir", str(tmp_path)]
    job = slurm.submit(*flags, "--niter", "500", python=sys.executable)
    log = tmp_path / "run" / "loss_log.txt"
    wait_for(lambda: log.exists() and "(epoch" in log.read_text(), job)
    job.send_signal(signal.SIGUSR1)
    wait_for(lambda: slurm.calls("scancel"), job)
    job.send_signal(signal.SIGTERM)  # as at the very end: the shell stays for its tasks
    status, output = finish(job)
    assert status == 143, output
    assert "train.py: saved and ended by SIGTERM" in output
    assert len(slurm.calls("scontrol requeue")) == 1
    (save,) = (tmp_path / "run" / "saves").iterdir()  # which --auto_resume goes on from
    state = torch.load(save / "training_state.pth", weights_only=True)
    assert len(state["random"]) == 2 and state["progress"]["images_seen"] > 0, "of both tasks"


def wait_for(happening, job: subprocess.Popen) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happening():
        assert job.poll() is None and time.monotonic() < deadline, finish(job)[1]
        time.sleep(0.01)
