"""The results folders of a run, which are renamed together with the run."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path

from util.files import replacing

NOTE = ".results"
"""File in the folder of a run that names the folders of its results, one a line."""


def note_results(run_dir: Path, results: Path) -> None:
    """Record a results folder of a run, the parent of the folders of its tests."""
    _write_note(run_dir, list(dict.fromkeys([*_noted(run_dir), results.absolute()])))


def results_of_run(run_dir: Path) -> list[Path]:
    """The results folders of a run: recorded ones, and the default one in `results` beside `checkpoints`."""
    usual = run_dir.absolute().parent.parent / "results" / run_dir.name
    # A run that was copied or renamed still names the results of the old name.
    found = dict.fromkeys(path for path in (*_noted(run_dir), usual) if path.name == run_dir.name)
    # Results in the run's own folder move with it.
    return [path for path in found if path.resolve() != run_dir.resolve() and any(path.glob("*/images"))]


def set_run_aside(run_dir: Path) -> Path:
    """Move a run and its results to the first free name of NAME.old1, NAME.old2, ...; return its new folder."""
    results = results_of_run(run_dir)

    def aside(folder: Path, number: int) -> Path:
        return folder.with_name(f"{folder.name}.old{number}")

    number = next(n for n in itertools.count(1) if not any(aside(folder, n).exists() for folder in (*results, run_dir)))
    _write_note(run_dir, [folder.rename(aside(folder, number)) for folder in results])
    return run_dir.rename(aside(run_dir, number))  # last: an interrupted move is finished by the next one


def bring_run_back(aside: Path, run_dir: Path) -> None:
    """Undo `set_run_aside`."""
    _write_note(aside, [folder.rename(folder.with_name(run_dir.name)) for folder in results_of_run(aside)])
    aside.rename(run_dir)


def _write_note(run_dir: Path, folders: list[Path]) -> None:
    if folders == _noted(run_dir):
        return
    with contextlib.suppress(OSError), replacing(run_dir / NOTE) as temporary:  # a run may be read-only
        lines = "".join(f"{folder}\n" for folder in folders)
        temporary.write_text(lines, encoding="utf-8", errors="surrogateescape")


def _noted(run_dir: Path) -> list[Path]:
    try:
        text = (run_dir / NOTE).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return []
    return [Path(line) for line in text.split("\n") if line]
