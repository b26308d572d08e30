"""`data.toml`: a data set described once, with its classes, its folders, and defaults of options for it.

    name = "streets"
    unknown = 255                     # value of pixels without a class; leave it out if there are none
    classes = [                       # the ids that label maps hold
      { id = 0, name = "road", color = [128, 64, 128] },
      { id = 1, name = "sky" },       # without a color it gets one
    ]

    [train]                           # folders, relative to this file
    labels = "train_labels"
    photos = "train_photos"
    instances = "train_instances"     # if there are any

    [val]                             # with folders as in [train], or a part of its samples, chosen by their names:
    fraction = 0.1

    [test]                            # optional: what --phase test reads, which is [val] otherwise
shards = "test-{000000..000003}.tar"    # in place of folders: the tars of scripts.prepare shards, or their addresses

    [options]                         # optional: defaults of options for this data set, and in [test_options] for test
    crop_size = 128

Further keys: `split_seed = 1` makes another choice of such a fraction; `like = "coco"` takes classes, unknown and
defaults from a data set of `data/sets`; `file_list` in a part names its samples; `suffixes = { labels = "_mask" }` says
how the names of files end; `colors_are_labels = true` says that label maps show the class colors instead of ids;
`unknown_colors = [[255, 0, 255]]` those without a class, black otherwise. Such classes need no ids: their order counts.
"""

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from options.description import KINDS, LARGEST_ID, PARTS, PLACES, UNKNOWN_IN_FILES, ClassRow, Color, DataFile, Part
from options.field import OptionError, Preset, suggestion
from options.toml import read_toml

FILE_NAME = "data.toml"
SETS = Path(__file__).parents[1] / "data" / "sets"
"""Descriptions of the data sets that this project knows."""
BLACK = (0, 0, 0)
KEYS = (
    *("name", "like", "unknown", "classes", "suffixes", "colors_are_labels", "unknown_colors", "split_seed"),
    *("options", "test_options"),
)
MOST_COLORED = 255
"""Classes of color-coded label maps: their ids are read as bytes, and one more is for unknown pixels."""


def read_data_file(path: str | Path) -> DataFile:
    """Read and check a data file; again only if it has changed. One that is moved away later stays known.

    Raises:
        OptionError: there is no such file, or something in it is wrong; the message names file, key and fix.
    """
    path = Path(path)
    try:
        state = path.stat()
        _last_read[path] = _read(path, state.st_mtime_ns, state.st_size)
    except FileNotFoundError:
        if path not in _last_read:
            raise OptionError(f"--data {path}: there is no such file{_nearby(path)}") from None
    return _last_read[path]


_last_read: dict[Path, DataFile] = {}


@functools.lru_cache(maxsize=64)
def _read(path: Path, modified: int, size: int) -> DataFile:
    return _Reader(path).read(read_toml(path, "--data"))


def shipped_set(mode: str) -> DataFile:
    """The description of the data set `mode`, a `--dataset_mode`."""
    return read_data_file(SETS / f"{mode}.toml")


def described(opt: Any) -> DataFile | None:
    """The data file of options; None if they name none."""
    return read_data_file(opt.data) if getattr(opt, "data", None) else None


def name_of_data(opt: Any) -> str:
    """The name of the data set, for people."""
    description = described(opt)
    return description.name if description else opt.dataset_mode


def describe_the_same(*paths: str | None) -> bool:
    """Whether data files have the same content, such as one and the copy of it in a run's folder."""
    try:
        descriptions = [read_data_file(path or "") for path in paths]
    except (OptionError, OSError):
        return False
    first, *others = (
        dataclasses.replace(one, path=Path(), parts={name: part.resolved() for name, part in one.parts.items()})
        for one in descriptions
    )
    return all(other == first for other in others)


def folders(opt: Any) -> dict[str, str]:
    """The folders of `opt.phase` of the custom data set, by kind: those typed, or else those of the data file.

    Typed label maps are other data than those described, so photos and instances must be typed with them.

    Raises:
        OptionError: the data file has no such part.
    """
    typed = {"labels": opt.label_dir, "photos": opt.image_dir, "instances": opt.instance_dir}
    description = None if opt.label_dir else described(opt)
    found: dict[str, str | None] = {}
    if description:
        name, _ = description.part(opt.phase)
        found = {kind: getattr(description.folders_of(name), kind) for kind in KINDS}
    return {kind: folder for kind in KINDS if (folder := typed[kind] or found.get(kind))}


