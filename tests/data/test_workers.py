import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from torch.utils.data import Dataset, Subset

import data.workers
from data import DataWorkerError, create_dataset, create_loader
from data.workers import GROUP_SIGNALS, begin_worker, describe

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]


class Numbers(Dataset):
    """Numbers from 0; something happens to the worker that reads number `at`."""

    def __init__(self, count: int, at: int = -1, happening: Callable[[], None] = lambda: None):
        self.count, self.at, self.happening = count, at, happening

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict:
        if index == self.at:
            self.happening()
        return {"number": index}


def be_killed() -> None:
    """End as the system ends a process when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def hang() -> None:
    """Wait for ever, as for a file on a server that is gone."""
    threading.Event().wait()


def leave() -> None:
    """End as a library does that calls exit."""
    os._exit(3)


@pytest.fixture
def load(make_options):
    """A loader with two workers of single samples in order."""
    loaders = []

    def make(dataset: Dataset, **given):
        loaders.append(create_loader(make_options(**{"num_workers": 2, "serial_batches": True} | given), dataset))
        return loaders[-1]

    yield make
    for process in (process for loader in loaders for process in loader.processes):
        process.terminate()  # torch may wait 5 seconds for each


def wait_until(true: Callable[[], bool], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits for its parent to ask does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.parametrize(
    ("happening", "end", "advice"),
    [
        (be_killed, "was killed by signal 9", "; if memory ran out use fewer --num_workers"),
        (leave, "ended with exit status 3", ""),
    ],
)
def test_a_dead_worker_is_named_with_what_it_was_reading(load, happening, end, advice):
    loader = load(Numbers(20, 5, happening))
    seen = []
    with pytest.raises(DataWorkerError) as caught, loader.naming_dead_workers():
        for batch in loader:
            seen += batch["number"].tolist()
    pid = loader.processes[1].pid
    assert str(caught.value) == f"data worker 1 (process {pid}) {end} while reading sample 5{advice}"
    assert seen == list(range(len(seen))) and len(seen) <= 5


def test_a_worker_that_dies_while_the_main_process_computes_is_named(load):
    """torch then raises from a signal handler, in whatever line the main thread happens to be."""
    loader = load(Numbers(20, 3, be_killed))
    with pytest.raises(DataWorkerError) as caught, loader.naming_dead_workers():
        next(iter(loader))
        for _ in range(1000):
            time.sleep(0.01)
    assert re.match(r"data worker 1 .* was killed by signal 9 while reading sample 3;", str(caught.value))


def test_a_worker_killed_from_outside_in_a_later_epoch_is_named(load, tmp_path):
    hold = tmp_path / "hold"

    def wait_while_held() -> None:
        while hold.exists():
            time.sleep(0.01)

    loader = load(Numbers(8, 4, wait_while_held))
    with pytest.raises(DataWorkerError) as caught, loader.naming_dead_workers():
        assert len(list(loader)) == 8
        hold.touch()
        batches = iter(loader)
        assert [int(next(batches)["number"]) for _ in range(4)] == [0, 1, 2, 3]
        wait_until(lambda: loader.noted.reading.tolist() == [4, -1])
        first, second = loader.processes
        first.kill()
        next(batches)
    assert str(caught.value).startswith(f"data worker 0 (process {first.pid}) was killed by signal 9 while reading")
    assert second.exitcode == 0  # ended with it: the loader is of no further use


def test_a_worker_killed_at_rest_is_named(load):
    loader = load(Numbers(2))
    with pytest.raises(DataWorkerError) as caught, loader.naming_dead_workers():
        list(loader)
        loader.processes[1].kill()
        for _ in range(1000):
            time.sleep(0.01)
    assert re.match(r"data worker 1 .* was killed by signal 9 while it was reading nothing;", str(caught.value))


def test_a_connection_that_breaks_before_the_worker_is_seen_to_be_dead_is_its_death(load):
    """The usual way: batches are still on their way when the process goes."""
    loader = load(Numbers(2))
    with pytest.raises(DataWorkerError) as caught, loader.naming_dead_workers():
        list(loader)
        threading.Timer(0.2, loader.processes[0].kill).start()
        raise ConnectionResetError("by the dying worker")
    assert re.match(r"data worker 0 .* was killed by signal 9 while it was reading nothing;", str(caught.value))


def test_no_death_comes_to_light_in_any_other_way(load):
    """Where the main process is when a worker dies is a matter of chance."""
    for _ in range(20):
        loader = load(Numbers(20, 5, be_killed))
        with pytest.raises(DataWorkerError), loader.naming_dead_workers():
            list(loader)


def test_other_errors_stay_what_they_are(load, monkeypatch):
    monkeypatch.setattr(data.workers, "DYING", 0.05)

    def fail() -> None:
        raise RuntimeError("of our own")

    for loader in (load(Numbers(4)), load(Numbers(4), num_workers=0)):
        for error in (RuntimeError, ConnectionResetError):
            with pytest.raises(error, match=r"^here$") as caught, loader.naming_dead_workers():
                list(loader)
                raise error("here")
            assert caught.type is error
    loader = load(Numbers(4, 2, fail))
    with pytest.raises(RuntimeError, match="of our own") as caught, loader.naming_dead_workers():
        list(loader)
    assert caught.type is RuntimeError


def test_samples_are_named_by_their_files(make_options, tmp_path, save_ids, save_photo):
    for name in "abc":
        save_ids(tmp_path / "maps" / f"{name}.png")
        save_photo(tmp_path / "photos" / f"{name}.png")
    dataset = create_dataset(make_options(label_dir=str(tmp_path / "maps"), image_dir=str(tmp_path / "photos")))
    assert describe(dataset, 1) == str(tmp_path / "maps" / "b.png")
    assert describe(Subset(Subset(dataset, [2, 1]), [1, 0]), 1) == str(tmp_path / "maps" / "c.png")
    assert describe(range(7), 5) == "sample 5"


def begin_late(number: int) -> None:
    """Begin as on a machine that is busy."""
    time.sleep(0.3)
    begin_worker(number)


def test_workers_survive_signals_for_all_but_end_when_told_to(load):
    """Even one that hangs must end when told to, or no program with such a worker would ever end."""
    loader = load(Numbers(4, 1, hang))
    loader.worker_init_fn = begin_late
    batches = iter(loader)
    workers = loader.processes

    def send_all() -> None:
        for number in GROUP_SIGNALS:
            # Another process sends them; what this one sends counts.
            subprocess.run(["/bin/sh", "-c", f"kill -{int(number)} {workers[0].pid} {workers[1].pid}"], check=True)

    send_all()
    assert int(next(batches)["number"]) == 0
    wait_until(lambda: loader.noted.reading.tolist() == [-1, 1])
    send_all()
    time.sleep(0.3)
    assert [worker.exitcode for worker in workers] == [None, None]
    for worker in workers:
        worker.terminate()
        worker.join(timeout=10)
    assert [worker.exitcode for worker in workers] == [0, 0]


def test_workers_that_are_told_to_end_before_they_have_begun_do(load):
    loader = load(Numbers(4))
    loader.worker_init_fn = begin_late
    batches = iter(loader)
    for worker in loader.processes:
        worker.terminate()
        worker.join(timeout=10)
        assert worker.exitcode == 0
    del batches


PROGRAM = """
import signal, sys, time, types
from data import create_loader
from tests.data.test_workers import Numbers, hang

