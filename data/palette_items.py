"""Classes of a palette file as dictionaries with the keys that a tool writes: which key is name, id or color.

If no key holds ids, the order of the classes numbers them: 0, 1, 2, ...
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import ImageColor

from util.errors import InputError

WANTED = "write lines of `id r g b name`, such as `0 128 64 0 road`"
Color = tuple[int, int, int]
Item = dict[str, Any]

# First and last words of keys for ids, such as "class_id" and "gray value".
OWNERS = ["", *"class label category cat mask pixel train gray grey".split()]
NUMBERS = "id value index idx code no nr num number".split()
# Role -> keys that tools write, reduced to letters and digits; the first one present counts.
KEYS = {
    "name": ("name", "title", "classname", "labelname", "label", "class", "category", "value"),
    "id": (
        *(owner + word for word in NUMBERS for owner in OWNERS),
        *("quantity", "gray", "grey", "graylevel", "greylevel", "pixel", "label", "class", "category"),
    ),
    "color": ("color", "colour", "rgb", "colorrgb", "rgbcolor", "hex", "hexcolor", "colorhex"),
    "r": ("r", "red", "colorr"),
    "g": ("g", "green", "colorg"),
    "b": ("b", "blue", "colorb"),
}
OTHER_COLUMNS = {
    *("a", "alpha", "opacity", "colora", "visible", "vis", "mesh", "msh", "parts", "actions", "hotkey", "isthing"),
    *("instances", "hasinstances", "evaluate", "ignoreineval", "pixels", "files", "count", "train", "val", "stuff"),
}
COLUMNS = OTHER_COLUMNS.union(*KEYS.values())
ID_WORDS = {"unknown", "null", "nodata", "nv"}  # in place of an id: no class
# Keys of tools whose ids are those of a database and not those in masks: Supervisely, CVAT.
DATABASE_IDS = ({"title", "color"}, {"name", "color", "attributes"})
ID_TEXT = re.compile(rf"\s*(-?\d+(\.0+)?|{'|'.join(ID_WORDS)})\s*$", re.IGNORECASE)
COLOR_TEXT = re.compile(
    r"#[0-9a-f]{6}$|(rgba?)?[\[(]?\s*\d{1,3}(\s*[,;:]\s*|\s+)\d{1,3}(\s*[,;:]\s*|\s+)\d{1,3}([\s,;:]+[\d.]+)?\s*[\])]?$",
    re.IGNORECASE,
)


class Row(NamedTuple):
    """An unchecked entry of a palette file."""

    place: str  # for messages: "line 3"
    id: Any  # None: no class
    color: Any
    name: str


class Content(NamedTuple):
    """The content of a palette file."""

    rows: list[Row]
    is_numbered: bool = True  # False: the ids are positions in the file
    unknown: Any = None  # id of colors of no class, if the file holds one
    has_levels: bool = False  # whether the format implies colors of 0..255, not of 0..1


def plain(key: str) -> str:
    """Reduce a key to lower-case letters and digits."""
    return re.sub(r"[\W_]", "", str(key)).lower()


def has_color(keys: Iterable[str]) -> bool:
    """Whether the keys include one for a color, or three for its channels."""
    found = {plain(key) for key in keys}
    return not found.isdisjoint(KEYS["color"]) or all(not found.isdisjoint(KEYS[channel]) for channel in "rgb")


def content_of_items(items: Sequence[Mapping[str, Any]], path: Path) -> Content:
    """Turn classes given as dictionaries into rows; messages name them by "place", or else by order and name."""
    flat = [{plain(key): value for key, value in item.items()} for item in items]
    values = {key: [item.get(key) for item in flat] for key in dict.fromkeys(key for item in flat for key in item)}

    def first(role: str, suits: Callable[[list[Any]], bool]) -> str | None:
        return next((key for key in KEYS[role] if key in values and suits(values[key])), None)

    name = first("name", lambda texts: True)
    of_database = any(keys <= item.keys() for keys in DATABASE_IDS for item in flat)
    number = None if of_database else first("id", lambda texts: any(map(_is_id, texts)))
    if number is None and not of_database:
        _refuse_strange_ids(items, path)
    if number == name:  # a column "class" or "value" of numbers alone
        others = [key for key in KEYS["name"] if key in values and key != number]
        name = others[0] if others else None
    rows = []
    for order, item in enumerate(flat):
        given = item.get(number) if number else order
        title = item.get(name) if name and item.get(name) not in (None, "") else f"class {given}"
        place = item.get("place") or f"entry {order} ({title})"
        rows.append(Row(place, given, _color_of(item), str(title)))
    if all(row.color is None for row in rows):
        raise InputError(f"{path}: holds names without colors; {WANTED}")
    if number is None and not of_database:
        _refuse_numbered_names([row.name for row in rows], path)
    return Content(rows, is_numbered=number is not None)


def _refuse_strange_ids(items: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Refuse an unknown column of integers in a file without ids."""
    for key in dict.fromkeys(key for item in items for key in item):
        column = [item.get(key) for item in items]
        if plain(key) not in COLUMNS and all(map(_is_id, column)) and differ_from_places(column):
            raise InputError(
                f'{path}: "{key}" may hold the ids, or something else: name it id if it does, or remove it if the ids '
                f"are 0, 1, 2, ... in the order of the file; or {WANTED}"
            )


