"""The best score of a training, and the networks that had it."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from util.warn import warn

BEST = "best"


class BestScore:
    """Remembers the best value of one score, and which generator had it.

    Args:
        better: by score that may decide, the function that takes the better of two values; the first one decides that
            is among the scores.

    Attributes:
        name, value: of the score; None before there is one.
        place: what `beaten_by` was told of the generator.
        protocol: what tells how scores are measured; values compare only where it is the same.
        owed: the epoch after which the generator has yet to be scored, because the training was asked to end.
    """

    def __init__(self, better: Mapping[str, Callable[[float, float], float]]):
        self.better = better
        self.name: str | None = None
        self.value: float | None = None
        self.place: dict[str, Any] = {}
        self.protocol: str | None = None
        self.owed: int | None = None

    def beaten_by(self, scores: Mapping[str, float], **place: Any) -> bool:
        """Take in the scores of now; return whether they are the best so far."""
        name = next((name for name in self.better if name in scores), None)
        if name is None:
            return False
        value = scores[name]
        before = self.value if self.name == name else None
        if before is not None and self.better[name](before, value) == before:
            return False
        self.name, self.value, self.place = name, value, place
        return True

    def measured_by(self, protocol: str) -> bool:
        """Say how scores are measured from now on; return whether an earlier best is forgotten, as it was otherwise."""
        forgotten = self.value is not None and self.protocol not in (protocol, None)
        if forgotten:
            self.name, self.value, self.place = None, None, {}
        self.protocol = protocol
        return forgotten

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("name", "value", "place", "protocol", "owed")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.name, self.value = state["name"], state["value"]
        # Saves of earlier versions hold no more than these two.
        self.place, self.protocol, self.owed = state.get("place", {}), state.get("protocol"), state.get("owed")


def keep_best(run_dir: Path) -> None:
    """Give the best networks in a run's folder, whose place others are about to take, the first free of the labels
    best1, best2, ... beside their own, and say so on standard error.

    Raises:
        OSError: they cannot be copied.
    """
    labels = (f"{BEST}{number}" for number in itertools.count(1))
    label = next(label for label in labels if not any(run_dir.glob(f"{label}_net_*.pth")))
    for path in run_dir.glob(f"{BEST}_net_*.pth"):
        copy = run_dir / path.name.replace(BEST, label, 1)
        try:
            os.link(path, copy)
        except OSError:  # a file system without links
            shutil.copyfile(path, copy)
    warn(f"{run_dir}: the score of the earlier best networks is not known; they are kept: --which_epoch {label}")
