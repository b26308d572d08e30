"""The section of scores on the page of a test: ours beside those of real photos and of papers, and of each class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from dominate import tags
from dominate.util import raw

from evaluation.class_section import class_list, confusions
from evaluation.report import REAL, Report
from util import html
from util.files import replacing
from util.segmentation_scores import ConfusionMatrix

BEGIN, END = "<!-- scores -->", "<!-- end of scores -->"
CSS = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
MOST_OPEN = 30
"""With more classes, their list is folded: it would hide the images below."""
NAMED_CLASSES = 60  # with more, their names would be illegible
DOTS_PER_INCH = 120


def show_on_page(page: Path, report: Report, plot: Path | None) -> bool:
    """Insert the section "Scores" into a page of test.py, or replace it; return whether there is a page.

    When test.py runs again it removes page and scores, which are for the earlier images.

    Args:
        plot: image of the confusion matrix, in the folder of the page or below.
    """
    if not page.is_file():
        return False
    text = page.read_text(encoding="utf-8", errors="surrogateescape")
    before, begin, rest = text.partition(BEGIN)
    if begin:
        after = rest.partition(END)[2]
    else:
        before, main, after = text.partition("<main>")
        before += main
    section = _section(report, page.parent, plot and PurePosixPath(plot.relative_to(page.parent)))
    with replacing(page) as temporary:
        content = f"{before}{BEGIN}{section.render(pretty=False)}{END}{after}"
        temporary.write_text(content, encoding="utf-8", errors="surrogateescape")
    return True


def _section(report: Report, folder: Path, plot: PurePosixPath | None) -> tags.article:
    content = report.content
    section = tags.article(
        tags.style(raw(CSS)),
        tags.h2("Scores", tags.small(f"{content['images']:,} images, {content['date'][:16].replace('T', ' ')} UTC")),
        html.scrolling(_table(report), "Scores"),
        tags.p(report.legend, cls="note"),
        cls="scored",
    )
    if report.warning:
        section.add(tags.p(f"⚠ {report.warning[0].upper()}{report.warning[1:]}.", cls="doubt"))
    if report.bootstrap:
        section.add(tags.p(report.bootstrap, cls="note"))
    for name, reason in report.left_out.items():
        section.add(tags.p(f"{name}: left out. {reason}", cls="note"))
    for source in report.sources:
        section.add(tags.p(f"Published: {source}", cls="note"))
    said = [tags.div(tags.dt(labels), tags.dd(words)) for labels, words in report.protocols]
    section.add(tags.details(tags.summary("How they were measured"), tags.dl(said)))
    if report.confusion is not None:
        classes = tags.details(tags.summary("IoU of each class"), *class_list(report, folder))
        if report.confusion.num_classes <= MOST_OPEN:
            classes["open"] = "open"
        section.add(classes)
        section.add(tags.details(tags.summary("Confusions"), *confusions(report, plot)))
    return section


def _table(report: Report) -> tags.table:
    columns = {"ours": "ours", REAL: "real"}
    kinds = ["", *(columns.get(head, "paper") for head in report.head[1:])]
    head = tags.tr([tags.th(cell, scope="col", cls=kind) for cell, kind in zip(report.head, kinds)])
    rows = []
    for score in report.rows:
        title, *values = report.row(score)
        title = title.replace(", %", ",\u00a0%").replace(" ↑", "\u00a0↑").replace(" ↓", "\u00a0↓")
        better = "higher is better" if title.endswith("↑") else "lower is better"
        cells = [tags.td(_with_interval(value or "–"), cls=kind) for value, kind in zip(values, kinds[1:])]
        rows.append(tags.tr(tags.th(title, scope="row", title=better), cells))
    return tags.table(tags.thead(head), tags.tbody(rows), cls="values")


def _with_interval(text: str) -> list[str | tags.small]:
    value, bracket, interval = text.partition(" [")
    return [value, tags.small(bracket + interval)] if bracket else [value]


def draw_confusion(matrix: ConfusionMatrix, names: Sequence[str], path: Path) -> Path:
    """Write a PNG of the confusion matrix, each row divided by its sum; return `path`.

    A row is a class of the label maps; its fractions are the predictions. Names are shown if they are legible.
    """
    import matplotlib  # optional, slow to import: see `util.optional`
    from matplotlib.figure import Figure

    counts = matrix.counts[:-1].cpu().numpy().astype(np.float64)
    totals = counts.sum(axis=1, keepdims=True)
    fractions = np.divide(counts, totals, out=np.full_like(counts, np.nan), where=totals > 0)
    side = _side_inches(len(names))
    with matplotlib.rc_context({"font.size": 8, "text.parse_math": False}), replacing(path) as temporary:
        figure = Figure(figsize=(side, side), layout="constrained")
        axes = figure.add_subplot()
        axes.set_facecolor("0.9")  # color of classes without a pixel
        plot = axes.imshow(fractions, vmin=0, vmax=1, cmap="viridis", interpolation="nearest")
        axes.set(xlabel="predicted as", ylabel="label map")
        if len(names) <= NAMED_CLASSES:
            axes.set_xticks(range(len(names)), names, rotation=90)
            axes.set_yticks(range(len(names)), names)
        figure.colorbar(plot, ax=axes, shrink=0.6, label="fraction of the row")
        figure.savefig(temporary, format="png", dpi=DOTS_PER_INCH, facecolor="white")
    return path


def _side_inches(classes: int) -> float:
    return min(max(5.0, 2.5 + 0.2 * classes), 14.0) if classes <= NAMED_CLASSES else 10.0
