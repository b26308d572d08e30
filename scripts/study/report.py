"""The report of a study: how many answers prefer A, with confidence intervals."""

from collections.abc import Iterable, Sequence
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
QUICK_SECONDS = 0.5
"""Median time of an answer below which nobody can have compared two images."""


@dataclass(frozen=True)
class Person:
    """One person's choices.

    Attributes:
        for_a: of each pair with a decided answer, whether the image of A was chosen.
        undecided: pairs answered with "cannot tell".
        lefts: of each decided answer, whether the left image was chosen.
        failed: attention checks in which the intact image was not chosen.
        seconds: median time of an answer.
    """

    name: str
    for_a: dict[str, bool]
    undecided: int
    lefts: list[bool]
    failed: int
    seconds: float

    @property
    def fraction(self) -> float | None:
        """Fraction of the decided answers for A; None if there are none."""
        return sum(self.for_a.values()) / len(self.for_a) if self.for_a else None


def tally(file: Answers, key: Key) -> Person:
    """Compare one participant's answers with the key. Raises `InputError` if they do not fit the page."""
    check_order(file, key)
    decided = [a for a in file.answers if a.chosen is not None]
    for_a = {a.pair: a.chosen == key.pairs[a.pair][0] for a in decided if a.pair in key.pairs}
    failed = sum(a.chosen != key.checks[a.pair][0] for a in file.answers if a.pair in key.checks)
    lefts = [a.chosen == a.left for a in decided]
    seconds = median(a.seconds for a in file.answers)
    return Person(file.participant, for_a, len(key.pairs) - len(for_a), lefts, failed, seconds)


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
    excluded = [f"{p.name} (failed {p.failed} of {len(key.checks)} checks)" for p in everybody if p.failed]
    counted = f"{len(people)} counted, {len(excluded)} excluded{': ' if excluded else ''}{', '.join(excluded)}"
    lefts = _mean(left for p in people for left in p.lefts)
    quick = [p.name for p in people if p.seconds < QUICK_SECONDS]
    hurried = f"{', '.join(quick)}: median answer under {QUICK_SECONDS} s, too quick to compare images; still counted"
    lines = [
        f"Study {key.study}: A is {key.a}, B is {key.b}",
        _line("People", counted),
        *([_line("Too quick", hurried)] if quick else []),
        _line("Answers", f"{len(people) * len(key.pairs)}: {len(key.pairs)} pairs of each person"),
        *_preference(people),
        _line("Per person", _over_people([p.fraction for p in people if p.fraction is not None])),
        _line("Per pair", _over_pairs(people, key)),
        _line("Left chosen", f"{lefts} of the time (on phones the upper image; about 50% unless people favor a side)"),
        "",
        f"{'prefers A':>24} {'cannot tell':>12} {'left':>7} {'seconds':>8}  person",
    ]
    for p in sorted(people, key=lambda person: -1.0 if person.fraction is None else person.fraction, reverse=True):
        unsure = f"{p.undecided / len(key.pairs):.1%}"
        of_a, left = (_mean(choices) for choices in (p.for_a.values(), p.lefts))
        lines.append(f"{of_a:>24} {unsure:>12} {left:>7} {p.seconds:>8.1f}  {p.name}")
    return "\n".join(lines)


def _preference(people: Sequence[Person]) -> list[str]:
    """Lines of what was chosen: A, B and "cannot tell" of all answers, and A of the decided ones."""
    undecided = sum(person.undecided for person in people)
    decided = sum(len(person.for_a) for person in people)
    for_a = sum(sum(person.for_a.values()) for person in people)
    counts = {"A": for_a, "B": decided - for_a, "cannot tell": undecided}
    total = decided + undecided
    chosen = ", ".join(f"{name} {count / total:.1%} ({count})" for name, count in counts.items())
    lines = [_line("Chosen", f"{chosen} of all answers")]
    if not decided:
        return [*lines, _line("Prefer A", 'nothing can be said: every answer is "cannot tell"')]
    of = f"{decided} decided" if undecided else f"{decided}"
    lines += [
        _line("Prefer A", f"{for_a / decided:.1%} ({for_a} of {of}), {_interval(*wilson(for_a, decided))}, Wilson"),
        _line("", "This interval takes answers for independent. Those of one person are not: it is too narrow."),
    ]
    if undecided:
        lines.append(_line("", 'Here and below only decided answers count: "cannot tell" is left out.'))
    return lines


def _mean(choices: Iterable[bool]) -> str:
    choices = list(choices)
    return f"{np.mean(choices):.1%}" if choices else "-"


def _over_people(fractions: list[float]) -> str:
    if not fractions:
        return "nobody decided"
    mean = f"mean {np.mean(fractions):.1%}"
    if len(fractions) < FEWEST_PEOPLE:
        return f"{mean}; no interval from fewer than {FEWEST_PEOPLE} people"
    return f"{mean}, {_interval(*bootstrap(fractions))}, bootstrap over {len(fractions)} people"


def _over_pairs(people: list[Person], key: Key) -> str:
    """For how many pairs more people prefer A, or B; a person who cannot tell has no vote."""
    votes = [sum(1 if p.for_a[pair] else -1 for p in people if pair in p.for_a) for pair in key.pairs]
    more_a, more_b = sum(vote > 0 for vote in votes), sum(vote < 0 for vote in votes)
    return f"most people prefer A in {more_a}, B in {more_b} of {len(votes)} pairs; {len(votes) - more_a - more_b} ties"


def _interval(low: float, high: float) -> str:
    return f"95% interval {low:.1%} to {high:.1%}"


def _line(name: str, text: str) -> str:
    return f"{name:<12} {text}"
