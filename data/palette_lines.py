"""Palettes as lines of text with one color per line; columns are known from a header or from what they hold.

Columns may be separated by tabs, semicolons, commas, colons or spaces. # starts a comment. A first line or a comment
may name the columns. Otherwise all lines must have one of the `LAYOUTS`, the column orders that this project and
labeling tools write. An ambiguous file is refused, and so is one that may hold ids in a layout without ids.
"""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from data.palette_items import (
    COLOR_TEXT,
    COLUMNS,
    ID_WORDS,
    WANTED,
    Content,
    content_of_items,
    differ_from_places,
    has_color,
    plain,
)
from util.errors import InputError

LAYOUTS = (  # the first one that fits all lines is used; [optional]
    "id r g b a visible mesh name",  # ITK-SNAP
    "id r g b a [name]",  # QGIS, GDAL
    "id r g b [name]",  # this project, Esri .clr
    "r g b name",  # CamVid
    "r g b",
    "id name r g b a",  # 3D Slicer .ctbl, FreeSurfer
    "id name r g b",
    "name r g b",
    "color id [name]",
    "id color [name]",
    "id name color",
    "name id color",
    "color [name]",  # CamVid with a tab
    "name color [rest]",  # labelmap.txt of CVAT and VOC: label:r,g,b:parts:actions
)
# Column of a layout -> regular expression of field kinds: N number, U "unknown" or a synonym, C color, T other text.
KINDS = {"id": "[NU]", "color": "C", "name": "[TU]+", "rest": "T+"}
LAST_NAME = "[NTUC]+"  # a name in the last column takes the rest of the line
OPACITIES = {0, 1, 255}  # that occur in the layout `id name r g b a`
# Lines without a color that other programs write: Excel's separator, and the header of QGIS's color maps.
NOISE = re.compile(r"sep=.$|INTERPOLATION:\w+$", re.IGNORECASE)
NUMBER = re.compile(r"-?\d+(\.\d+)?$")
WORD = re.compile(r'"[^"]*"|\'[^\']*\'(?!\S)|(?:rgba?)?[\[(][^\])]*[\])]|[^\s,;]+')
SHOWN = 60  # characters of a line in messages

Line = tuple[int, str]  # number in the file, from 1
Fields = list[str]
Split = Callable[[str], Fields]


def _by_delimiter(delimiter: str, line: str) -> Fields:
    row = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    return [field.strip().strip("'\"") for field in row]


def _by_words(line: str) -> Fields:
    """Split a line at spaces, but not within quotes or brackets; "2:" before a name becomes 2."""
    return [word.strip("'\"").removesuffix(":") for word in WORD.findall(line)]


SPLITS: tuple[Split, ...] = (*(partial(_by_delimiter, sign) for sign in "\t;,:"), _by_words)


def read_lines(text: str, path: Path, layouts: Sequence[str] = LAYOUTS) -> Content:
    """Read the colors of a text.

    Args:
        layouts: possible column orders.

    Raises:
        InputError: a line is not a color, or the columns are ambiguous.
    """
    lines, comments = _lines_of(text)
    if not lines:
        raise InputError(f"{path}: holds no color; {WANTED}")
    for split in SPLITS:
        items = _by_header(lines, comments, split)
        if items is not None:
            return content_of_items(items, path)._replace(has_levels=True)
    for split in SPLITS:
        for layout in layouts:
            items = [item for number, line in lines if (item := _by_layout(split, line, number, layout))]
            if len(items) == len(lines):
                if layout.startswith("id r g b [") and _could_start_with_red(items):
                    raise InputError(
                        f"{path}: could be `id r g b`, or colors followed by opacity or id; begin the file with a "
                        f"line that names the columns, such as `id r g b name`"
                    )
                if "id" not in layout and _ids_follow_names(items):
                    raise InputError(
                        f"{path}: a number follows every name, which may be the id: begin the file with a line that "
                        f"names the columns, such as `{layout.replace(' [name]', ' name')} id`; or {WANTED}"
                    )
                return content_of_items(items, path)
    raise InputError(_refusal(lines, layouts, path))


def _lines_of(text: str) -> tuple[list[Line], list[str]]:
    """Return the non-empty lines with their numbers, and the comments."""
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    comments = [(number, line) for number, line in lines if line.startswith("#")]
    if len(comments) == len(lines) and all(re.match(r"#[0-9a-fA-F]{6}\b", line) for _, line in lines):
        return lines, []  # colors such as #804000
    kept = [(number, line) for number, line in lines if not line.startswith("#") and not NOISE.match(line)]
    return kept, [line for _, line in comments]


