"""Scores as text on the page that compares runs."""

from __future__ import annotations

from evaluation.scores import SCORES

NONE = "–"
DIGITS = 4
"""Significant digits of a small number, such as KID."""


def label_of(score: str) -> str:
    """Return the label of a score."""
    return SCORES[score].label if score in SCORES else score


def number(score: str, value: float, signed: bool = False) -> str:
    """Return a score, or a difference of scores, as text: two decimals, more digits where the number is small."""
    sign = "+" if signed else ""
    if score in SCORES and SCORES[score].is_fraction:
        text = f"{value:{sign}.1f}"
    else:
        text = f"{value:{sign}.2f}" if abs(value) >= 1 else f"{value:{sign}.{DIGITS}g}"
    return text.replace("-", "−")
