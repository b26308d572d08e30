"""The tables above the images: scores, options that differ, IoU by class."""

from collections.abc import Mapping, Sequence
from typing import Any

from dominate import tags
from dominate.dom_tag import dom_tag

from evaluation.bootstrap import Interval
from evaluation.report import REAL
from evaluation.scores import SCORES, doubt_of_segmenter
from options import TrainOptions
from options.field import declared_options
from scripts.compare.causes import Cause, reasons
from scripts.compare.differences import Difference, class_intervals, excludes_zero
from scripts.compare.runs import ABSENT, Run, differing_options
from scripts.compare.scores import DEVIATION, Scores, flat, groups, score_names
from scripts.compare.words import NONE, label_of, number
from util import html


def score_table(runs: Sequence[Run], causes: Sequence[Cause], found: Sequence[Difference] = ()) -> dom_tag:
    """Return all scores: a column for each run, then one for each published method.

    Args:
        causes: why scores of the runs do not compare.
        found: the differences from the first run: a best score that is within noise is not marked.
    """
    scores = [run.scores for run in runs]
    if not any(scores):
        return tags.article(
            tags.h2("Scores"), tags.p("None of the runs has scores: evaluate.py writes them.", cls="note")
        )
    published = {}
    for one in (one for one in scores if one):
        for method, values in one.published.items():
            published.setdefault((method, one.dataset_mode), values)
    modes = {mode for _, mode in published}
    papers = [f"{method} ({mode})" if len(modes) > 1 else method for method, mode in published]
    others = list(published.values())
    if real := _real_photos(runs):
        papers, others = [REAL, *papers], [real, *others]
    head = [tags.th(), *(tags.th(run.name, cls="run") for run in runs), *(tags.th(p, cls="paper") for p in papers)]
    rows = [_score_row(runs, causes, found, name, others) for name in score_names(scores)]
    rows.append(_fact_row("images", [f"{one.images:,}" if one else "no scores" for one in scores], len(papers)))
    rows.append(_fact_row("measured", [one.date[:10] if one else NONE for one in scores], len(papers)))
    protocols = _protocols(runs)
    notes = [f"Small: difference from {runs[0].name}. Fractions are in percent."] if len(runs) > 1 else []
    if any(one.interval for one in found):
        notes.append("Bold: the best, unless its difference is within noise (below).")
    if any(one.intervals for one in scores if one):
        notes.append("In brackets: 95% intervals by the bootstrap over images.")
    if real:
        notes.append("Real photos: what the segmentation network scores on the photos of these label maps.")
    notes += doubts(runs)
    if published:
        notes.append("Columns in italics: published numbers, by the protocols of their authors.")
    table = tags.table(tags.thead(tags.tr(head)), tags.tbody(rows), cls="compared")
    unchecked = [tags.p(note, cls="note") for note in unchecked_scores(runs)]
    return tags.article(
        tags.h2("Scores"), html.scrolling(table, "scores"), tags.p(" ".join(notes), cls="note"), *unchecked, protocols
    )


def unchecked_scores(runs: Sequence[Run]) -> list[str]:
    """Return a note for each run whose scores do not identify the scored images."""
    return [
        f"scores of {run.name} cannot be checked, as they do not say which images they are of; make new ones with: "
        f"{run.scores.unchecked}"
        for run in runs
        if run.scores and run.scores.unchecked
    ]


def doubts(runs: Sequence[Run]) -> list[str]:
    """Return a note for each run whose segmentation scores say little, as the network fails on real photos."""
    notes = []
    for run, scores in ((run, run.scores) for run in runs if run.scores):
        network = flat(scores.protocol.get("segmentation")).get("network")
        real, generated = (one.get("miou") for one in (scores.real_photos, scores.scores))
        of_real, of_generated = (None if value is None else value / 100 for value in (real, generated))
        if doubt := doubt_of_segmenter(network, of_real, of_generated):
            notes.append(f"{run.name}: {doubt}.")
    return notes


