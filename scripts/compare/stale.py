"""Whether scores of a run are missing or old because it was tested or trained after they were made."""

from __future__ import annotations

import contextlib
import json
from datetime import datetime, timezone
from pathlib import Path

from scripts.compare.scores import Scores


def why_stale(name: str, test: Path, run_dir: Path, scores: Scores | None) -> str:
    """A sentence about scores that are missing or old, with the way to new ones; "" if they are neither.

    Args:
        name: of the run.
        test: folder of the test, `<phase>_<epoch>`.
        run_dir: of the checkpoints, which may be missing.
    """
    phase, _, epoch = test.name.rpartition("_")
    if scores is None:
        date = _last_scored(run_dir / "scores.jsonl", phase, epoch)
        when = f"{name} was tested again after it was scored on {date[:10]}, so it has no scores now"
        return f"{when}: score it with evaluate.py." if date else ""
    saved = max((path.stat().st_mtime for path in run_dir.glob(f"{epoch}_net_G*.pth")), default=0)
    with contextlib.suppress(ValueError):
        if saved > datetime.fromisoformat(scores.date).timestamp():
            day = datetime.fromtimestamp(saved, timezone.utc).date()
            return (
                f"The networks of {name} were saved after its scores were made ({day}): if it was trained on, run "
                "test.py and evaluate.py again."
            )
    return ""


def _last_scored(log: Path, phase: str, epoch: str) -> str:
    """Date of the last line that evaluate.py wrote for a test; "" if there is none."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    for line in reversed(lines):
        with contextlib.suppress(ValueError, AttributeError):
            found = json.loads(line)
            if [found.get(key) for key in ("program", "phase", "epoch")] == ["evaluate.py", phase, epoch]:
                return str(found.get("date", ""))
    return ""
