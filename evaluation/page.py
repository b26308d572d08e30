"""The section of scores on the page of a test: values, published values, protocols, classes, confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from dominate import tags

from evaluation.report import Report
from util import html
from util.files import replacing
from util.segmentation_scores import ConfusionMatrix

BEGIN, END = "<!-- scores -->", "<!-- end of scores -->"
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
    section = _section(report, plot and PurePosixPath(plot.relative_to(page.parent)))
    with replacing(page) as temporary:
        content = f"{before}{BEGIN}{section.render(pretty=False)}{END}{after}"
        temporary.write_text(content, encoding="utf-8", errors="surrogateescape")
    return True


def _section(report: Report, plot: PurePosixPath | None) -> tags.article:
    content = report.content
    head = tags.tr([tags.th(cell, style=_cell(i)) for i, cell in enumerate(["score", "ours", *content["published"]])])
    rows = [head]
    for score in report.rows:
        cells = report.row(score)
        cells = [tags.td(cell, style=_cell(i)) for i, cell in enumerate(cells)]
        rows += [
            tags.tr(cells),
            tags.tr(tags.td(tags.small(report.words(score)), colspan=len(cells), style="color:var(--quiet)")),
        ]
    section = tags.article(
        tags.h2("Scores", tags.small(f"{content['images']:,} images, {content['date']}")),
        _scrolling(tags.table(rows, style="border-spacing:0 .2rem")),
    )
    if report.bootstrap:
        section.add(tags.p(report.bootstrap, cls="note"))
    for name, reason in report.left_out.items():
        section.add(tags.p(f"{name}: left out. {reason}", cls="note"))
    for source in report.sources:
        section.add(tags.p(f"Published: {source}", cls="note"))
    if content["per_class_iou"]:
        section.add(tags.details(tags.summary("IoU of each class"), _scrolling(_classes(content["per_class_iou"]))))
    if plot:
        figure = html.image_figure(
            plot, _size(content), "rows: label map, columns: predicted as", "confusion matrix", "photo"
        )
        section.add(tags.details(tags.summary("Confusion matrix"), html.image_row([figure], 800)))
    return section


def _size(content: dict) -> tuple[int, int]:
    side = round(_side_inches(len(content["per_class_iou"])) * DOTS_PER_INCH)
    return side, side


def _scrolling(table: tags.table) -> tags.div:
    return tags.div(table, style="overflow-x:auto")


def _cell(column: int) -> str:
    return "text-align:left" if column == 0 else "text-align:right;padding-left:1.5rem"


def _classes(iou: dict[str, float | None]) -> tags.table:
    """A table of classes, the best first, those that never occur last."""
    order = sorted(iou.items(), key=lambda entry: (entry[1] is None, -(entry[1] or 0)))
    rows = [(name, "never occurs" if value is None else f"{value:.1%}") for name, value in order]
    return tags.table([tags.tr(tags.td(name), tags.td(text, style=_cell(1))) for name, text in rows])


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
