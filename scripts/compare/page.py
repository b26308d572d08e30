"""The page of a comparison: tables, then a row of images for each label map, which the reader can sort by score."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from dominate import document, tags
from dominate.dom_tag import dom_tag
from dominate.util import raw

from data.read import image_size
from scripts.compare.causes import causes_of, warning
from scripts.compare.differences import difference_table, differences
from scripts.compare.runs import Run, all_samples, differing_samples
from scripts.compare.tables import class_table, option_table, score_table
from scripts.compare.words import label_of, number
from util import html
from util.errors import InputError

HERE = Path(__file__).parent
PICTURE_WIDTH = 256
NAMES_SHOWN = 8


def build_page(
    runs: Sequence[Run],
    title: str,
    output: Path,
    how_many: int | None,
    first: Sequence[dom_tag] = (),
    facts: Mapping[str, str] | None = None,
    made_by: str = "scripts.compare",
) -> document:
    """Return the page of a comparison.

    Args:
        output: where it will be: links are relative to its folder.
        how_many: rows, in the order of names; all if None.
        first: what stands above everything else; the tables of the comparison are then folded.
        facts: of the heading, before the number of label maps; the runs if None.
        made_by: the tool that makes the page.
    """
    samples = all_samples(runs)
    shown = samples[:how_many]
    differing = differing_samples(runs, shown)
    rows = [_row(runs, i, sample, output.parent, sample in differing) for i, sample in enumerate(shown)]
    causes = causes_of(runs)
    found = differences(runs, causes)
    scores = [score_table(runs, causes, found), difference_table(found)]
    tables = [table for table in (*scores, option_table(runs), class_table(runs)) if table is not None]
    if first:
        tables = [tags.details(tags.summary("All scores, options that differ, classes"), *tables, cls="tables")]
    parts = [*first, warning(runs, causes), *tables, _label_maps(label_map_notes(runs, samples, differing))]
    # Rows are kept as text, because the tag objects of thousands of rows would fill the memory.
    body = [part for part in parts if part is not None]
    body += [_controls(runs), tags.div([raw(row + "\n") for row in rows], id="rows")]
    count = f"{len(shown):,}" if len(shown) == len(samples) else f"{len(shown):,} of {len(samples):,}"
    if facts is None:
        facts = {f"Run {k}": f"{run.name}, {run.folder.name}" for k, run in enumerate(runs, start=1)}
    doc = html.page(title, {**facts, "Label maps": count}, body, legend=None, made_by=made_by)
    html.enliven(doc, *((HERE / name).read_text(encoding="utf-8") for name in ("style.css", "script.js")))
    html.add_zoom(doc)
    return doc


def label_map_notes(runs: Sequence[Run], samples: Sequence[str], differing: Sequence[str]) -> list[str]:
    """Say which runs were tested on other label maps than the others.

    Args:
        differing: samples whose label maps differ between runs.
    """
    notes = []
    for run in runs:
        if missing := [sample for sample in samples if sample not in run.samples]:
            notes.append(f"{run.name} was not tested on {len(missing)} of {len(samples)}: {_some(missing)}")
        elif lost := [sample for sample in samples if sample not in run.results]:
            notes.append(f"{run.name} has no image of {len(lost)} of {len(samples)}: {_some(lost)}")
    if differing:
        notes.append(f"The images of {len(differing)} label maps differ between runs: {_some(differing)}")
    return notes


def _label_maps(notes: Sequence[str]) -> tags.article | None:
    if not notes:
        return None
    return tags.article(tags.h2("⚠ Label maps differ"), tags.ul([tags.li(note) for note in notes]), cls="warning")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMES_SHOWN]) + (", …" if len(names) > NAMES_SHOWN else "")


def _image_scores(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(n for r in runs if r.scores for values in r.scores.per_image.values() for n in values))


def _controls(runs: Sequence[Run]) -> tags.nav:
    """The sort keys of rows. Values are JSON for script.js: [score, run], or [score, run, run to subtract]."""
    options = [tags.option("name", value="[]")]
    for score in _image_scores(runs):
        label = label_of(score)
        options += [tags.option(f"{label} of {run.name}", value=json.dumps([score, k])) for k, run in enumerate(runs)]
        base = runs[0].scores
        for k, run in enumerate(runs[1:], start=1):
            # Differences between scores that were measured differently have no meaning.
            if base and run.scores and run.scores.measures_images_like(base, score):
                options.append(tags.option(f"{label}: {run.name} − {runs[0].name}", value=json.dumps([score, k, 0])))
    if len(options) == 1:
        return tags.nav(tags.span("In the order of names; scores of single images would sort them.", cls="note"))
    return tags.nav(
        tags.label("Sort by ", tags.select(options, id="sort")),
        tags.button("lowest first ↑", id="direction", type="button", hidden=True),
        tags.span(id="missing", cls="note"),
    )


def _row(runs: Sequence[Run], index: int, sample: str, folder: Path, labels_differ: bool) -> str:
    def figure(path: Path | None, caption: str, kind: str) -> tags.figure:
        return _figure(path, caption, f"{caption} of {sample}", kind, folder)

    owners = [run for run in runs if sample in run.labels]
    figures = [figure(owners[0].labels[sample] if owners else None, "label map", "label")]
    for run in runs:
        scores = [f" · {label_of(n)} {number(n, value)}" for n, value in run.score_of(sample).items()]
        figures.append(figure(run.results.get(sample), run.name + "".join(scores), "result"))
    if photo := next((run.photos[sample] for run in runs if sample in run.photos), None):
        figures.append(figure(photo, "photo", "photo"))
    heading: list[Any] = [sample]
    if labels_differ:
        heading.append(tags.small(f"⚠ label maps differ; that of {owners[0].name} is shown"))
    scores = json.dumps([run.score_of(sample) for run in runs])  # for script.js
    images = html.image_row(figures, PICTURE_WIDTH, name=sample)
    row = tags.article(tags.h2(heading), images, cls="row", data_index=str(index), data_scores=scores)
    return row.render(pretty=False)


def _figure(path: Path | None, caption: str, alt: str, kind: str, folder: Path) -> tags.figure:
    if path is None:
        return tags.figure(tags.div("missing", cls="missing"), tags.figcaption(caption), cls=kind)
    try:
        size = image_size(path)
    except InputError:
        return tags.figure(tags.div("cannot be read", cls="missing"), tags.figcaption(caption), cls=kind)
    link = PurePosixPath(Path(os.path.relpath(path, folder)).as_posix())
    return html.image_figure(link, size, caption, alt, kind)
