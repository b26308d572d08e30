"""Palettes: which color stands for which class id, and turning color-coded masks into id maps by them.

A palette file is one of

* text, one color a line: `id r g b name`, spaces or commas between; # starts a comment (as in data/class_tables);
* JSON, a list of {"id": 0, "name": "road", "color": [128, 64, 0]}, alone or under any key;
* JSON, {"road": [128, 64, 0], ...}: ids 0, 1, 2, ... in the order of the file;
* JSON, {"names": ["road", ...], "colors": {"road": [128, 64, 0], ...}, "unknown": 255}: ids in the order of "names";
  colors of other names are unknown;
* what a labeling tool writes: `data/palette_formats.py` and `data/palette_lines.py` have the tables.

Ids are taken from a column that is named so (`KEYS` of `data/palette_items.py`); a file in which other numbers may be
the ids, or colors may count to 1, is refused. Several colors may share an id. Where an id is the word unknown, null or
negative, the color belongs to no class.
"colour" is as good as "color".
"""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from data.id_maps import first, refuse_transparent
from data.masks import is_jpeg, read_colors
from data.palette_formats import read_content
from data.palette_items import ID_WORDS, WANTED, Color, Row, numbers_of, parse_color
from util.errors import InputError

UNKNOWN = 255
LARGEST_ID = 65535  # what a 16-bit PNG holds
ENTRIES_SHOWN = 8
SHOWN = 60  # characters of what is no color
MISSING_SHOWN = 4  # colors of a mask that are not in the palette


@dataclass(frozen=True)
class Entry:
    """One color of a palette."""

    id: int
    color: Color
    name: str


class Palette:
    """Colors and their ids. Raises `InputError` for a color that stands for two ids.

    Args:
        is_numbered: whether the ids stand in the file; where they do not, they are places in it.
    """

    def __init__(self, entries: list[Entry], source: Path, is_numbered: bool = True):
        self.entries, self.source, self.is_numbered = entries, source, is_numbered
        by_color: dict[Color, Entry] = {}
        for entry in entries:
            other = by_color.setdefault(entry.color, entry)
            if other.id != entry.id:
                raise InputError(
                    f"{source}: {other.name} (id {other.id}) and {entry.name} (id {entry.id}) have one color, "
                    f"{shown(entry.color)}, so masks cannot tell them apart; give both the same id, or leave one out"
                )

    @property
    def dtype(self) -> type:
        """The smallest of uint8 and uint16 that holds every id."""
        return np.uint8 if max(entry.id for entry in self.entries) <= 255 else np.uint16

    @cached_property
    def _places(self) -> np.ndarray:
        """1 + the place in `entries` of every color `pack` can give; 0 for colors of none (untouched memory)."""
        places = np.zeros(1 << 24, dtype=np.uint16)
        for place, entry in enumerate(self.entries):
            places[_packed(entry.color)] = place + 1
        return places

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the table, which each process makes for itself."""
        return {"entries": self.entries, "source": self.source, "is_numbered": self.is_numbered}

    def find(self, rgba: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Look up a picture (H, W, 4) uint8: its ids (H, W), and where (H, W) bool its color is in no entry.

        Alpha is not looked at; ids are 0 where there is none.
        """
        places = self._places[pack(rgba)]
        ids = np.array([0, *(entry.id for entry in self.entries)], dtype=self.dtype)
        return ids[places], places == 0

    def summary(self) -> str:
        """One line that says what was read: how many colors, where their ids are from, and the first ones."""
        ids = "ids as in the file" if self.is_numbered else "ids in the order of the file"
        first = [f"{entry.id} {entry.name} ({shown(entry.color)})" for entry in self.entries[:ENTRIES_SHOWN]]
        more = ", ..." if len(self.entries) > ENTRIES_SHOWN else ""
        return f"{self.source}: {len(self.entries)} colors, {ids}: {', '.join(first)}{more}"

    def nearest(self, color: Color) -> tuple[Entry, float]:
        """The entry of the least Euclidean distance to `color`, and that distance."""
        distances = [float(np.linalg.norm(np.subtract(entry.color, color))) for entry in self.entries]
        place = int(np.argmin(distances))
        return self.entries[place], distances[place]


def pack(rgba: np.ndarray) -> np.ndarray:
    """One number below 2**24 for each color of (H, W, 4) uint8; alpha has no part in it."""
    return np.ascontiguousarray(rgba).view("<u4")[..., 0] & 0xFFFFFF


def _packed(color: Color) -> int:
    return color[0] | color[1] << 8 | color[2] << 16


