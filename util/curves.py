"""Curves along a training of any length: thinned out as they grow, with every extreme kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

MAX_BUCKETS = 600


class Curve:
    """Values at positions along the training, in at most `MAX_BUCKETS` buckets of equally many neighbors.

    When there are more, neighboring buckets are joined, so that memory and time do not grow with the training. A bucket
    keeps its lowest and highest value and the mean.
    """

    def __init__(self) -> None:
        self._buckets: list[list[float]] = []  # first position, last position, lowest, highest, sum, count
        self._size = 1

    def __len__(self) -> int:
        return len(self._buckets)

    def add(self, position: float, value: float) -> None:
        """Add a value at a position beyond all others; one that is not finite is left out."""
        if not math.isfinite(value):
            return
        new = [position, position, value, value, value, 1]
        if self._buckets and self._buckets[-1][5] < self._size:
            self._buckets[-1] = _joined(self._buckets[-1], new)
            return
        self._buckets.append(new)
        if len(self._buckets) > MAX_BUCKETS:
            self._size *= 2
            pairs = zip(self._buckets[::2], [*self._buckets[1::2], None])
            self._buckets = [one if other is None else _joined(one, other) for one, other in pairs]

    @property
    def positions(self) -> np.ndarray:
        """The middle of every bucket."""
        return np.array([(bucket[0] + bucket[1]) / 2 for bucket in self._buckets])

    @property
    def means(self) -> np.ndarray:
        """The mean of every bucket."""
        return np.array([bucket[4] / bucket[5] for bucket in self._buckets])

    def data(self) -> dict[str, list[float]]:
        """Rounded lists for a page: x and mean, and the lowest and highest values unless they are the mean."""
        columns = {"x": self.positions.tolist(), "mean": self.means.tolist()}
        if self._size > 1:
            columns["low"] = [bucket[2] for bucket in self._buckets]
            columns["high"] = [bucket[3] for bucket in self._buckets]
        return {
            name: [round(value) if name == "x" else float(f"{value:.5g}") for value in column]
            for name, column in columns.items()
        }


class Curves(dict[str, Curve]):
    """Curves by name, such as `lr/G`."""

    def add(self, position: float, values: Mapping[str, Any]) -> None:
        """Add values by name at a position beyond all others."""
        for name, value in values.items():
            self.setdefault(name, Curve()).add(position, float(value))


def _joined(one: list[float], other: list[float]) -> list[float]:
    """The bucket of two neighbors."""
    return [one[0], other[1], min(one[2], other[2]), max(one[3], other[3]), one[4] + other[4], one[5] + other[5]]
