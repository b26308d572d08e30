"""Everything that can go wrong while a training runs, really caused: signals, disks, twins, dead workers, bad files."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.runs import TINY, command, contents, differences, train, wait_for
from tests.worlds import ended, run_together, start
from util.distributed import World
from util.errors import InputError, StoppedError
from util.interrupts import GRACE_SECONDS, Interrupts
from util.lock import RunLock

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[1]


def finish(argv: list[str]) -> tuple[int, str]:
    """Exit status and output of a training in a process of its own."""
    return run_together(1, train, argv)[0]


def result_of(receiver) -> tuple[int, str]:
    assert receiver.poll(60)
    result, trouble = receiver.recv()
    assert trouble is None, trouble
    return result


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_and_ends_and_the_run_goes_on_as_if_nothing_had_been(folder, whole, number, status):
    name = number.name
    argv = [*command(folder, name), "--save_latest_freq", "1000"]
    process, receiver = start(train, argv)
    with ended([process]):
        log = folder / name / "loss_log.txt"
        wait_for(lambda: log.exists() and "epoch: 1" in log.read_text())
        os.kill(process.pid, number)
        ended_with, printed = result_of(receiver)
    assert ended_with == status
    assert f"saved and ended by {name}" in printed
    assert len(list((folder / name / "saves").iterdir())) == 1
    assert finish(argv)[0] == 0
    assert differences(whole, contents(folder / name)) == []


def test_sigusr1_saves_and_goes_on(folder, whole):
    argv = [*command(folder, "usr1"), "--save_latest_freq", "1000", "--keep_checkpoints", "9"]
    process, receiver = start(train, argv)
    with ended([process]):
        log, saves = folder / "usr1" / "loss_log.txt", folder / "usr1" / "saves"
        wait_for(lambda: log.exists() and "epoch: 1" in log.read_text())
        os.kill(process.pid, signal.SIGUSR1)
        wait_for(lambda: any(saves.glob("*/manifest.json")))
        assert result_of(receiver)[0] == 0
    assert len(list(saves.iterdir())) == 3, "by signal, after epoch 2, at the end"
    assert differences(whole, contents(folder / "usr1")) == []


def wait_for_two_signals(first: int, pause: float) -> str:
    """A job: get two signals with a pause between, and tell what has come of it, if there is still somebody to tell."""
    with Interrupts() as interrupts:
        os.kill(os.getpid(), first)
        time.sleep(pause)
        os.kill(os.getpid(), signal.SIGTERM)
        return signal.Signals(interrupts.take(World())).name


def test_a_second_signal_ends_at_once():
    process, _ = start(wait_for_two_signals, signal.SIGINT, GRACE_SECONDS + 0.2)
    with ended([process]):
        process.join(30)
        assert process.exitcode == 143


def test_a_launcher_that_passes_a_signal_on_is_not_a_second_one():
    assert run_together(1, wait_for_two_signals, signal.SIGTERM, 0.0) == ["SIGTERM"]
    assert run_together(1, wait_for_two_signals, signal.SIGUSR1, 0.0) == ["SIGTERM"], "the more urgent one counts"


def test_two_trainings_of_one_name_are_refused_and_the_lock_goes_with_its_holder(folder):
    def lock_path():
        return folder / ".twin.lock"

    process, _ = start(train, [*command(folder, "twin"), "--niter", "1000"])
    with ended([process]):
        log = folder / "twin" / "loss_log.txt"
        wait_for(lambda: log.exists() and "epoch: 1" in log.read_text())
        status, printed = finish(command(folder, "twin"))
        assert status == 2
        assert f"--name twin: process {process.pid} on " in printed
        process.kill()
        process.join()
    with RunLock(folder / "twin"):
        assert lock_path().exists()


def test_a_lock_is_of_one_process_at_a_time(tmp_path):
    with RunLock(tmp_path / "run"), pytest.raises(AssertionError, match="is training in"):
        run_together(1, take_lock, tmp_path / "run")
    run_together(1, take_lock, tmp_path / "run")


def take_lock(run_dir: Path) -> None:
    """A job."""
    with RunLock(run_dir):
        pass


def one_error(printed: str) -> str:
    """The one line of an error, which is no traceback."""
    assert "Traceback" not in printed
    (line,) = [line for line in printed.splitlines() if "error: " in line]
    return line


def test_a_read_only_folder_is_one_line(small_disk):
    disk = small_disk(options=",ro")
    status, printed = finish(command(disk, "run"))
    assert status == 2
    assert f"{disk}" in one_error(printed)
    assert "Read-only file system" in printed


def test_a_full_disk_is_one_line_and_the_save_before_serves(folder, small_disk, whole):
    disk = small_disk(size_mib=40)
    assert finish([*command(disk, "run"), "--niter", "1"])[0] == 0
    saved = contents(disk / "run")
    free = shutil.disk_usage(disk).free
    (disk / "junk").write_bytes(b"x" * (free - 200_000))
    status, printed = finish([*command(disk, "run"), "--niter", "3"])
    assert status == 2
    assert "cannot be saved (No space left on device); earlier saves are kept" in one_error(printed)
    assert differences(saved, contents(disk / "run")) == []
    (disk / "junk").unlink()
    assert finish([*command(disk, "run"), "--niter", "3"])[0] == 0
    assert contents(disk / "run")["training_state.pth"]["progress"]["images_seen"] == 24


def test_a_worker_that_dies_is_named_with_what_it_was_reading(folder):
    argv = [*command(folder, "workers"), "--niter", "1000", "--num_workers", "1"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen([sys.executable, "train.py", *argv], cwd=ROOT, **pipes) as training:
        log = folder / "workers" / "loss_log.txt"
        wait_for(lambda: log.exists() and "epoch: 1" in log.read_text())
        (worker,) = subprocess.run(["pgrep", "-P", str(training.pid)], capture_output=True, text=True).stdout.split()
        os.kill(int(worker), signal.SIGKILL)
        printed = training.communicate(timeout=60)[0]
    assert training.returncode == 1
    assert f"data worker 0 (process {worker}) was killed by signal 9" in printed
    assert "Traceback" not in printed


@pytest.fixture
def photos(tmp_path) -> Path:
    """Four label maps with photos, one of which is cut short."""
    rng = np.random.default_rng(0)
    for name in "abcd":
        for kind, shape in (("maps", (64, 64)), ("photos", (64, 64, 3))):
            (tmp_path / kind).mkdir(exist_ok=True)
            Image.fromarray(rng.integers(0, 3, shape, dtype=np.uint8)).save(tmp_path / kind / f"{name}.png")
    broken = tmp_path / "photos" / "c.png"
    broken.write_bytes(broken.read_bytes()[:300])
    return tmp_path


def test_bad_samples_stop_or_are_skipped_counted_and_listed(photos):
    flags = f"{TINY} --dataset_mode custom --label_nc 3 --preprocess_mode none --niter 2 --no_html --no_tensorboard"
    folders = ["--label_dir", str(photos / "maps"), "--image_dir", str(photos / "photos")]
    argv = [*shlex.split(flags), *folders, "--checkpoints_dir", str(photos), "--name"]
    status, printed = finish([*argv, "stops"])
    assert status == 2
    assert "c.png: cannot be read" in one_error(printed)

    for processes in (1, 2):
        done = run_together(processes, train, [*argv, f"skips{processes}", "--skip_bad_samples", "1"])
        assert [status for status, _ in done] == [0] * processes
        warnings = [line for _, printed in done for line in printed.splitlines() if "sample skipped" in line]
        assert 1 <= len(warnings) <= processes
        assert all("c.png" in warning for warning in warnings)
        state = contents(photos / f"skips{processes}")["training_state.pth"]
        assert len(state["skipped"]) == 1
    (photos / "maps" / "a.png").write_bytes(b"nothing")
    status, printed = finish([*argv, "too many", "--skip_bad_samples", "1"])
    assert status == 2
    assert "--skip_bad_samples 1: 2 samples cannot be read" in one_error(printed)


def test_a_deterministic_run_is_the_same_twice(folder):
    for name in ("once", "twice"):
        assert finish([*command(folder, name), "--deterministic", "--niter", "1"])[0] == 0
    assert differences(contents(folder / "once"), contents(folder / "twice")) == []


def deterministic_settings() -> tuple:
    """A job: what --deterministic sets."""
    import torch

    from util.device import prepare_torch

    prepare_torch(0, deterministic=True)
    workspace = os.environ["CUBLAS_WORKSPACE_CONFIG"]
    return torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark, workspace


def test_deterministic_allows_only_deterministic_kernels():
    assert run_together(1, deterministic_settings) == [(True, False, ":4096:8")]


def test_an_error_of_one_process_is_said_once_and_ends_all():
    done = run_together(2, fail_together, 1)
    assert done == [("InputError", "rank 1 has no file", True), ("InputError", "rank 1 has no file", False)]
    done = run_together(2, fail_together, None)
    assert done == [("InputError", "rank 0 has no file", False), ("InputError", "rank 0 has no file", True)]


def fail_together(rank: int | None) -> tuple:
    """A job: the error that a process ends with when process `rank`, or each of them, fails."""
    import torch

    world = World.from_environment()
    with world.joined(torch.device("cpu")):
        try:
            with world.failing_together():
                if rank in (None, world.rank):
                    raise InputError(f"rank {world.rank} has no file")
        except InputError as error:
            return type(error).__name__, str(error), error.said_elsewhere


def lose_another() -> str:
    """A job: the error of a process whose partner ends in the middle of the work."""
    import torch

    world = World.from_environment()
    try:
        with world.joined(torch.device("cpu")):
            if world.rank == 1:
                return "gone"
            world.all_gather(None)
    except StoppedError as error:
        return str(error)
    return "nothing happened"


def test_the_loss_of_another_process_is_one_line():
    assert run_together(2, lose_another) == ["process 0 of 2 has lost another one", "gone"]
