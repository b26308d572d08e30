"""What the folders of a run say about it: how far it is trained, and whether its images and scores are up to date."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.scored_images import check_scores_hold
from trainers.saves import MANIFEST, Save, Saves
from util.errors import InputError
from util.files import replacing
from util.results_page import FACTS_NAME, RESULTS, SCORES_NAME

NOTE = "reproduce.json"
"""File in the folder of a run with the flags of its last test."""


@dataclass(frozen=True)
class Trained:
    """How far a run is trained, by its newest save."""

    images_seen: int
    epochs_done: int
    seconds: float


def newest_save(run_dir: Path) -> Save | None:
    """The newest save of a run; None before the first one."""
    return next(iter(Saves(run_dir).all()), None)


def how_far(run_dir: Path) -> Trained | None:
    """How far a run is trained; None before its first save."""
    save = newest_save(run_dir)
    if save is None:
        return None
    progress = save.manifest["progress"]
    return Trained(progress["images_seen"], progress["epoch"] - 1, save.manifest.get("seconds", 0.0))


def note_test(run_dir: Path, flags: Sequence[str]) -> None:
    """Record the flags of a test that has completed."""
    with replacing(run_dir / NOTE) as temporary:
        temporary.write_text(json.dumps({"test": list(flags)}, indent=1) + "\n", encoding="utf-8")


def is_tested(run_dir: Path, test_dir: Path, flags: Sequence[str]) -> bool:
    """Whether the newest networks of a run have been tested with these flags."""
    save = newest_save(run_dir)
    facts = test_dir / FACTS_NAME
    if save is None or not facts.exists() or _read(run_dir / NOTE).get("test") != list(flags):
        return False
    return facts.stat().st_mtime >= save.file(MANIFEST).stat().st_mtime


def scores_of(test_dir: Path, flags: Sequence[str]) -> dict[str, Any] | None:
    """The content of scores.json if evaluate.py wrote it with these flags for the images that are there; else None."""
    path = test_dir / SCORES_NAME
    content = _read(path)
    if content.get("command") != shlex.join(["python", "evaluate.py", *flags]):
        return None
    try:
        holds = check_scores_hold(content, path, test_dir / "images" / RESULTS)
    except InputError:
        return None
    return content if holds else None


def _read(path: Path) -> dict[str, Any]:
    """The content of a JSON file; empty if there is none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
