"""Which networks of a training were the best."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

BEST = "best"


class BestScore:
    """Remembers the best value of one score.

    Args:
        better: by score that may decide, the function that takes the better of two values; the first one decides that
            is among the scores.
    """

    def __init__(self, better: Mapping[str, Callable[[float, float], float]]):
        self.better = better
        self.name: str | None = None
        self.value: float | None = None

    def beaten_by(self, scores: Mapping[str, float]) -> bool:
        """Take in the scores of now; return whether they are the best so far."""
        name = next((name for name in self.better if name in scores), None)
        if name is None:
            return False
        value = scores[name]
        if self.name == name and self.better[name](self.value, value) == self.value:
            return False
        self.name, self.value = name, value
        return True

    def state_dict(self) -> dict[str, Any]:
        return {"name": self.name, "value": self.value}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.name, self.value = state["name"], state["value"]
