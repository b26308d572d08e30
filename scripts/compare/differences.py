"""Which differences between the scores of runs are larger than noise: by the bootstrap over their common images.

The images of both runs are of the same label maps, so label maps are drawn, each with the images of both. The interval
of a difference is narrower than those of the two scores tell, since a hard label map is hard for both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from dominate import tags
from dominate.dom_tag import dom_tag
from torch import Tensor

from evaluation.bootstrap import Interval, draw_samples, interval, times_drawn
from evaluation.segmentation import matrices_of_draws, scores_of_draws
from scripts.compare.causes import Cause, reasons
from scripts.compare.runs import Run
from scripts.compare.scores import Scores, groups, score_names
from scripts.compare.words import label_of, number

DRAWS, SEED = 1000, 0
LEAST_IMAGES = 10
"""Of fewer images, an interval of the bootstrap is too narrow to be believed."""
SEGMENTATION = "segmentation"
ROUNDING = 1e-6


@dataclass(frozen=True)
class Difference:
    """The difference of a score between a run and the first one; fractions are in percent.

    Attributes:
        interval: 95% of the draws; None if it cannot be told.
        reason: why it cannot.
    """

    score: str
    run: Run
    base: Run
    value: float
    interval: Interval | None = None
    reason: str = ""

    @property
    def is_larger_than_noise(self) -> bool:
        return excludes_zero(self.interval)

    @property
    def title(self) -> str:
        return f"{self.run.name} − {self.base.name}"

    @property
    def verdict(self) -> str:
        return "larger than noise over these images" if self.is_larger_than_noise else "within noise"


def excludes_zero(found: Interval | None) -> bool:
    """Whether a difference with this interval is larger than noise."""
    return found is not None and (found[0] > 0 or found[1] < 0)


def differences(runs: Sequence[Run], causes: Sequence[Cause]) -> list[Difference]:
    """The difference of each score between every run and the first."""
    found = []
    for place, run in enumerate(runs[1:], start=1):
        base = runs[0]
        if not base.scores or not run.scores:
            continue
        names = [name for name in score_names([base.scores, run.scores]) if name in run.scores.scores]
        draws = _of_segmentation(base.scores, run.scores)
        for score in (name for name in names if name in base.scores.scores):
            value = run.scores.scores[score] - base.scores.scores[score]
            if len({*groups([base.scores, run.scores], score)}) > 1:
                why = ", ".join(reasons(runs, causes, place, score)) or "settings"
                found.append(Difference(score, run, base, value, reason=f"it was not measured alike ({why})"))
            elif run.scores.images < LEAST_IMAGES:
                found.append(Difference(score, run, base, value, reason=f"{run.scores.images} images are too few"))
            elif (of_draws := draws.get(score) or _of_means(base.scores, run.scores, score)) is not None:
                found.append(Difference(score, run, base, value, interval(value, of_draws)))
            else:
                found.append(Difference(score, run, base, value, reason=_why_not(base, run, score)))
    return found


def _of_segmentation(base: Scores, run: Scores) -> dict[str, list[float]]:
    """Differences in percent for each draw, by name of the score; empty without the confusion of images."""
    rule = base.mean_iou
    if not rule or not (pair := _drawn_together(base, run)):
        return {}
    ours, theirs = (scores_of_draws(counts, pair.drawn, pair.classes, rule) for counts in (pair.base, pair.run))
    return {score: [100 * (b - a) for a, b in zip(ours[score], theirs[score])] for score in ours}


def class_intervals(base: Scores | None, run: Scores | None) -> dict[str, Interval]:
    """The interval of the difference in IoU in percent, by class; empty without the confusion of images."""
    if not base or not run or base.class_names != run.class_names or not (pair := _drawn_together(base, run)):
        return {}
    ours, theirs = (
        np.stack([matrix.class_iou() for matrix in matrices_of_draws(counts, pair.drawn, pair.classes)])
        for counts in (pair.base, pair.run)
    )  # (draws, C)
    found = {}
    for k, name in enumerate(base.class_names):
        if name not in base.per_class_iou or name not in run.per_class_iou:
            continue
        value = run.per_class_iou[name] - base.per_class_iou[name]
        found[name] = interval(value, (100 * (theirs[:, k] - ours[:, k])).tolist())
    return found


@dataclass(frozen=True)
class _Pair:
    """The confusion of the images of two runs in one order, and draws of these images."""

    base: list[Tensor]
    run: list[Tensor]
    classes: int
    drawn: Tensor


def _drawn_together(base: Scores, run: Scores) -> _Pair | None:
    """None if the runs have no confusion of the same images and classes, or too few."""
    names = list(base.confusion)
    if len(names) < LEAST_IMAGES or {*names} != {*run.confusion}:
        return None
    ours, theirs = ([one.confusion[name] for name in names] for one in (base, run))
    classes = _classes(ours[0])
    return (
        _Pair(ours, theirs, classes, draw_samples(len(names), DRAWS, SEED)) if classes == _classes(theirs[0]) else None
    )


def _classes(counts: Tensor) -> int:
    """C of counts ((C + 1) C,)."""
    return (math.isqrt(4 * counts.shape[0] + 1) - 1) // 2


def _of_means(base: Scores, run: Scores, score: str) -> list[float] | None:
    """Differences for each draw, of a score that is the mean of the scores of single images; None for another one."""
    ours, theirs = (
        {name: values[score] for name, values in one.per_image.items() if score in values} for one in (base, run)
    )
    if not ours or ours.keys() != theirs.keys() or not (_is_mean(ours, base, score) and _is_mean(theirs, run, score)):
        return None
    change = torch.tensor([theirs[name] - ours[name] for name in ours], dtype=torch.float64)
    return (times_drawn(draw_samples(len(change), DRAWS, SEED)) @ change / len(change)).tolist()


def _is_mean(of_images: Mapping[str, float], scores: Scores, score: str) -> bool:
    same_number = len(of_images) == scores.images
    return same_number and math.isclose(np.mean([*of_images.values()]), scores.scores[score], rel_tol=ROUNDING)


def _why_not(base: Run, run: Run, score: str) -> str:
    is_segmentation = base.scores is not None and base.scores.group(score) == SEGMENTATION
    if not is_segmentation:
        return "the score is of all images together"
    missing = " and ".join(one.name for one in (base, run) if one.scores and not one.scores.confusion)
    return (
        f"there is no image_scores.json of {missing}; score again with evaluate.py" if missing else "the classes differ"
    )


def difference_table(found: Sequence[Difference]) -> dom_tag | None:
    """Return the differences with their intervals and whether they are larger than noise; None without any."""
    if not found:
        return None
    article = tags.article(tags.h2("Differences"), cls="differences")
    known = [one for one in found if one.interval]
    for title in dict.fromkeys(one.title for one in known):
        rows = [_row(one) for one in known if one.title == title]
        article.add(tags.table(tags.caption(title), tags.tbody(rows)))
    if known:
        article.add(
            tags.p(
                f"In brackets: the 95% interval of the difference from {DRAWS:,} draws of label maps with the images "
                "of both runs. Noise here is the choice of the images: another training may differ by more.",
                cls="note",
            )
        )
    unknown: dict[tuple[str, str], list[str]] = {}
    for one in found:
        if not one.interval:
            unknown.setdefault((one.title, one.reason), []).append(label_of(one.score))
    for (title, reason), labels in unknown.items():
        what = f"{title}: {'; '.join(labels)}"
        article.add(tags.p(f"{what}: cannot be told from noise, because {reason}.", cls="note"))
    return article


def _row(one: Difference) -> tags.tr:
    assert one.interval is not None
    low, high = (number(one.score, value) for value in one.interval)
    cells = [tags.td(number(one.score, one.value, signed=True), tags.small(f"[{low}, {high}]"))]
    mark = "✓ " if one.is_larger_than_noise else ""
    cells.append(tags.td(mark + one.verdict))
    return tags.tr(tags.th(label_of(one.score)), cells, cls="sure" if mark else "unsure")
