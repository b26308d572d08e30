"""Compare measured results with those of a recording, number by number."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scripts.fidelity.recording import Results

Tolerances = Mapping[str, tuple[float, float]]
"""Pattern of quantities -> (absolute, relative) tolerance; the first match counts, otherwise values must be equal."""


@dataclass(frozen=True)
class Result:
    """Outcome for one quantity: its worst entry, and the deviation there as a fraction of the tolerance."""

    quantity: str
    numbers: int
    deviation: float
    fraction: float
    worst: str
    problem: str = ""

    @property
    def passed(self) -> bool:
        return not self.problem and self.fraction <= 1  # NaN fails

    def __str__(self) -> str:
        head = f"{'ok  ' if self.passed else 'FAIL'} {self.quantity:<28} {self.numbers:>7} numbers"
        if self.problem:
            return f"{head}  {self.problem}"
        if self.fraction == 0:
            return f"{head}  equal"
        where = f" at {self.worst}" if self.worst else ""
        return f"{head}  largest deviation {self.deviation:.1e}, {self.fraction:.1%} of what is allowed{where}"


def compare(measured: Results, recorded: Results, tolerances: Tolerances) -> list[Result]:
    """Return one `Result` per quantity of either side; a quantity or entry that only one side has fails."""
    ours, theirs = _by_quantity(measured), _by_quantity(recorded)
    return [
        _compare_quantity(name, ours.get(name, {}), theirs.get(name, {}), tolerances) for name in {**theirs, **ours}
    ]


def _compare_quantity(quantity: str, ours: Results, theirs: Results, tolerances: Tolerances) -> Result:
    numbers = int(sum(np.size(value) for value in theirs.values()))
    lone = sorted(set(ours) ^ set(theirs))
    if lone:
        side = "recording" if lone[0] in theirs else "measurement"
        return Result(quantity, numbers, np.nan, np.nan, lone[0], f"only in the {side}: {lone[0] or quantity}")
    absolute, relative = next((t for pattern, t in tolerances.items() if fnmatch.fnmatch(quantity, pattern)), (0, 0))
    worst = Result(quantity, numbers, 0.0, 0.0, "")
    for path, theirs_value in theirs.items():
        deviation, fraction = _deviation(ours[path], theirs_value, absolute, relative)
        if not fraction <= worst.fraction:
            worst = Result(quantity, numbers, deviation, fraction, path)
            if np.isnan(fraction):
                break
    return worst


def _deviation(ours: Any, theirs: Any, absolute: float, relative: float) -> tuple[float, float]:
    """The |ours - theirs| that is largest relative to the tolerance, and this ratio; NaN if not comparable."""
    if isinstance(theirs, (str, bool, type(None))):
        return (0.0, 0.0) if ours == theirs else (np.nan, np.nan)
    ours, theirs = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    if ours.shape != theirs.shape:
        return np.nan, np.nan
    deviation, allowed = np.abs(ours - theirs), absolute + relative * np.abs(theirs)
    with np.errstate(divide="ignore", invalid="ignore"):
        fraction = np.where(deviation == 0, 0.0, deviation / allowed)
    if np.isnan(fraction).any():
        return np.nan, np.nan
    index = fraction.argmax()
    return float(deviation.flat[index]), float(fraction.flat[index])


def _by_quantity(results: Results) -> dict[str, Results]:
    """{quantity: {path: number, array or string}}. The entries of `steps` are quantities of their own."""
    results = dict(results)
    for number, step in enumerate(results.pop("steps", [])):
        results |= {f"steps.{number}.{name}": value for name, value in step.items()}
    return {quantity: dict(_leaves(value)) for quantity, value in results.items()}


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, (dict, list, tuple)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, child in items:
            yield from _leaves(child, f"{path}.{key}" if path else str(key))
    else:
        yield path, value
