"""The file formats of palettes: this project's own, and those of labeling tools. `FORMATS` is the table.

Formats are palette images; JSON and XML with classes that have colors, at any depth; palettes of GIMP and of Paint Shop
Pro; and lines of text (`data/palette_lines.py`).
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from data.file_kinds import UNREADABLE
from data.palette_items import ID_TEXT, WANTED, Content, Item, Row, content_of_items, has_color, is_color
from data.palette_lines import read_lines
from options import OptionError
from options.data_file import read_data_file
from util.errors import InputError
from util.text import read_text

NAMES = ("names", "classes", "CLASSES", "labels")
COLORS = ("colors", "colours", "palette", "PALETTE", "color_map", "colormap")


def read_content(path: Path) -> Content:
    """Read a palette file of any format. Raises `InputError` for other files."""
    try:
        with Image.open(path) as image:
            return _of_image(image, path)
    except InputError:
        raise
    except UNREADABLE:
        pass
    if path.suffix.lower() == ".toml":
        return _of_data_file(path)
    text = read_text(path, f"a palette: {WANTED.removeprefix('write ')}")
    return next(form.read(text, path) for form in FORMATS if re.match(form.beginning, text))


def _of_data_file(path: Path) -> Content:
    """Read the classes of a data.toml."""
    try:
        description = read_data_file(path)
    except OptionError as error:
        raise InputError(str(error)) from error
    rows = [Row(f"id {row.id}", row.id, row.color, row.name) for row in description.classes if row.color]
    if not rows:
        raise InputError(f"{path}: holds no classes with colors; {WANTED}")
    return Content(rows, unknown=description.unknown, has_levels=True)


def _of_image(image: Image.Image, path: Path) -> Content:
    """Read the palette of an image, whose indices are the ids; unused padding colors are left out."""
    if image.mode != "P":
        raise InputError(f"{path}: is an image without a palette (mode {image.mode}); {WANTED}")
    used = {*np.unique(np.asarray(image)).tolist()}
    colors = [tuple(color) for color in np.array(image.getpalette("RGB")).reshape(-1, 3).tolist()]
    taken = {colors[index] for index in used if index < len(colors)}
    rows = []
    for index, color in enumerate(colors):
        if index in used or color not in taken:
            taken.add(color)
            rows.append(Row(f"index {index}", index, color, f"class {index}"))
    return Content(rows, has_levels=True)


def _of_json(text: str, path: Path) -> Content:
    try:
        content = json.loads(text)
        found = [items] if (items := _items(content, any)) else list(_items_within(content))
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: is no JSON ({error}); {WANTED}") from error
    unknown = None
    if isinstance(content, dict):
        names, colors = (next((content[key] for key in keys if key in content), None) for keys in (NAMES, COLORS))
        given = content.get("unknown")
        unknown = None if isinstance(given, list | dict) or is_color(given) else given
        if isinstance(colors, list | dict) and all(map(is_color, _values(colors))):
            others = {key: value for key, value in content.items() if value is not names and value is not colors}
            return _of_names_and_colors(names, colors, others, path)._replace(unknown=unknown)
    if len(found) > 1:
        raise InputError(f"{path}: holds {len(found)} lists of classes with colors; give one of them, or {WANTED}")
    if not found:
        raise InputError(f"{path}: holds no classes with colors; {WANTED}")
    return content_of_items(found[0], path)._replace(unknown=unknown)


def _values(node: list | dict) -> list[Any]:
    return list(node.values()) if isinstance(node, dict) else node


def _items_within(node: Any) -> Iterator[list[Item]]:
    """Yield every list of classes in a JSON value, at any depth."""
    for child in _values(node) if isinstance(node, list | dict) else ():
        items = _items(child, all)
        if isinstance(node, dict) and child is node.get("categories"):  # Segments.ai, with the keys of CVAT and own ids
            items = [{key: value for key, value in item.items() if key != "attributes"} for item in items]
        yield from [items] if items else _items_within(child)


def _items(node: Any, enough: Callable[[Iterator[bool]], bool]) -> list[Item]:
    """Return the classes of a JSON value: a list of classes or colors, or a dictionary of either by name or id."""
    if not isinstance(node, list | dict) or not node:
        return []
    values = _values(node)
    if all(isinstance(value, dict) for value in values):
        items = values if any(map(has_color, values)) else []
    elif isinstance(node, dict) and all(isinstance(key, str) and is_color(key) for key in node):
        role = "id" if all(isinstance(value, int) for value in values) else "name"
        return [{"color": color, role: value} for color, value in node.items()]
    else:
        items = [{"color": value} for value in values] if enough(map(is_color, values)) else []
    if isinstance(node, dict):
        role = "id" if all(ID_TEXT.match(key) for key in node) else "name"
        items = [{"place": f'"{key}"', role: key} | item for key, item in zip(node, items)]
    return items


def _of_names_and_colors(names: Any, colors: list | dict, others: dict[str, Any], path: Path) -> Content:
    """Read names in the order of their ids, with colors in this order or by name; other colors have no class.

    If colors are given by id, names are, too. If both are lists, one of the `others` may list their ids.
    """
    if isinstance(colors, list):
        names = names or [f"class {place}" for place in range(len(colors))]
        if len(names) != len(colors):
            raise InputError(
                f"{path}: holds {len(names)} names and {len(colors)} colors; give each name one, or {WANTED}"
            )
        columns = {key: value for key, value in others.items() if isinstance(value, list) and len(value) == len(names)}
        columns = {key.removesuffix("s"): value for key, value in columns.items()} | {"name": names, "color": colors}
        return content_of_items([dict(zip(columns, values)) for values in zip(*columns.values())], path)
    if all(ID_TEXT.match(key) for key in colors):
        names = names if isinstance(names, dict) else dict(zip(colors, names or ()))
        items = [{"id": key, "name": names.get(key), "color": color} for key, color in colors.items()]
        return content_of_items(items, path)
    names = list(names or colors)
    without = [name for name in names if name not in colors]
    if without:
        raise InputError(f"{path}: {without[0]} is among the names but has no color; give it one, or {WANTED}")
    ids = {name: place for place, name in enumerate(names)}
    return Content([Row(f'"{name}"', ids.get(name), color, name) for name, color in colors.items()], is_numbered=False)


def _of_xml(text: str, path: Path) -> Content:
    """Read elements that have a color and more, as attributes (QGIS styles, Label Studio) or as children (CVAT)."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise InputError(f"{path}: is no XML ({error}); {WANTED}") from error
    by_tag: dict[str, list[Item]] = {}
    for element in root.iter():
        item = element.attrib | {child.tag: child.text for child in element if not len(child) and child.text}
        if "background" in item:  # what Label Studio calls it
            item["color"] = item.pop("background")
        if has_color(item) and len(item) > 1:
            by_tag.setdefault(element.tag, []).append(item)
    if len(by_tag) != 1:
        raise InputError(f"{path}: holds {len(by_tag)} kinds of elements with colors; {WANTED}")
    (items,) = by_tag.values()
    return content_of_items(items, path)


def _of_gimp(text: str, path: Path) -> Content:
    head = r"(GIMP Palette|(Name|Columns|Channels):.*)$"
    layouts = ("r g b a [name]",) if re.search(r"^Channels:\s*RGBA", text, re.MULTILINE) else ("r g b [name]",)
    return read_lines(re.sub(head, "", text, flags=re.MULTILINE), path, layouts)._replace(has_levels=True)


def _of_jasc(text: str, path: Path) -> Content:
    return read_lines("\n" * 3 + "\n".join(text.splitlines()[3:]), path, ("r g b",))._replace(has_levels=True)


class Format(NamedTuple):
    """A text format."""

    beginning: str  # regular expression for the beginning of the file
    read: Callable[[str, Path], Content]


FORMATS = (
    Format(r"\s*[\[{]", _of_json),
    Format(r"\s*<", _of_xml),
    Format(r"GIMP Palette", _of_gimp),
    Format(r"JASC-PAL", _of_jasc),
    Format(r"", read_lines),
)
