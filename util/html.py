"""Common parts of all HTML pages: skeleton, style, class legend and images.

Pages are self-contained: they load nothing from the network, links are relative to the page's folder, and the only
scripts are those that `enliven` writes into them.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

import numpy as np
from dominate import document, tags
from dominate.dom_tag import dom_tag
from dominate.util import raw

from util.errors import InputError
from util.files import refuse_foreign, replacing

CSS, ZOOM_CSS, ZOOM_SCRIPT = (
    Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("page.css", "zoom.css", "zoom.js")
)
DATA_BEGIN = '<script id="data" type="application/json">'


class Chips:
    """Class names, each with a swatch of the class color.

    Args:
        class_names: one name a class id.
        class_colors: (n, 3) uint8, one color a class id.
    """

    def __init__(self, class_names: Iterable[str], class_colors: np.ndarray):
        self.names = list(class_names)
        self.colors = ["#" + bytes(color).hex() for color in np.asarray(class_colors, dtype=np.uint8)]

    def chip_list(self, notes: Mapping[int, str]) -> tags.ul:
        """Return chips for the class ids that are the keys of `notes`, in their order, each with its note."""
        return tags.ul([self._chip(class_id, note) for class_id, note in notes.items()], cls="chips")

    def _chip(self, class_id: int, note: str) -> tags.li:
        swatch = tags.i(style=f"background:{self.colors[class_id]}")
        return tags.li(swatch, tags.span(self.names[class_id]), tags.small(note) if note else "")

    def legend(self, title: str, notes: Mapping[int, str]) -> tags.aside:
        """Return the foldable list of classes that stays beside the images."""
        return tags.aside(tags.details(tags.summary(title), self.chip_list(notes), open=True), cls="legend")


def class_fractions(labels: np.ndarray) -> dict[int, float]:
    """Return the fraction of the pixels of each class id in `labels`, the largest first."""
    ids, counts = np.unique(labels, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return {int(ids[i]): float(counts[i] / labels.size) for i in order}


def percent(fraction: float) -> str:
    """Format a fraction in whole percents; below one percent as `<1%`."""
    return f"{fraction:.0%}" if fraction >= 0.01 else "<1%"


def url(path: PurePath) -> str:
    """Return a relative path as a link: names may hold spaces, `#`, `?`, `%` or bytes that are not valid text."""
    return quote(os.fsencode(path.as_posix()))


def image_figure(path: PurePath, size: tuple[int, int], caption: str, alt: str, kind: str) -> tags.figure:
    """Return a captioned image that opens at full size on a click.

    Args:
        path: the file, relative to the page.
        size: (width, height) in pixels, so that the layout does not shift while images load.
        kind: class of the figure: `label` (kept sharp when enlarged), `result` or `photo`.
    """
    image = tags.img(src=url(path), width=size[0], height=size[1], alt=alt, loading="lazy", decoding="async")
    return tags.figure(tags.a(image, href=url(path)), tags.figcaption(caption), cls=kind)


def image_row(figures: list[tags.figure], width: int, stacked: bool = False, name: str = "") -> tags.div:
    """Return figures side by side, each at most `width` CSS pixels wide; below each other if `stacked`.

    Args:
        name: of the row, for the heading and the files of `add_zoom`.
    """
    layout = f"--columns:{1 if stacked else len(figures)};--picture:{width}px"
    odd = " odd" if len(figures) % 2 else ""
    cls = f"pictures{odd}{' stacked' if stacked else ''}"
    return tags.div(figures, cls=cls, style=layout, data_zoom_row=name)


def scrolling(table: dom_tag, label: str) -> tags.div:
    """Return a wide table in a frame that scrolls, with the arrow keys too, and not the page; `label` is its name."""
    return tags.div(table, cls="scrolling", tabindex="0", role="region", aria_label=label)


def page(
    title: str,
    facts: Mapping[str, str],
    body: list[dom_tag],
    legend: dom_tag | None,
    refresh_seconds: int | None = None,
    made_by: str | None = None,
) -> document:
    """Return a page with title and facts, and `body` beside the legend.

    Args:
        refresh_seconds: interval at which the page reloads itself, if given.
        made_by: the tool that makes the page, by which `refuse_other_page` recognizes it.
    """
    doc = document(title=title)
    doc["lang"] = "en"
    doc.head.add(tags.meta(charset="utf-8"))
    doc.head.add(tags.meta(name="viewport", content="width=device-width, initial-scale=1"))
    if made_by:
        doc.head.add(tags.meta(name="generator", content=made_by))
    if refresh_seconds is not None:
        doc.head.add(tags.meta(http_equiv="refresh", content=str(refresh_seconds)))
    doc.head.add(tags.style(raw(CSS)))
    entries = [tags.div(tags.dt(name), tags.dd(value)) for name, value in facts.items()]
    doc.body.add(tags.header(tags.h1(title), tags.dl(entries, cls="facts")))
    doc.body.add(tags.div(legend or "", tags.main(body), cls="content" if legend else "content wide"))
    return doc


def enliven(doc: document, style: str, script: str, data: Any = None) -> None:
    """Write style rules and a script into a page, and data for the script, if any, as JSON in the element `data`."""
    doc.head.add(tags.style(raw(style)))
    if data is not None:
        doc.body.add(raw(f"{DATA_BEGIN}{_json(data)}</script>"))
    doc.body.add(tags.script(raw(script)))


def _json(data: Any) -> str:
    # A "<" in a text must not end the element.
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def read_data(path: Path) -> Any:
    """Read the data that `enliven` wrote into a page; None if it has none."""
    _, begin, rest = _text(path).partition(DATA_BEGIN)
    return json.loads(rest.partition("</script>")[0]) if begin else None


def replace_data(path: Path, data: Any) -> None:
    """Replace the data of a page, which has some, atomically."""
    before, begin, rest = _text(path).partition(DATA_BEGIN)
    _, end, after = rest.partition("</script>")
    with replacing(path) as temporary:
        text = f"{before}{begin}{_json(data)}{end}{after}"
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="surrogateescape")


def add_zoom(doc: document, run: str = "") -> None:
    """Let a click on an image of an `image_row` show the whole row large, zoomed and moved in step.

    Args:
        run: first word of the names of downloaded files; the name of the row and the caption follow.
    """
    if run:
        doc.body["data-run"] = run
    enliven(doc, ZOOM_CSS, ZOOM_SCRIPT)


def refuse_other_page(path: Path, made_by: str, formerly: str) -> None:
    """Raise an `InputError` if --output names a file that is not a page of the same tool.

    Args:
        made_by: the tool's name in its pages.
        formerly: its name in pages of earlier versions, which may be replaced, too.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--output {path}: the name must end in .html")
    if path.is_file() and f'content="{formerly}"'.encode() in path.read_bytes():
        return
    refuse_foreign("--output", path, f"page of {made_by}", f'content="{made_by}"'.encode())


def save(doc: document, path: Path) -> Path:
    """Write a page atomically; return `path`."""
    with replacing(path) as temporary:
        # Bytes of a file name that are not valid text are lone surrogates: shown as "?", linked by their values.
        temporary.write_text(doc.render(pretty=False), encoding="utf-8", errors="replace")
    return path