if __name__ == "__main__":
    received = []
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda number, frame: received.append(number))
    opt = types.SimpleNamespace(
        is_train=True, batch_size=1, gpu_ids="-1", num_workers=2, serial_batches=True, seed=0, skip_bad_samples=0
    )
    loader = create_loader(opt, Numbers(40, 31, hang))
    batches = iter(loader)
    numbers = [int(next(batches)["number"])]
    print(*(process.pid for process in loader.processes), flush=True)
    while len(received) < 4:
        time.sleep(0.01)
    while len(numbers) < 31:
        numbers.append(int(next(batches)["number"]))
    print(numbers == list(range(31)), flush=True)
    if sys.argv[1] == "wait":
        next(batches)
"""


@pytest.fixture
def program(tmp_path) -> Iterator[Callable[[str], subprocess.Popen]]:
    """Start a program with two workers of which one hangs at last; it is the leader of a group of processes."""
    started = []
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)

    def start(end: str) -> subprocess.Popen:
        started.append(
            subprocess.Popen(
                [sys.executable, path, end],
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_signals_to_the_group_spare_workers_which_end_with_the_main_process(program):
    """One program ends by itself, the other is killed; both with a worker that hangs."""
    ending, killed = program("end"), program("wait")
    workers = {process: [int(pid) for pid in process.stdout.readline().split()] for process in (ending, killed)}
    for process in (ending, killed):
        assert len(workers[process]) == 2
        for number in GROUP_SIGNALS:
            os.killpg(process.pid, number)
        assert process.stdout.readline() == "True\n"  # they went on reading
    assert all(map(is_alive, workers[killed]))
    killed.kill()
    assert ending.wait(timeout=15) == 0
    assert ending.stderr.read() == ""
    wait_until(lambda: not any(is_alive(pid) for pids in workers.values() for pid in pids))
