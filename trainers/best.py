"""The best score of a training, and the networks that reached it."""

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
    """Keeps the best value of one score, and which generator reached it.

    Args:
        better: for each score that may decide, the function (`min` or `max`) that returns the better of two values. The
            first of these scores that is measured decides.

    Attributes:
        name, value: of the best score; None before there is one.
        place: epoch and generator of the best score, from `update`.
        protocol: hash of the protocol; values under different protocols do not compare.
        owed: the epoch whose scores are still to be computed, because a signal ended the training first; or None.
    """

    def __init__(self, better: Mapping[str, Callable[[float, float], float]]):
        self.better = better
        self.name: str | None = None
        self.value: float | None = None
        self.place: dict[str, Any] = {}
        self.protocol: str | None = None
        self.owed: int | None = None

    def update(self, scores: Mapping[str, float], **place: Any) -> bool:
        """Compare new scores with the best ones, which they replace if they are better; return whether they are."""
        name = next((name for name in self.better if name in scores), None)
        if name is None:
            return False
        value = scores[name]
        before = self.value if self.name == name else None
        if before is not None and self.better[name](before, value) == before:
            return False
        self.name, self.value, self.place = name, value, place
        return True

    def use_protocol(self, protocol: str) -> bool:
        """Set the protocol of all further scores; forget a best score under another one, and return whether it was."""
        forgotten = self.value is not None and self.protocol not in (protocol, None)
        if forgotten:
            self.name, self.value, self.place = None, None, {}
        self.protocol = protocol
        return forgotten

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("name", "value", "place", "protocol", "owed")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.name, self.value = state["name"], state["value"]
        # The rest is missing in saves of earlier versions.
        self.place, self.protocol, self.owed = state.get("place", {}), state.get("protocol"), state.get("owed")


def keep_best(run_dir: Path) -> None:
    """Copy the best networks in a run's folder, which are about to be replaced, to the first free label of best1,
    best2, ..., and warn about it.

    Raises:
        OSError: they cannot be copied.
    """
    labels = (f"{BEST}{number}" for number in itertools.count(1))
    label = next(label for label in labels if not any(run_dir.glob(f"{label}_net_*.pth")))
    for path in run_dir.glob(f"{BEST}_net_*.pth"):
        copy = run_dir / path.name.replace(BEST, label, 1)
        try:
            os.link(path, copy)
        except OSError:  # a file system without hard links
            shutil.copyfile(path, copy)
    warn(f"{run_dir}: the score of the earlier best networks is not known; they are kept: --which_epoch {label}")
