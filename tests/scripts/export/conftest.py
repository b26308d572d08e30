"""Exported files, which are slow to make: once for all tests."""

from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.export.__main__ import main
from tests.scripts.export.exported_runs import argv, make_runs

DYNAMIC = [("plain", ".pt2"), ("pix2pixhd", ".onnx"), ("pix2pixhd", ".pt2")]  # tracing with free sizes is slow


@pytest.fixture(scope="session")
def runs(made_once) -> Path:
    """The folder for --checkpoints_dir with all `RUNS`."""
    return made_once("exported_runs", lambda folder: make_runs(folder / "checkpoints")) / "checkpoints"


@pytest.fixture(scope="session")
def exported(runs, made_once) -> Callable[[str, str], Path]:
    """Return the file of a run in a format, .onnx or .pt2, made when first asked for."""

    def get(name: str, suffix: str) -> Path:
        def fill(folder: Path) -> None:
            flags = ["--dynamic_size"] if (name, suffix) in DYNAMIC else []
            assert main(argv(runs, name, folder / f"{name}{suffix}", *flags)) == 0

        return made_once(f"exported_{name}{suffix}", fill) / f"{name}{suffix}"

    return get