def _real_photos(runs: Sequence[Run]) -> Mapping[str, float]:
    """The scores of the real photos, if they are the same for all runs that have them."""
    found = [run.scores.real_photos for run in runs if run.scores and run.scores.real_photos]
    same = found and all(one == found[0] for one in found)
    return {score: round(value, 1) for score, value in found[0].items()} if same else {}


def _protocols(runs: Sequence[Run]) -> tags.details:
    """Return the foldable table of all measurement settings."""
    settings = [flat(run.scores.protocol) if run.scores else {} for run in runs]
    rows = []
    for name in dict.fromkeys(name for one in settings for name in one):
        rows.append(tags.tr(tags.th(name), [tags.td(one.get(name, NONE)) for one in settings]))
    table = tags.table(tags.thead(_head([run.name for run in runs])), tags.tbody(rows))
    return tags.details(tags.summary("How they were measured"), html.scrolling(table, "settings"))


def _score_row(
    runs: Sequence[Run], causes: Sequence[Cause], found: Sequence[Difference], score: str, published: Sequence[Any]
) -> tags.tr:
    scores = [run.scores for run in runs]
    values = [one.scores.get(score) if one else None for one in scores]
    spreads = [_spread(one, score) if one else "" for one in scores]
    ways, differ = groups(scores, score), not _alike(runs, score)
    better = SCORES[score].better if score in SCORES else None
    known = [value for value in values if value is not None]
    # Among scores that were measured differently, none is best.
    best = better(known) if better and len({*known}) > 1 and not differ else None
    if best is not None and _is_within_noise(runs[values.index(best)], score, found):
        best = None
    cells = []
    for place, (value, spread, way) in enumerate(zip(values, spreads, ways)):
        base = values[0] if cells and way == ways[0] else None
        letter = chr(ord("a") + way) if differ and way is not None else ""
        cell = _score_cell(score, value, spread, letter, base, best)
        if differ and value is not None and (why := reasons(runs, causes, place, score)):
            cell.add(tags.small(f"other {', '.join(why)}", cls="cause"))
        cells.append(cell)
    cells += [tags.td(f"{paper[score]:.4g}" if score in paper else NONE, cls="paper") for paper in published]
    name = [label_of(score), tags.small(SCORES[score].arrow) if better else ""]
    if differ:
        name.append(tags.strong("≠", title="measured in different ways"))
    return tags.tr(tags.th(name), cells, cls="differ" if differ else "")


def _is_within_noise(best: Run, score: str, found: Sequence[Difference]) -> bool:
    """Whether the best score differs from others by noise, as far as intervals of these differences are known."""
    of_best = [one for one in found if one.score == score and one.interval and (best is one.run or best is one.base)]
    return not all(one.is_larger_than_noise for one in of_best)


def _spread(scores: Scores, score: str) -> str:
    """The deviation of a score and its interval, if it has them, to follow its value."""
    deviation, interval = scores.scores.get(score + DEVIATION), scores.intervals.get(score)
    text = f" ± {number(score, deviation)}" if deviation else ""
    return text + (f" [{', '.join(number(score, value) for value in interval)}]" if interval else "")


def _score_cell(
    score: str, value: float | None, spread: str, letter: str, base: float | None, best: float | None
) -> tags.td:
    """Return the cell of one run: its score, bold if best, how it was measured, and the difference from `base`."""
    if value is None:
        return tags.td(NONE)
    content: list[Any] = [tags.b(number(score, value)) if value == best else number(score, value)]
    if letter:
        content.append(tags.sup(letter))
    if spread:
        content.append(tags.span(spread, cls="spread"))
    if base is not None:
        content.append(tags.small(number(score, value - base, signed=True)))
    return tags.td(content, cls="best" if value == best else "")


