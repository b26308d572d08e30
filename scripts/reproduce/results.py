"""What was measured for the rows of a table, beside what the paper reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from evaluation.scores import SCORES
from scripts.reproduce.ablations import Row
from scripts.reproduce.plan import Plan, PlannedRun
from util.duration import in_words

SHOWN = ("miou", "accuracy", "fid", "random_feature_distance", "random_feature_kernel_distance")
"""Scores of the tables, in their order; those that nobody has are left out."""
PRINTED = ("miou", "accuracy", "accuracy_with_void", "fid")
"""Scores of the paper, in its order."""
NONE = "–"
DATA_SETS = {"ade20k_outdoor": "ADE20K-outdoor", "coco": "COCO-Stuff", "ade20k": "ADE20K", "cityscapes": "Cityscapes"}
"""Names of the paper's data sets. For another data set, the first that a table has stands beside our numbers."""


@dataclass(frozen=True)
class Line:
    """A row of the table: how it was trained, its scores by name for each seed, and the paper's.

    Attributes:
        runs: one for each seed, finished or not.
        scores: those of the runs that are scored, fractions 0 to 1.
        intervals: of these scores by the bootstrap over images; empty without it.
    """

    row: Row
    runs: Sequence[PlannedRun]
    scores: Sequence[Mapping[str, float]]
    intervals: Sequence[Mapping[str, Sequence[float]]] = ()

    def values(self, score: str) -> list[float]:
        """A score of every seed that has it."""
        return [scores[score] for scores in self.scores if score in scores]

    def text(self, score: str) -> str:
        """The score and its bootstrap interval; of several seeds the mean, and the lowest and the highest value."""
        values, form = self.values(score), SCORES[score].text
        if not values:
            return NONE
        mean = form(sum(values) / len(values))
        if len(values) > 1:
            return f"{mean} ({form(min(values))}–{form(max(values))})"
        found = [intervals[score] for intervals in self.intervals if score in intervals]
        return mean + SCORES[score].brackets(found[0] if len(found) == 1 else None)

    @property
    def images_seen(self) -> str:
        """Images in the training of a seed, the mean of several."""
        seen = [trained.images_seen for run in self.runs if (trained := run.trained)]
        return f"{round(sum(seen) / len(seen)):,}" if seen else NONE

    @property
    def time(self) -> str:
        """Time in the training loop of a seed, the mean of several."""
        seconds = [trained.seconds for run in self.runs if (trained := run.trained)]
        return in_words(sum(seconds) / len(seconds)) if seconds else NONE

    @property
    def parameters(self) -> str:
        """Parameters of the generator, in millions."""
        return millions(self.runs[0].parameters / 1e6)


def millions(count: float) -> str:
    """`0.25 M`, `3.4 M`, `96 M`."""
    return f"{count:.0f} M" if count >= 10 else f"{count:.2g} M"


def lines_of(plan: Plan) -> list[Line]:
    """The rows of the table that are planned, in the order of the paper."""
    lines = []
    for row in plan.rows:
        runs = [run for run in plan.runs if row in run.rows]
        found = [content for run in runs if run.is_trained and run.is_tested and (content := run.scores)]
        intervals = [content.get("intervals", {}) for content in found]
        lines.append(Line(row, runs, [content["scores"] for content in found], intervals))
    return lines


def measured(lines: Sequence[Line]) -> list[str]:
    """The scores that any row has; the first two before anything is scored."""
    found = [score for score in SHOWN if any(line.values(score) for line in lines)]
    return found or list(SHOWN[:2])


def best(lines: Sequence[Line], score: str) -> float | None:
    """The best mean of a score over the rows; None if fewer than two have it."""
    means = [sum(values) / len(values) for line in lines if (values := line.values(score))]
    return SCORES[score].better(means) if len(means) > 1 else None


def is_best(lines: Sequence[Line], line: Line, score: str) -> bool:
    """Whether no other row has a better mean."""
    values = line.values(score)
    return bool(values) and sum(values) / len(values) == best(lines, score)


@dataclass(frozen=True)
class Paper:
    """The paper's columns: a head and a text for each row."""

    head: str
    text: Callable[[Row], str]


def data_set_of_paper(rows: Sequence[Row], dataset_mode: str) -> str | None:
    """The --dataset_mode whose published numbers stand beside ours: this one, if the paper has it; None without any."""
    printed = [mode for mode in DATA_SETS if any(mode in row.published for row in rows)]
    return dataset_mode if dataset_mode in printed else next(iter(printed), None)


def paper_columns(rows: Sequence[Row], dataset_mode: str) -> list[Paper]:
    """The columns of published numbers on `data_set_of_paper`; none without it."""
    mode = data_set_of_paper(rows, dataset_mode)
    if mode is None:
        return []
    names = [name for name in PRINTED if any(name in row.published.get(mode, ()) for row in rows)]
    columns = [
        Paper(f"paper: {SCORES[name].title}", lambda row, name=name: _published(row, mode, name)) for name in names
    ]
    if any(row.parameters for row in rows):
        columns.insert(0, Paper("paper: parameters", lambda row: f"{row.parameters} M" if row.parameters else NONE))
    return columns


def _published(row: Row, mode: str | None, name: str) -> str:
    value = row.published.get(mode or "", {}).get(name)
    return NONE if value is None else f"{100 * value if SCORES[name].is_fraction else value:.1f}"
