"""Palettes: which colour stands for which class id, and turning colour-coded masks into id maps by them.

A palette file is one of

* text, one colour a line: `id r g b name`, spaces or commas between; # starts a comment (as in data/class_tables);
* JSON, a list of {"id": 0, "name": "road", "color": [128, 64, 0]}, alone or under the key "classes";
* JSON, {"road": [128, 64, 0], ...}: ids 0, 1, 2, ... in the order of the file;
* JSON, {"names": ["road", ...], "colors": {"road": [128, 64, 0], ...}, "unknown": 255}: ids in the order of "names";
  colours of other names are unknown.

Several colours may share an id. Where an id is the word unknown, null or negative, the colour belongs to no class.
"colour" is as good as "color".
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from util.errors import InputError

UNKNOWN = 255
LARGEST_ID = 65535  # what a 16-bit PNG holds
FORMATS = 'give lines of `id r g b name`, or JSON such as {"road": [128, 64, 0]}'

Color = tuple[int, int, int]


@dataclass(frozen=True)
class Entry:
    """One colour of a palette."""

    id: int
    color: Color
    name: str


class Palette:
    """Colours and their ids. Raises `InputError` for a colour that stands for two ids."""

    def __init__(self, entries: list[Entry], source: Path):
        self.entries, self.source = entries, source
        by_color: dict[Color, Entry] = {}
        for entry in entries:
            other = by_color.setdefault(entry.color, entry)
            if other.id != entry.id:
                raise InputError(
                    f"{source}: {other.name} (id {other.id}) and {entry.name} (id {entry.id}) have one colour, "
                    f"{shown(entry.color)}; give every id a colour of its own"
                )

    @property
    def dtype(self) -> type:
        """The smallest of uint8 and uint16 that holds every id."""
        return np.uint8 if max(entry.id for entry in self.entries) <= 255 else np.uint16

    @cached_property
    def _places(self) -> np.ndarray:
        """1 + the place in `entries` of every colour `pack` can give; 0 for colours of none (untouched memory)."""
        places = np.zeros(1 << 24, dtype=np.uint16)
        for place, entry in enumerate(self.entries):
            places[_packed(entry.color)] = place + 1
        return places

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the table, which each process makes for itself."""
        return {"entries": self.entries, "source": self.source}

    def find(self, rgba: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Look up a picture (H, W, 4) uint8: its ids (H, W), and where (H, W) bool its colour is in no entry.

        Alpha is not looked at; ids are 0 where there is none.
        """
        places = self._places[pack(rgba)]
        ids = np.array([0, *(entry.id for entry in self.entries)], dtype=self.dtype)
        return ids[places], places == 0

    def nearest(self, color: Color) -> tuple[Entry, float]:
        """The entry of the least Euclidean distance to `color`, and that distance."""
        distances = [float(np.linalg.norm(np.subtract(entry.color, color))) for entry in self.entries]
        place = int(np.argmin(distances))
        return self.entries[place], distances[place]


def pack(rgba: np.ndarray) -> np.ndarray:
    """One number below 2**24 for each colour of (H, W, 4) uint8; alpha has no part in it."""
    return np.ascontiguousarray(rgba).view("<u4")[..., 0] & 0xFFFFFF


def _packed(color: Color) -> int:
    return color[0] | color[1] << 8 | color[2] << 16


def unpacked(number: int) -> Color:
    """The colour that `pack` made into `number`."""
    return number & 255, number >> 8 & 255, number >> 16


def shown(color: Color) -> str:
    """As palette files have it."""
    return "{} {} {}".format(*color)


def read_palette(path: str | Path, unknown: int | None = None) -> Palette:
    """Read a palette file.

    Args:
        unknown: id of colours that belong to no class; by default the file's own, or 255.

    Raises:
        InputError: for a file that is no palette, naming the line or the class.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError(f"{path}: cannot be read as a palette ({reason}); {FORMATS}") from error
    rows, own_unknown = _rows_of_json(text, path) if text.lstrip()[:1] in ("{", "[") else (_rows_of_text(text), None)
    if unknown is None:
        unknown = UNKNOWN if own_unknown is None else own_unknown
    entries = [_entry(*row, unknown, path) for row in rows]
    if not entries:
        raise InputError(f"{path}: holds no colour; {FORMATS}")
    return Palette(entries, path)


Row = tuple[str, Any, Any, str]  # place for messages, id, colour, name; nothing checked


def _rows_of_text(text: str) -> list[Row]:
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.replace(",", " ").replace("\t", " ").split(maxsplit=4)
        if not words or words[0].startswith("#") or words[0].lower() == "id":  # the head of a CSV file
            continue
        rows.append((f"line {number}", words[0], words[1:4], words[4] if len(words) > 4 else f"class {words[0]}"))
    return rows


def _rows_of_json(text: str, path: Path) -> tuple[list[Row], Any]:
    """Rows, and the id of the unknown if the file has one."""
    try:
        content = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: is no JSON ({error}); {FORMATS}") from error
    unknown = None
    if isinstance(content, dict):
        unknown = content.get("unknown") if not isinstance(content.get("unknown"), list) else None
        if unknown is not None:
            unknown = _id(unknown, 'the "unknown" id', path)
        colors = content.get("colours", content.get("colors"))
        if isinstance(colors, dict):
            return _rows_of_names(content.get("names", list(colors)), colors, path), unknown
        if "classes" not in content:
            return [(f'"{name}"', place, color, name) for place, (name, color) in enumerate(content.items())], None
        content = content["classes"]
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        raise InputError(f'{path}: "classes" must be a list of {{"id", "name", "color"}}')
    rows = []
    for place, item in enumerate(content):
        name = item.get("name", f"class {item.get('id')}")
        rows.append((f"entry {place} ({name})", item.get("id"), item.get("color", item.get("colour")), name))
    return rows, unknown


def _rows_of_names(names: Any, colors: dict[str, Any], path: Path) -> list[Row]:
    without = [name for name in names if name not in colors]
    if without:
        raise InputError(f"{path}: {without[0]} is among the names but has no colour; write its name the same in both")
    ids = {name: place for place, name in enumerate(names)}
    return [(f'"{name}"', ids.get(name), color, name) for name, color in colors.items()]


def _entry(place: str, given_id: Any, color: Any, name: Any, unknown: int, path: Path) -> Entry:
    try:
        channels = tuple(int(channel) for channel in color)
    except (TypeError, ValueError):
        channels = ()
    if len(channels) != 3 or not all(0 <= channel <= 255 for channel in channels):
        raise InputError(f"{path}: {place}: a colour is three numbers 0..255, red, green and blue; not {color}")
    if given_id is None or str(given_id).lower() == "unknown":
        return Entry(unknown, channels, str(name))
    number = _id(given_id, place, path)
    return Entry(unknown if number < 0 else number, channels, str(name))


def _id(given: Any, place: str, path: Path) -> int:
    try:
        number = int(given)
    except (TypeError, ValueError):
        number = LARGEST_ID + 1
    if number > LARGEST_ID:
        raise InputError(f"{path}: {place}: an id is a number 0..{LARGEST_ID}, or the word unknown; not {given}")
    return number