def _fact_row(name: str, texts: Sequence[str], papers: int) -> tags.tr:
    return tags.tr(tags.th(name), [tags.td(text) for text in texts], [tags.td() for _ in range(papers)], cls="fact")


def option_table(runs: Sequence[Run]) -> dom_tag | None:
    """Return the table of training options in which runs differ, as in an ablation; None without options."""
    known = [run for run in runs if run.options is not None]
    if len(known) < 2:
        return None
    differing = differing_options(runs)
    declared = declared_options(TrainOptions)
    rows = []
    for name, values in differing.items():
        texts = [
            NONE if value is ABSENT else declared[name].shown(value) if name in declared else str(value)
            for value in values
        ]
        cells = [tags.td(text, cls="" if text == texts[0] else "other") for text in texts]
        rows.append(tags.tr(tags.th(name), cells))
    unknown = [run.name for run in runs if run.options is None]
    note = f"No options.json of {', '.join(unknown)}." if unknown else ""
    body = (
        html.scrolling(
            tags.table(tags.thead(_head([run.name for run in runs])), tags.tbody(rows)), "options that differ"
        )
        if rows
        else tags.p("The runs were trained with the same options.", cls="note")
    )
    return tags.article(tags.h2("Options that differ"), body, tags.p(note, cls="note") if note else "")


def _difference(value: float | None, base: float | None) -> float | None:
    return None if value is None or base is None else value - base


def class_table(runs: Sequence[Run]) -> dom_tag | None:
    """Return the foldable table of IoU by class, which sorts on a click on a column head; None if no run has any."""
    tables = [run.scores.per_class_iou if run.scores else {} for run in runs]
    classes = list(dict.fromkeys(name for table in tables for name in table))
    if not classes:
        return None
    others = range(1, len(runs)) if _alike(runs, "miou") else ()
    intervals = {k: class_intervals(runs[0].scores, runs[k].scores) for k in others}
    colors = {name: color for run in runs if run.scores for name, color in run.scores.class_colors.items()}
    rows = []
    for name in classes:
        values = [table.get(name) for table in tables]
        cells = [_sortable(value) for value in values]
        for k in others:
            cells.append(_sortable(_difference(values[k], values[0]), signed=True))
            if found := intervals[k].get(name):
                _mark(cells[-1], found)
        swatch = [tags.i(style=f"background:{colors[name]}")] if name in colors else []
        rows.append(tags.tr(tags.th(*swatch, name, data_value=name), cells))
    heads = [*(run.name for run in runs), *(f"{runs[k].name} − {runs[0].name}" for k in others)]
    note = "" if _alike(runs, "miou") else tags.p("≠ The runs were not scored in the same way; see above.", cls="note")
    if any(intervals.values()):
        words = "✓ larger than noise over these images. Of many classes, about one in twenty is so by chance alone."
        note = tags.p(words, cls="note")
    table = tags.table(tags.thead(_head(heads)), tags.tbody(rows), cls="sortable")
    return tags.article(
        tags.details(tags.summary(f"IoU of {len(classes)} classes"), note, html.scrolling(table, "IoU by class"))
    )


def _sortable(value: float | None, signed: bool = False) -> tags.td:
    if value is None:
        return tags.td(NONE, data_value="")
    return tags.td(number("miou", value, signed), data_value=f"{value:.6g}")


def _mark(cell: tags.td, found: Interval) -> None:
    """Add to the difference of a class whether it is larger than noise, and its interval."""
    cell["title"] = f"95% interval {', '.join(number('miou', value, signed=True) for value in found)}"
    if excludes_zero(found):
        cell.add(tags.strong(" ✓"))


def _alike(runs: Sequence[Run], score: str) -> bool:
    return len({*groups([run.scores for run in runs], score)} - {None}) <= 1


def _head(names: Sequence[str]) -> tags.tr:
    return tags.tr(tags.th(), [tags.th(name) for name in names])
