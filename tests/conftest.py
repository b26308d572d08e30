"""Settings of the whole suite."""

import os

# Before torch is imported. Networks are tiny here: threads that wait for each other cost more than they save.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

from tests.scripts.archive_server import ArchiveServer

# Machines are shared and slow at times: an example that takes long is no failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

TIERS = {"unit", "system", "tools", "gpu"}
MAY_BE_SKIPPED = ("not beside the repository", "mounting a small disk is not allowed here", "root may read everything")
"""Parts of the reasons that --fail-on-skip accepts: nothing that could be installed would help."""
SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


def pytest_addoption(parser):
    parser.addoption("--fail-on-skip", action="store_true", help="fail where a test is skipped for want of a program")


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items):
    """Let every test have a tier, and run those that start programs first: the quick ones fill the time at the end."""
    for item in items:
        if not TIERS & {mark.name for mark in item.iter_markers()}:
            item.add_marker("unit")
    items.sort(key=lambda item: item.get_closest_marker("unit") is not None)


def pytest_ignore_collect(collection_path: Path, config):
    """With `-m gpu`, do not import files without such tests: a GPU machine needs pytest, hypothesis and filelock alone.

    Training programs are tested there where dominate is installed, too.
    """
    if config.getoption("markexpr") != "gpu":
        return None
    files = [collection_path] if collection_path.is_file() else collection_path.rglob("test_*.py")
    return None if any(_may_need_gpu(path) for path in files) else True


def _may_need_gpu(path: Path) -> bool:
    return path.parent.name == "gpu" or "mark.gpu" in path.read_text(encoding="utf-8")


def pytest_runtest_setup(item):
    if item.get_closest_marker("gpu") is None:
        return
    import torch

    if not torch.cuda.is_available():
        pytest.skip("needs CUDA, and PyTorch finds no GPU here")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    return _without_skip((yield), item.config)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return _without_skip((yield), collector.config)


def _without_skip(report, config):
    """The report of a test or a file; with --fail-on-skip, one of failure in place of a skip."""
    if config.getoption("fail_on_skip") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[-1].removeprefix("Skipped: ")
        if not any(words in reason for words in MAY_BE_SKIPPED):
            report.outcome, report.longrepr = "failed", f"skipped, which --fail-on-skip forbids: {reason}"
    return report


@pytest.fixture(scope="module")
def double_precision():
    """Computes in 64 bits, in which differences are not rounding; for modules whose tests all use it."""
    import torch

    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def small_disk(tmp_path):
    """Make a file system of a few MiB, perhaps read-only, and return its folder; skips where that is not allowed."""
    folders = []

    def make(size_mib: int = 4, options: str = "") -> Path:
        folder = tmp_path / f"disk{len(folders)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m{options}", "tmpfs", str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except OSError as error:
            pytest.skip(f"mount: {error}")
        if done.returncode:
            pytest.skip(f"mounting a small disk is not allowed here: {done.stderr.strip()}")
        folders.append(folder)
        return folder

    yield make
    for folder in folders:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Return a folder by name that the first test to ask for it fills, in whichever process of pytest-xdist it runs.

    Tests read what is there; a test that changes it takes a copy.
    """
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # each process has a folder of its own in that of the session

    def make(name: str, fill: Callable[[Path], object]) -> Path:
        folder, done = root / "made_once" / name, root / "made_once" / f"{name}.done"
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(root / "made_once" / f"{name}.lock"):
            if not done.exists():
                fill(folder)
                done.touch()
        return folder

    return make


@pytest.fixture(scope="session")
def whole_run(made_once) -> Path:
    """The run of `tests.runs.command`, undisturbed, in one process."""
    from tests.runs import command, finish  # which import all that trains

    return made_once("whole", lambda folder: finish(1, command(folder, "run"))) / "run"


@pytest.fixture(scope="session")
def whole(whole_run) -> dict[str, dict]:
    """What the undisturbed run ends with."""
    from tests.runs import contents

    return contents(whole_run)


@pytest.fixture(scope="session")
def whole_by_two(made_once) -> dict[str, dict]:
    """What such a run of two processes ends with."""
    from tests.runs import BY_TWO, command, contents, finish

    return contents(made_once("whole_by_two", lambda folder: finish(2, command(folder, "run", *BY_TWO))) / "run")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where the runs of a file of tests live."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def shared_data() -> Path:
    """Real files beside the repository, where there are some."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the folder with real data set files is not beside the repository")
    return SHARED_DATA


@pytest.fixture
def server():
    """A server on 127.0.0.1 without files."""
    server = ArchiveServer()
    yield server
    server.close()
