"""Compare every number of recordings of the published system with our networks, losses and training step.

    python -m scripts.fidelity NAME.json [MORE.json ...]

Recordings of the published segmentation networks and of their scores are understood as well.

Prints one line per quantity with its largest deviation. Exit status 0: all within tolerance; 1: not; 2: bad input.
"""

from __future__ import annotations

from util.console import exit_statuses

import argparse
import fnmatch
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scripts.fidelity import segmenters
from scripts.fidelity.training import Recording, measure

PROGRAM = "python -m scripts.fidelity"
# Quantity -> (absolute, relative) tolerance, the first pattern that fits. They are several times the deviation that
# memory format, threads and kernels cause between correct implementations. Anything else must be equal.
TOLERANCES = {
    "eval_fake": (3e-5, 0),
    "eval_logits_*": (3e-5, 0),
    "mu": (3e-5, 0),
    "logvar": (3e-5, 0),
    "train_fake": (1e-4, 0),
    "eval_losses": (1e-5, 2e-5),
    "eval_feature_norms": (1e-5, 2e-5),
    "train_[gd]_losses": (1e-5, 2e-5),
    "train_[gd]_grad_norms": (1e-5, 5e-3),  # a bias that the next norm cancels has a gradient of rounding alone
    "train_buffer_norms": (0, 1e-5),
    "train_buffer_changes": (2e-3, 1e-3),
    "steps.0.losses": (1e-5, 1e-3),
    "steps.0.parameter_changes": (1e-5, 1e-3),
    "steps.*.buffer_changes": (2e-3, 1e-3),
    # Adam with beta1 = 0 makes whole steps out of rounding: losses after one differ by 3e-3 between 32 and 64 bits.
    "steps.*.losses": (4e-3, 5e-3),
    "steps.*.parameter_changes": (1e-5, 3e-3),
} | segmenters.TOLERANCES
# Facts of our own side that a recording cannot hold, with the values they must have.
EXPECTED = {"advances_per_forward": {"spectral_norm": 1.0, "batch_statistics": 1.0}}


@dataclass(frozen=True)
class Result:
    """Outcome for one quantity: its worst entry, and the deviation there as a share of what is allowed."""

    quantity: str
    numbers: int
    deviation: float
    share: float
    worst: str
    problem: str = ""

    @property
    def passed(self) -> bool:
        return not self.problem and self.share <= 1  # NaN fails

    def __str__(self) -> str:
        head = f"{'ok  ' if self.passed else 'FAIL'} {self.quantity:<28} {self.numbers:>7} numbers"
        if self.problem:
            return f"{head}  {self.problem}"
        if self.share == 0:
            return f"{head}  equal"
        where = f" at {self.worst}" if self.worst else ""
        return f"{head}  largest deviation {self.deviation:.1e}, {self.share:.1%} of what is allowed{where}"


def compare(measured: dict[str, Any], recorded: dict[str, Any]) -> list[Result]:
    """One `Result` per quantity of either side; a quantity or entry that only one side has fails."""
    ours, theirs = _by_quantity(measured), _by_quantity(recorded)
    return [_compare_quantity(name, ours.get(name, {}), theirs.get(name, {})) for name in {**theirs, **ours}]


def _compare_quantity(quantity: str, ours: dict[str, Any], theirs: dict[str, Any]) -> Result:
    numbers = int(sum(np.size(value) for value in theirs.values()))
    lone = sorted(set(ours) ^ set(theirs))
    if lone:
        side = "recording" if lone[0] in theirs else "measurement"
        return Result(quantity, numbers, np.nan, np.nan, lone[0], f"only in the {side}: {lone[0] or quantity}")
    absolute, relative = next((t for pattern, t in TOLERANCES.items() if fnmatch.fnmatch(quantity, pattern)), (0, 0))
    worst = Result(quantity, numbers, 0.0, 0.0, "")
    for path, theirs_value in theirs.items():
        deviation, share = _deviation(ours[path], theirs_value, absolute, relative)
        if not share <= worst.share:
            worst = Result(quantity, numbers, deviation, share, path)
            if np.isnan(share):
                break
    return worst


def _deviation(ours: Any, theirs: Any, absolute: float, relative: float) -> tuple[float, float]:
    """|ours - theirs| where its share of the allowed deviation is largest, and that share; NaN if not comparable."""
    if isinstance(theirs, (str, bool, type(None))):
        return (0.0, 0.0) if ours == theirs else (np.nan, np.nan)
    ours, theirs = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    if ours.shape != theirs.shape:
        return np.nan, np.nan
    deviation, allowed = np.abs(ours - theirs), absolute + relative * np.abs(theirs)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(deviation == 0, 0.0, deviation / allowed)
    if np.isnan(share).any():
        return np.nan, np.nan
    index = share.argmax()
    return float(deviation.flat[index]), float(share.flat[index])


def _by_quantity(results: dict[str, Any]) -> dict[str, dict[str, Any]]:
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


def check(path: Path, modulation: str | None = None) -> list[Result]:
    """All comparisons of the recording at `path` (its JSON file)."""
    if segmenters.can_replay(path):
        return compare(*segmenters.replay(path))
    recording = Recording.read(path)
    return compare(measure(recording, modulation), recording.results | EXPECTED)


def main(argv: list[str] | None = None) -> int:
    """Do what the command line says; return the exit status. Bad input ends it with status 2 and one line."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=__doc__.split("\n")[0])
    parser.add_argument("recordings", nargs="+", type=Path, metavar="NAME.json", help="with NAME.npz beside it")
    parser.add_argument("--modulation", choices=("dense", "table"), help="how SPADE makes gamma and beta")
    args, failed = parser.parse_args(argv), 0
    for path in args.recordings:
        print(path)
        for result in check(path, args.modulation):
            failed += not result.passed
            print(f"  {result}")
    print("all within tolerance" if not failed else f"{failed} quantities out of tolerance")
    return 1 if failed else 0


if __name__ == "__main__":
    with exit_statuses(PROGRAM):
        sys.exit(main())