def _refuse_numbered_names(names: Sequence[str], path: Path) -> None:
    """Refuse names with numbers that differ from their positions, in a file without ids.

    These are names that all begin with a number, such as "2: car", or that are one word with a number: "class5".
    """
    for pattern in (r"(?P<rest>\W*)(?P<id>\d+)(?!\w)", r"(?P<rest>.*?)(?P<id>\d+)$"):
        found = [match for name in names if (match := re.match(pattern, name))]
        is_one_word = len({match["rest"] for match in found}) == 1
        if len(found) == len(names) and is_one_word and differ_from_places([match["id"] for match in found]):
            raise InputError(f'{path}: the numbers in names such as "{names[0]}" may be the ids; {WANTED}')


def differ_from_places(ids: Sequence[Any]) -> bool:
    """Whether ids differ from 0, 1, 2, ...; a constant column does not count as ids."""
    numbers = [str(given).strip().removesuffix(".0") for given in ids]
    return len({*numbers}) > 1 and numbers != [*map(str, range(len(ids)))]


def _color_of(item: Mapping[str, Any]) -> Any:
    key = next((key for key in KEYS["color"] if item.get(key) is not None), None)
    if key:
        return item[key]
    channels = [next((item[key] for key in KEYS[channel] if key in item), None) for channel in "rgb"]
    return None if None in channels else channels


def _is_id(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | float | str) and bool(ID_TEXT.match(str(value)))


def is_color(given: Any) -> bool:
    """Whether a value of a file is a color: numbers or #rrggbb, not a color name."""
    if isinstance(given, str):
        return bool(COLOR_TEXT.match(given.strip()))
    return isinstance(given, list) and len(given) in (3, 4) and all(isinstance(value, int | float) for value in given)


def numbers_of(given: Any) -> list[float]:
    """The numbers of a color given as a list or text of numbers; [] for other values."""
    if isinstance(given, str) and COLOR_TEXT.match(given.strip()) and not given.strip().startswith("#"):
        return [float(number) for number in re.findall(r"\d*\.?\d+", given)]
    return given if isinstance(given, list) and is_color(given) else []


def parse_color(given: Any) -> Color:
    """Parse red, green and blue, 0..255: three numbers, with or without opacity; #rrggbb; or a color name.

    Raises:
        ValueError: the value is not a color, or is ambiguous.
    """
    if isinstance(given, str):
        text = given.strip()
        if numbers := numbers_of(text):
            return parse_color([*map(int, numbers[:3])])
        if re.match(r"#?[0-9a-fA-F]{8}$", text):
            raise ValueError("eight digits may begin or end with opacity")
        return ImageColor.getrgb("#" + text if re.match(r"[0-9a-fA-F]{6}$", text) else text)[:3]
    if isinstance(given, Mapping):
        given = _color_of({plain(key): value for key, value in given.items()})
    if not isinstance(given, list | tuple) or not 3 <= len(given) <= 4:
        raise ValueError("not three numbers")
    red, green, blue = (_channel(value) for value in given[:3])
    return red, green, blue


def _channel(value: Any) -> int:
    """Parse an integer 0..255. Refuses 1.0, which means 255 in files with colors from 0 to 1."""
    number = float(value)
    is_of_unit_scale = number == 1 and "." in str(value)
    if isinstance(value, bool) or is_of_unit_scale or not (number.is_integer() and 0 <= number <= 255):
        raise ValueError(f"{value} is no whole number 0..255")
    return int(number)
