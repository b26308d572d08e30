"""The scores of single classes on the page of a test: IoU as bars, the worst images, and which classes are confused."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from dominate import tags
from dominate.dom_tag import dom_tag

from evaluation.class_scores import largest_confusions, worst_images
from evaluation.report import Report
from util import html
from util.results_page import LABELS, PHOTOS, RESULTS
from util.segmentation_scores import ConfusionMatrix

KINDS = ((LABELS, "label map", "label"), (RESULTS, "generated", "result"), (PHOTOS, "photo", "photo"))
GRAY = "#808080"
LISTED = 12
MOST_CLASSES = 40
"""Classes of the matrix at most: more would be neither legible nor quick."""
LEAST_SHOWN = 0.005
"""Fraction of a row from which the matrix shows a number."""


def class_list(report: Report, folder: Path) -> list[dom_tag]:
    """A row for each class, the best first: IoU as a bar, pixels, and the images where the class did worst.

    Args:
        folder: of the page.
    """
    content = report.content
    iou, real = content["per_class_iou"], content.get("real_photos", {}).get("per_class_iou", {})
    worst = worst_images(report.image_counts, len(iou))
    examples = {name: _examples(name, images, content, folder) for name, images in zip(iou, worst)}
    order = sorted(iou, key=lambda name: (iou[name] is None, -(iou[name] or 0)))
    total = max(1, sum(content["class_pixels"].values()))
    rows = []
    for name in order:
        pixels = content["class_pixels"][name]
        color = content.get("class_colors", {}).get(name, GRAY)
        title = tags.span(tags.i(style=f"background:{color}"), tags.span(name), cls="name")
        amount = tags.span(html.percent(pixels / total) if pixels else "0", tags.small(f"{pixels:,} px"), cls="pixels")
        rows.append(tags.li(title, *_bar(name, color, iou[name], real.get(name)), amount, examples[name]))
    heads = ("class", "IoU, %", "pixels", "worst images")
    head = tags.li([tags.span(text) for text in heads], cls="head", aria_hidden="true")
    words = "Pixels are those of the label maps. On the right the images where the class has its lowest IoU."
    if real:
        words = f"The line on a bar is the IoU on the real photos. {words}"
    return [tags.p(words, cls="note"), tags.ul(head, rows, cls="classes")]


def _bar(name: str, color: str, iou: float | None, real: float | None) -> list[dom_tag]:
    if iou is None:
        return [tags.span(cls="track empty"), tags.span("never occurs", cls="value")]
    words = f"IoU of {name}: {iou:.1%}" + (f", on real photos {real:.1%}" if real is not None else "")
    track = tags.span(tags.b(style=f"width:{iou:.1%};background:{color}"), cls="track", title=words)
    value = tags.span(f"{100 * iou:.1f}", cls="value")
    if real is not None:
        track.add(tags.i(style=f"left:{real:.1%}"))
        value.add(tags.small(f"of {100 * real:.1f}", title="on real photos"))
    return [track, value]


def _examples(name: str, images: list[tuple[str, float]], content: dict[str, Any], folder: Path) -> tags.span:
    """The generated images, small; enlarged, each stands beside its label map and photo."""
    width, height = (int(side) for side in content["protocol"]["images"]["size"].split("x"))
    rows = []
    for image, iou in images:
        words = f"{image}: IoU of {name} {iou:.1%}"
        row = tags.span(title=words, data_zoom_row=words)
        for place, caption, kind in KINDS:
            path = PurePosixPath("images", place, f"{image}.png")
            if (folder / path).is_file():
                row.add(html.image_figure(path, (width, height), caption, f"{caption} of {image}", kind))
        rows.append(row)
    return tags.span(rows, cls="worst")


def confusions(report: Report, plot: PurePosixPath | None) -> list[dom_tag]:
    """The largest confusions in words, then the matrix.

    Args:
        plot: image of the whole matrix, relative to the page.
    """
    matrix, names = report.confusion, list(report.content["per_class_iou"])
    assert matrix is not None
    found = largest_confusions(matrix, LISTED)
    items = [
        tags.li(
            f"{html.percent(one.of_class)} of {names[one.true]} pixels are called {names[one.predicted]}",
            tags.small(f"{one.of_all:.1%} of all pixels"),
        )
        for one in found
    ]
    parts: list[dom_tag] = [tags.ol(items) if items else tags.p("No pixel is confused.", cls="note")]
    shown = _classes_with_most_pixels(matrix)
    words = "Each row is a class of the label maps, each column what its pixels are called, in percent of the row."
    if len(shown) < len(names):
        words += f" The {len(shown)} classes with the most pixels."
    parts += [tags.p(words, cls="note"), html.scrolling(_matrix(matrix, names, shown), "Confusion matrix")]
    if plot:
        parts.append(tags.p(tags.a("The whole matrix as an image", href=html.url(plot)), cls="note"))
    return parts


def _classes_with_most_pixels(matrix: ConfusionMatrix) -> list[int]:
    counts = matrix.counts[:-1].cpu().numpy()
    pixels = counts.sum(axis=0) + counts.sum(axis=1)
    most = np.argsort(-pixels, kind="stable")[:MOST_CLASSES]
    return sorted(int(k) for k in most if pixels[k])


def _matrix(matrix: ConfusionMatrix, names: list[str], shown: list[int]) -> tags.table:
    counts = matrix.counts[:-1].cpu().numpy()
    head = tags.tr(tags.td(), [tags.th(tags.span(names[k]), scope="col") for k in shown])
    rows = []
    for true in shown:
        row = counts[true] / max(1, counts[true].sum())
        cells = [_cell(row[k], names[true], names[k], k == true) for k in shown]
        rows.append(tags.tr(tags.th(names[true], scope="row"), cells))
    return tags.table(tags.thead(head), tags.tbody(rows), cls="confusion")


def _cell(fraction: float, true: str, predicted: str, is_right: bool) -> tags.td:
    if fraction < LEAST_SHOWN:
        return tags.td()
    # The root makes small fractions visible.
    style = f"--part:{100 * fraction**0.5:.0f}%"
    words = f"{fraction:.1%} of {true} pixels are called {predicted}"
    return tags.td(f"{100 * fraction:.0f}", style=style, title=words, cls="right" if is_right else "wrong")
