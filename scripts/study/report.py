"""The report of a study: how many answers prefer A, with confidence intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from scipy.stats import binomtest

from scripts.study.answers import Answers, check_order
from scripts.study.key import Key
from util.errors import InputError

CONFIDENCE = 0.95
DRAWS = 10_000
FEWEST_PEOPLE = 3
"""Minimum number of participants for an interval over people."""


@dataclass(frozen=True)
class Person:
    """One person's choices.

    Attributes:
        for_a: of each pair, whether the image of A was chosen.
        lefts: of each question, whether the left image was chosen.
        failed: attention checks in which the broken image was chosen.
        seconds: median time of an answer.
    """

    name: str
    for_a: dict[str, bool]
    lefts: list[bool]
    failed: int
    seconds: float

    @property
    def fraction(self) -> float:
        """Fraction of the pairs in which A was chosen."""
        return sum(self.for_a.values()) / len(self.for_a)


def tally(file: Answers, key: Key) -> Person:
    """Compare one participant's answers with the key. Raises `InputError` if they do not fit the page."""
    check_order(file, key)
    for_a = {a.pair: a.chosen == key.pairs[a.pair][0] for a in file.answers if a.pair in key.pairs}
    failed = sum(a.chosen != key.checks[a.pair][0] for a in file.answers if a.pair in key.checks)
    lefts = [a.chosen == a.left for a in file.answers]
    return Person(file.participant, for_a, lefts, failed, median(a.seconds for a in file.answers))


def wilson(count: int, total: int) -> tuple[float, float]:
    """95% confidence interval (Wilson, 1927) of a fraction of independent answers."""
    interval = binomtest(count, total).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def bootstrap(fractions: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """95% bootstrap interval of the mean over people: percentiles of means over people drawn with replacement."""
    drawn = np.random.default_rng(seed).choice(fractions, (DRAWS, len(fractions))).mean(axis=1)
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def report(files: Sequence[Answers], key: Key) -> str:
    """Return the report. Raises `InputError` for files of another study, or if everybody is excluded."""
    everybody = [tally(file, key) for file in files]
    people = [person for person in everybody if not person.failed]
    if not people:
        raise InputError(f"all {len(everybody)} people failed attention checks; there are no answers to count")
    total = sum(len(person.for_a) for person in people)
    for_a = sum(sum(person.for_a.values()) for person in people)
    lefts = [left for person in people for left in person.lefts]
    excluded = [f"{p.name} (failed {p.failed} of {len(key.checks)} checks)" for p in everybody if p.failed]
    lines = [
        f"Study {key.study}: A is {key.a}, B is {key.b}",
        _line(
            "People", f"{len(people)} counted, {len(excluded)} excluded{': ' if excluded else ''}{', '.join(excluded)}"
        ),
        _line("Answers", f"{total}: {len(key.pairs)} pairs of each person"),
        _line("Prefer A", f"{for_a / total:.1%} ({for_a} of {total}), {_interval(*wilson(for_a, total))}, Wilson"),
        _line("", "This interval takes answers for independent. Those of one person are not: it is too narrow."),
        _line("Per person", _over_people([person.fraction for person in people])),
        _line("Per pair", _over_pairs(people, key)),
        _line("Left chosen", f"{np.mean(lefts):.1%} of the time (about 50% unless people favor a side)"),
        "",
        f"{'prefers A':>24} {'left':>7} {'seconds':>8}  person",
    ]
    for p in sorted(people, key=lambda person: -person.fraction):
        lines.append(f"{p.fraction:>24.1%} {np.mean(p.lefts):>7.1%} {p.seconds:>8.1f}  {p.name}")
    return "\n".join(lines)


def _over_people(fractions: list[float]) -> str:
    mean = f"mean {np.mean(fractions):.1%}"
    if len(fractions) < FEWEST_PEOPLE:
        return f"{mean}; no interval from fewer than {FEWEST_PEOPLE} people"
    return f"{mean}, {_interval(*bootstrap(fractions))}, bootstrap over {len(fractions)} people"


def _over_pairs(people: list[Person], key: Key) -> str:
    votes = [sum(person.for_a[pair] for person in people) * 2 - len(people) for pair in key.pairs]
    more_a, more_b = sum(vote > 0 for vote in votes), sum(vote < 0 for vote in votes)
    return f"most people prefer A in {more_a}, B in {more_b} of {len(votes)} pairs; {len(votes) - more_a - more_b} ties"


def _interval(low: float, high: float) -> str:
    return f"95% interval {low:.1%} to {high:.1%}"


def _line(name: str, text: str) -> str:
    return f"{name:<12} {text}"
