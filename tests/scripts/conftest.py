"""Stand-ins for the programs that scripts start, and exported files, which are slow to make: once for all tests."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scripts.shell import CHECK, OUTDOOR, PREPARE, Scripts


@pytest.fixture
def scripts(tmp_path) -> Scripts:
    """Scripts whose long work is only noted; take it out of `stubbed` to have it done."""
    scripts = Scripts(tmp_path / "stand-ins")
    scripts.stubbed |= {CHECK, PREPARE, OUTDOOR}
    return scripts


@pytest.fixture(scope="session")
def runs(made_once) -> Path:
    """The folder for --checkpoints_dir with all runs of `exported_runs`."""
    from tests.scripts.export.exported_runs import make_runs  # which imports all that generates

    return made_once("exported_runs", lambda folder: make_runs(folder / "checkpoints")) / "checkpoints"


@pytest.fixture(scope="session")
def exported(runs, made_once) -> Callable[[str, str], Path]:
    """Return the file of a run in a format, .onnx or .pt2, made when first asked for."""
    from scripts.export.__main__ import main
    from tests.scripts.export.exported_runs import DYNAMIC, argv

    def get(name: str, suffix: str) -> Path:
        def fill(folder: Path) -> None:
            flags = ["--dynamic_size"] if (name, suffix) in DYNAMIC else []
            assert main(argv(runs, name, folder / f"{name}{suffix}", *flags)) == 0

        return made_once(f"exported_{name}{suffix}", fill) / f"{name}{suffix}"

    return get