class _Reader:
    """Turns the content of a TOML file into a `DataFile`; every refusal names the file."""

    def __init__(self, path: Path):
        self.path = path

    def read(self, content: dict[str, Any]) -> DataFile:
        self.refuse_unknown(content, {*KEYS, *PARTS}, "")
        base = self.base(content.get("like"))
        colored = content.get("colors_are_labels", False)
        self.refuse_unless(isinstance(colored, bool), "colors_are_labels: must be true or false")
        classes = self.classes(content["classes"], colored) if "classes" in content else base.classes
        unknown_colors = self.unknown_colors(content)
        implied = UNKNOWN_IN_FILES if unknown_colors else base.unknown
        unknown = self.number(content, "unknown", "", LARGEST_ID) if "unknown" in content else implied
        self.refuse_two_meanings(classes, unknown)
        parts = {name: self.part(content[name], name) for name in PARTS if name in content}
        self.refuse_fractions_of_nothing(parts)
        suffixes = content.get("suffixes", {})
        self.refuse_unless(isinstance(suffixes, dict), 'suffixes: must be a table such as { labels = "_mask" }')
        self.refuse_unknown(suffixes, set(KINDS), "suffixes.")
        if colored:
            self.refuse_colors_that_are_no_labels(classes, unknown_colors)
        return DataFile(
            path=self.path,
            name=self.text(content, "name", "", self.path.stem),
            classes=classes,
            unknown=unknown,
            suffixes={kind: self.text(suffixes, kind, "suffixes.", "") for kind in suffixes},
            colors_are_labels=colored,
            unknown_colors=unknown_colors or ((BLACK,) if colored and unknown is not None else ()),
            parts=MappingProxyType(parts),
            split_seed=self.number(content, "split_seed", "", 2**32, 0),
            preset=self.preset(content, base, classes, unknown, parts),
        )

    def base(self, like: Any) -> DataFile:
        if like is None:
            return DataFile(self.path, "")
        names = sorted(path.stem for path in SETS.glob("*.toml"))
        self.refuse_unless(like in names, f"like: {like!r} must be one of {', '.join(names)}")
        return shipped_set(like)

    def classes(self, rows: Any, colored: bool) -> tuple[ClassRow, ...]:
        form = 'must be a list of { id = 0, name = "road", color = [128, 64, 128] }'
        are_tables = isinstance(rows, list) and bool(rows) and all(isinstance(row, dict) for row in rows)
        self.refuse_unless(are_tables, f"classes: {form}")
        in_order = colored and not any("id" in row for row in rows)  # files hold no ids
        classes = []
        for place, row in enumerate(rows):
            where = f"classes[{place}]."
            self.refuse_unknown(row, {"id", "name", "color"}, where)
            self.refuse_unless("id" in row or in_order, f"{where}id: is missing")
            number = place if in_order else self.number(row, "id", where, LARGEST_ID)
            color = self.color(row["color"], f"{where}color") if "color" in row else None
            classes.append(ClassRow(number, self.text(row, "name", where, f"class {number}"), color))
        seen: dict[int, str] = {}
        for row in classes:
            self.refuse_unless(row.id not in seen, f"classes: {seen.get(row.id)} and {row.name} have one id, {row.id}")
            self.refuse_unless(row.name not in seen.values(), f"classes: two are called {row.name}")
            seen[row.id] = row.name
        return tuple(classes)

    def color(self, color: Any, where: str) -> Color:
        is_color = isinstance(color, list) and len(color) == 3 and all(_is_integer(value, 255) for value in color)
        self.refuse_unless(is_color, f"{where}: must be three whole numbers, 0..255")
        return (color[0], color[1], color[2])

    def unknown_colors(self, content: Mapping[str, Any]) -> tuple[Color, ...]:
        colors = content.get("unknown_colors", [])
        self.refuse_unless(isinstance(colors, list), "unknown_colors: must be a list such as [[255, 0, 255]]")
        is_used = not colors or content.get("colors_are_labels", False)
        self.refuse_unless(is_used, "unknown_colors: are for label maps in colors; add colors_are_labels = true")
        return tuple(self.color(color, f"unknown_colors[{place}]") for place, color in enumerate(colors))

    def part(self, table: Any, name: str) -> Part:
        self.refuse_unless(isinstance(table, dict), f"[{name}]: must be a table of folders")
        self.refuse_unknown(table, {*PLACES, "fraction"}, f"{name}.")
        if "fraction" in table:
            fraction = table["fraction"]
            fits = isinstance(fraction, int | float) and not isinstance(fraction, bool) and 0 < fraction < 1
            self.refuse_unless(fits, f"{name}.fraction: must be a number above 0 and below 1")
            self.refuse_unless(name != "train", "train.fraction: [train] is the rest; write it into [val] or [test]")
            self.refuse_both(table, name, "fraction, a part of [train],", PLACES)
            return Part(fraction=float(fraction))
        if "shards" in table:
            self.refuse_both(table, name, "shards", KINDS)
            file_list = self.folder(table, "file_list", name) if "file_list" in table else None
            return Part(shards=self.folder(table, "shards", name), file_list=file_list)
        self.refuse_unless("labels" in table, f"{name}.labels: is missing, the folder of label maps")
        self.refuse_unless("photos" in table or name != "train", "train.photos: is missing, the folder of photos")
        paths = {kind: self.folder(table, kind, name) for kind in (*KINDS, "file_list") if kind in table}
        return Part(paths["labels"], paths.get("photos"), paths.get("instances"), paths.get("file_list"))

    def refuse_both(self, table: Mapping[str, Any], name: str, one: str, others: Iterable[str]) -> None:
        both = [key for key in others if key in table]
        self.refuse_unless(not both, f"{name}: has {one} and {', '.join(both)}; leave one out")

    def folder(self, table: Mapping[str, Any], kind: str, name: str) -> str:
        text = self.text(table, kind, f"{name}.", "")
        self.refuse_unless(bool(text), f"{name}.{kind}: is empty; name a folder, or leave it out")
        return text if "://" in text else str(self.path.parent / Path(text).expanduser())

    def preset(
        self,
        content: Mapping[str, Any],
        base: DataFile,
        classes: tuple[ClassRow, ...],
        unknown: int | None,
        parts: Mapping[str, Part],
    ) -> Preset:
        own, test = content.get("options", {}), content.get("test_options", {})
        for name, table in (("options", own), ("test_options", test)):
            self.refuse_unless(isinstance(table, dict), f"[{name}]: must be a table of options")
        implied: dict[str, Any] = {}
        if "classes" in content and "label_nc" not in own:  # given where published maps hold unknown among the ids
            implied = {"label_nc": 1 + max(row.id for row in classes), "contain_dontcare_label": unknown is not None}
        elif "unknown" in content:
            implied = {"contain_dontcare_label": True}
        if "train" in parts:
            implied["instance"] = parts["train"].instances is not None
        return Preset({**base.preset.both, **implied, **own}, {**base.preset.test, **test})

    def refuse_two_meanings(self, classes: Iterable[ClassRow], unknown: int | None) -> None:
        named = [row.name for row in classes if row.id == unknown]
        self.refuse_unless(not named, f"unknown: {unknown} is the id of {''.join(named)}; leave one of them out")

    def refuse_fractions_of_nothing(self, parts: Mapping[str, Part]) -> None:
        total = sum(part.fraction or 0 for part in parts.values())
        self.refuse_unless(not total or "train" in parts, "fraction: is a part of [train], which is missing")
        self.refuse_unless(total < 1, "fraction: nothing would be left to train on")

    def refuse_colors_that_are_no_labels(self, classes: tuple[ClassRow, ...], unknown: tuple[Color, ...]) -> None:
        seen: dict[Color, str] = dict.fromkeys(unknown, "unknown")
        for row in classes:
            if row.color is None:
                self.refuse_unless(False, f"colors_are_labels: {row.name} has no color")
            elif row.color in seen:
                self.refuse_unless(False, f"colors_are_labels: {seen[row.color]} and {row.name} have one color")
            else:
                seen[row.color] = row.name
        fits = bool(classes) and max(row.id for row in classes) < MOST_COLORED
        self.refuse_unless(fits, f"colors_are_labels: wants classes with ids below {MOST_COLORED}")

    def refuse_unknown(self, table: Mapping[str, Any], known: set[str], where: str) -> None:
        for key in table:
            self.refuse_unless(key in known, f"{where}{key}: no such key; there are {', '.join(sorted(known))}")

    def text(self, table: Mapping[str, Any], key: str, where: str, default: str) -> str:
        value = table.get(key, default)
        self.refuse_unless(isinstance(value, str), f"{where}{key}: must be text in quotes")
        return value

    def number(self, table: Mapping[str, Any], key: str, where: str, most: int, default: int | None = None) -> int:
        value = table.get(key, default)
        self.refuse_unless(_is_integer(value, most), f"{where}{key}: must be a whole number, 0..{most}")
        return value

    def refuse_unless(self, holds: bool, problem: str) -> None:
        if not holds:
            raise OptionError(f"{self.path}: {problem}")


def _is_integer(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _nearby(path: Path) -> str:
    """What else `--data` may mean, if it looks like the name of a data set."""
    if path.parent != Path() or path.suffix:
        return ""
    names = sorted(other.stem for other in SETS.glob("*.toml") if other.stem != "custom")
    hint = suggestion(str(path), names) or f"there are {', '.join(names)}"
    return f", nor a data set of that name; {hint}"
