"""Palettes, which map colors to class ids, and the conversion of color-coded masks into id maps.

A palette file is one of

* text, one color a line: `id r g b name`, spaces or commas between; # starts a comment;
* a data file (`options/data_file.py`), such as those in data/sets;
* JSON, a list of {"id": 0, "name": "road", "color": [128, 64, 0]}, alone or under any key;
* JSON, {"road": [128, 64, 0], ...}: ids 0, 1, 2, ... in the order of the file;
* JSON, {"names": ["road", ...], "colors": {"road": [128, 64, 0], ...}, "unknown": 255}: ids in the order of "names";
  colors of other names are unknown;
* a file of a labeling tool; `data/palette_formats.py` and `data/palette_lines.py` list the formats.

Ids are read from a column with one of the names in `KEYS` of `data/palette_items.py`. A file is refused if other
numbers may be the ids, or if colors may be fractions of 1. Several colors may have the same id. If an id is negative,
null or the word unknown, the color belongs to no class. The spelling "colour" is accepted, too.
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
SHOWN = 60  # characters of an invalid color in a message
MISSING_SHOWN = 4  # colors in a message about those that the palette lacks


@dataclass(frozen=True)
class Entry:
    """One color of a palette."""

    id: int
    color: Color
    name: str


class Palette:
    """Colors and their ids. Raises `InputError` for a color with two ids.

    Args:
        is_numbered: whether the file holds the ids; otherwise they are the positions in the file.
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
        """Table (2**24,) from packed color to 1 + position in `entries`; 0 for other colors (untouched memory)."""
        places = np.zeros(1 << 24, dtype=np.uint16)
        for place, entry in enumerate(self.entries):
            places[_packed(entry.color)] = place + 1
        return places

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the lookup table, which each process builds for itself."""
        return {"entries": self.entries, "source": self.source, "is_numbered": self.is_numbered}

    def find(self, rgba: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Look up the colors of an image (H, W, 4) uint8; return ids (H, W) and a mask (H, W) of colors without entry.

        Alpha is ignored. Ids are 0 for colors without entry.
        """
        places = self._places[pack(rgba)]
        ids = np.array([0, *(entry.id for entry in self.entries)], dtype=self.dtype)
        return ids[places], places == 0

    def summary(self) -> str:
        """Summarize in one line: the number of colors, where their ids come from, and the first ones."""
        ids = "ids as in the file" if self.is_numbered else "ids in the order of the file"
        first = [f"{entry.id} {entry.name} ({shown(entry.color)})" for entry in self.entries[:ENTRIES_SHOWN]]
        more = ", ..." if len(self.entries) > ENTRIES_SHOWN else ""
        return f"{self.source}: {len(self.entries)} colors, {ids}: {', '.join(first)}{more}"

    def nearest(self, color: Color) -> tuple[Entry, float]:
        """The entry nearest to `color` by Euclidean distance, and that distance."""
        distances = [float(np.linalg.norm(np.subtract(entry.color, color))) for entry in self.entries]
        place = int(np.argmin(distances))
        return self.entries[place], distances[place]


def pack(rgba: np.ndarray) -> np.ndarray:
    """Pack the colors of (H, W, 4) uint8 into integers below 2**24, (H, W); alpha is ignored."""
    return np.ascontiguousarray(rgba).view("<u4")[..., 0] & 0xFFFFFF


def _packed(color: Color) -> int:
    return color[0] | color[1] << 8 | color[2] << 16


def unpacked(number: int) -> Color:
    """Inverse of `pack` for one color."""
    return number & 255, number >> 8 & 255, number >> 16


def shown(color: Color) -> str:
    """Format a color as in palette files."""
    return "{} {} {}".format(*color)


def read_palette(path: str | Path, unknown: int | None = None) -> Palette:
    """Read a palette file.

    Args:
        unknown: id of colors that belong to no class; by default that in the file, or 255.

    Raises:
        InputError: the file is not a palette; the message names the line or the class.
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


def ids_of_mask(path: Path, palette: Palette, upright: bool = False) -> np.ndarray:
    """Read a color-coded mask as ids (H, W), uint8 or uint16 as the palette needs.

    Args:
        upright: apply the EXIF orientation.

    Raises:
        InputError: the mask cannot be read, is transparent, or has a color that is not in the palette.
    """
    rgba = read_colors(path, upright)
    ids, is_missing = palette.find(rgba)
    if is_missing.any():
        raise InputError(_missing_colors(path, rgba, is_missing, palette))
    refuse_transparent(rgba[..., 3], path)
    return ids


def _missing_colors(path: Path, rgba: np.ndarray, is_missing: np.ndarray, palette: Palette) -> str:
    """Compose the message about colors of a mask that the palette lacks: where, which, and what to do."""
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
        where = "its classes, or to unknown_colors" if palette.source.suffix == ".toml" else "the palette"
        fix = f"add to {where}: {', '.join(others)}{', ...' if len(missing) > MISSING_SHOWN else ''}"
    return (
        f"{path}: the pixel at x {x}, y {y} has the color {shown(color)}, which is not in {palette.source} (nearest: "
        f"{shown(entry.color)} {entry.name}, distance {distance:.1f}); {int(is_missing.sum())} pixels have "
        f"{len(missing)} such colors; {fix}"
    )


def _refuse_ids_in_colors(rows: list[Row], path: Path) -> None:
    """Refuse colors of four numbers if the fourth is not an opacity, because the first or last may be an id."""
    fourths = [numbers[3] for row in rows if len(numbers := numbers_of(row.color)) == 4]
    if len({*fourths}) > 1 and not {*fourths} <= {0, 1, 255} and max(fourths) > 1:
        raise InputError(f"{path}: holds colors of four numbers, of which the first or last may be ids; {WANTED}")


def _may_be_fractions(rows: list[Row], entries: list[Entry]) -> bool:
    """Whether all levels are 0 or 1 and not all colors gray; hexadecimal colors are always levels."""
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