def unpacked(number: int) -> Color:
    """The color that `pack` made into `number`."""
    return number & 255, number >> 8 & 255, number >> 16


def shown(color: Color) -> str:
    """As palette files have it."""
    return "{} {} {}".format(*color)


def read_palette(path: str | Path, unknown: int | None = None) -> Palette:
    """Read a palette file.

    Args:
        unknown: id of colors that belong to no class; by default the file's own, or 255.

    Raises:
        InputError: for a file that is no palette, naming the line or the class.
    """
    path = Path(path)
    content = read_content(path)
    if unknown is None:
        unknown = UNKNOWN if content.unknown is None else _id(content.unknown, 'the "unknown" id', path)
    _refuse_ids_in_colors(content.rows, path)
    entries = [_entry(row, unknown, path) for row in content.rows]
    if not content.has_levels and _may_be_fractions(content.rows, entries):
        raise InputError(
            f"{path}: no color has a number above 1, so they may be fractions of 1, and wanted are levels 0..255: "
            f"multiply them by 255; or, if they are levels, {WANTED}, below a first line `id r g b name`"
        )
    return Palette(entries, path, content.is_numbered)


def ids_of_mask(path: Path, palette: Palette) -> np.ndarray:
    """Read a color-coded mask as ids (H, W), uint8 or uint16 as the palette needs.

    Raises:
        InputError: for a mask that cannot be read, has a color that is not in the palette, or is transparent.
    """
    rgba = read_colors(path)
    ids, is_missing = palette.find(rgba)
    if is_missing.any():
        raise InputError(_missing_colors(path, rgba, is_missing, palette))
    refuse_transparent(rgba[..., 3], path)
    return ids


def _missing_colors(path: Path, rgba: np.ndarray, is_missing: np.ndarray, palette: Palette) -> str:
    """The message about colors of a mask that the palette does not have: where, which, and what to do."""
    x, y = first(is_missing)
    missing = np.unique(pack(rgba)[is_missing])
    color = tuple(rgba[y, x, :3].tolist())
    entry, distance = palette.nearest(color)
    if is_jpeg(path):
        fix = "JPEG changes colors: save the masks as PNG"
    elif len(missing) > len(palette.entries):
        fix = "so many colors are made by smooth edges or resizing: save the mask without them"
    else:
        others = [shown(unpacked(int(number))) for number in missing[:MISSING_SHOWN]]
        fix = f"add to the palette: {', '.join(others)}{', ...' if len(missing) > MISSING_SHOWN else ''}"
    return (
        f"{path}: the pixel at x {x}, y {y} has the color {shown(color)}, which is not in {palette.source} (nearest: "
        f"{shown(entry.color)} {entry.name}, distance {distance:.1f}); {int(is_missing.sum())} pixels have "
        f"{len(missing)} such colors; {fix}"
    )


def _refuse_ids_in_colors(rows: list[Row], path: Path) -> None:
    """Refuse colors of four numbers of which the fourth is no opacity, so the first may be an id."""
    fourths = [numbers[3] for row in rows if len(numbers := numbers_of(row.color)) == 4]
    if len({*fourths}) > 1 and not {*fourths} <= {0, 1, 255} and max(fourths) > 1:
        raise InputError(f"{path}: holds colors of four numbers, of which the first or last may be ids; {WANTED}")


def _may_be_fractions(rows: list[Row], entries: list[Entry]) -> bool:
    """Whether all colors are of zeros and ones, and not of grays alone; #010000 is not meant."""
    if any("#" in str(row.color) for row in rows) or all(len({*entry.color}) == 1 for entry in entries):
        return False
    return max(max(entry.color) for entry in entries) == 1


def _entry(row: Row, unknown: int, path: Path) -> Entry:
    try:
        color = parse_color(row.color)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{path}: {row.place}: a color is three whole numbers 0..255, red, green and blue, or #rrggbb; "
            f"not {str(row.color)[:SHOWN]}; {WANTED}"
        ) from error
    if row.id is None or str(row.id).lower() in ID_WORDS:
        return Entry(unknown, color, row.name)
    number = _id(row.id, row.place, path)
    return Entry(unknown if number < 0 else number, color, row.name)


def _id(given: Any, place: str, path: Path) -> int:
    try:
        number = float(given)
    except (TypeError, ValueError):
        number = math.nan
    if not (number.is_integer() and number <= LARGEST_ID):
        raise InputError(
            f"{path}: {place}: an id is a number 0..{LARGEST_ID}, or the word unknown; not {given}; {WANTED}"
        )
    return int(number)