def _by_header(lines: list[Line], comments: list[str], split: Split) -> list[dict[str, Any]] | None:
    """Read the lines by a header in the first line or a comment; None if there is none."""
    first = split(lines[0][1])
    if has_color(first) and {*map(_kind, first)} <= {"T"}:
        header, lines = first, lines[1:]
    else:
        heads = (split(comment.lstrip("# ")) for comment in comments)
        # A comment is a header if every word of it is a known column name.
        width = len(split(lines[0][1]))
        header = next((h for h in heads if has_color(h) and {*map(plain, h)} <= COLUMNS and len(h) <= width), None)
    if header is None:
        return None
    items = []
    for number, line in lines:
        fields = split(line)
        if split is _by_words and len(fields) > len(header):  # the last one is a name of several words
            fields[len(header) - 1 :] = [" ".join(fields[len(header) - 1 :])]
        items.append({"place": f"line {number}"} | dict(zip(header, fields)))
    return items


def _by_layout(split: Split, line: str, number: int, layout: str) -> dict[str, Any] | None:
    """Assign the fields of a line to the columns of a layout; None if they do not fit."""
    fields = split(line)
    is_split = len(fields) > 1 or split is _by_words
    fields = [field for field in fields if field]
    found = is_split and _pattern(layout).fullmatch("".join(map(_kind, fields)))
    if not found:
        return None
    item = {name: " ".join(fields[slice(*found.span(name))]) for name in found.groupdict() if found[name]}
    if "name" in item:
        item["name"] = item["name"].strip(" =:|")  # separators between columns
    if layout == "id name r g b a" and float(item["a"]) not in OPACITIES:
        return None  # the number probably belongs to the name
    return {"place": f"line {number}"} | item


def _kind(field: str) -> str:
    if NUMBER.match(field):
        return "N"
    if COLOR_TEXT.match(field):
        return "C"
    return "U" if field.lower() in ID_WORDS else "T"


def _pattern(layout: str) -> re.Pattern[str]:
    parts = []
    for word in layout.split():
        name = word.strip("[]")
        kind = LAST_NAME if name == "name" and layout.endswith(word) else KINDS.get(name, "N")
        parts.append(f"(?P<{name}>{kind})" + "?" * word.startswith("["))
    return re.compile("".join(parts))


def _could_start_with_red(items: list[dict[str, Any]]) -> bool:
    """Whether the four numbers could also be red, green, blue, and an opacity or id."""
    if not all(NUMBER.match(item["id"]) and 0 <= float(item["id"]) <= 255 for item in items) or len(items) < 2:
        return False
    ids, last = ([int(float(item[key])) for item in items] for key in ("id", "b"))
    if _counts_up(sorted(ids)):
        return False
    return {255} <= {*last} <= {0, 255} or _counts_up(last)


def _ids_follow_names(items: list[dict[str, Any]]) -> bool:
    """Whether all names end with numbers that differ from their positions."""
    found = [re.search(r"\s(\d+)$", item.get("name", "")) for item in items]
    return all(found) and differ_from_places([match[1] for match in found if match])


def _counts_up(numbers: list[int]) -> bool:
    return numbers[:1] in ([0], [1]) and numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _refusal(lines: list[Line], layouts: Sequence[str], path: Path) -> str:
    """Compose the message about the first line that does not fit the layout of most lines."""
    if not any("#" in line or len(re.findall(r"\d+", line)) >= 3 for _, line in lines):
        return f"{path}: holds names or ids without colors, and masks that hold ids need no palette; {WANTED}"

    def strangers(split: Split, layout: str) -> Iterator[Line]:
        return (line for line in lines if not _by_layout(split, line[1], line[0], layout))

    best = min(((split, layout) for split in SPLITS for layout in layouts), key=lambda way: len([*strangers(*way)]))
    number, line = next(strangers(*best))
    others = "" if len([*strangers(*best)]) == len(lines) else f" as others are, of the form `{best[1]}`"
    shown = line if len(line) <= SHOWN else line[:SHOWN] + "..."
    return f"{path}: line {number}: {shown!r} is no color of a class{others}; {WANTED}"
