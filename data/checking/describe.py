"""Proposing a data file for folders of label maps and photos: their parts, classes and colors."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from data.checking.survey import Survey
from data.palette import UNKNOWN, Palette, read_palette
from options.description import ClassRow, Color, DataFile, Part
from util.errors import InputError

NAMES_OF_PARTS = {"train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test", "testing")}
FRACTION = 0.1
"""Fraction of the samples that validate, where folders have no part for it."""
BLACK: Color = (0, 0, 0)
SEEDS = 1000  # tried, until a choice among few samples is neither empty nor everything
TABLES = ("classes", "labelmap", "label_colors", "labels", "palette", "class_dict", "colors", "classes_colors")
"""Names, without extension, of files beside the folders that may list the classes."""
ENDINGS = (".json", ".txt", ".csv", ".xml", ".toml")
OTHER_COLORS = 0.001
"""Colors of color-coded masks on a smaller fraction of the pixels are from smooth edges, not classes."""


def find_parts(labels: Path, photos: Path, instances: Path | None) -> dict[str, Part]:
    """The parts that folders have by their names: subfolders train and val, or folders such as val_img beside.

    Without either, all is [train], from which a fraction is chosen to validate with.
    """
    given = {"labels": labels, "photos": photos, **({"instances": instances} if instances else {})}
    for folders_of in (_subfolders, _siblings):
        parts = {}
        for name in NAMES_OF_PARTS:
            folders = {kind: folders_of(folder, name) for kind, folder in given.items()}
            if folders["labels"] and (folders["photos"] or name == "test"):
                parts[name] = _part(folders)
        if parts.keys() >= {"train", "val"} or parts.keys() >= {"train", "test"}:
            return parts
    return {"train": _part(given), "val": Part(fraction=FRACTION)}


def _part(folders: Mapping[str, Path | None]) -> Part:
    paths = {kind: str(folder) for kind, folder in folders.items() if folder}
    return Part(paths["labels"], paths.get("photos"), paths.get("instances"))


def _subfolders(folder: Path, name: str) -> Path | None:
    there = {path.name.lower(): path for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else {}
    return next((there[word] for word in NAMES_OF_PARTS[name] if word in there), None)


def _siblings(folder: Path, name: str) -> Path | None:
    """The folder itself for "train", if its path says so; for others the same path with another word there."""
    parts = folder.parts if any(map(_is_train, folder.parts)) else folder.absolute().parts
    for at in reversed(range(len(parts))):
        for word in NAMES_OF_PARTS["train"]:
            if match := re.search(rf"(?<![a-z]){word}(?![a-z])", parts[at], re.IGNORECASE):
                if name == "train":
                    return folder
                for other in NAMES_OF_PARTS[name]:
                    renamed = parts[at][: match.start()] + other + parts[at][match.end() :]
                    sibling = Path(*parts[:at], renamed, *parts[at + 1 :])
                    if sibling.is_dir():
                        return sibling
    return None


def _is_train(part: str) -> bool:
    return any(re.search(rf"(?<![a-z]){word}(?![a-z])", part, re.IGNORECASE) for word in NAMES_OF_PARTS["train"])


def find_palette(folders: Sequence[Path]) -> Palette | None:
    """The first file beside `folders` that lists classes with colors."""
    places = dict.fromkeys(parent for folder in folders for parent in folder.absolute().parents[:1])
    for place in places:
        for path in sorted(place.glob("*")) if place.is_dir() else ():
            if path.stem.lower() in TABLES and path.suffix.lower() in ENDINGS and path.is_file():
                try:
                    return read_palette(path)
                except InputError:  # another file of that name
                    continue
    return None


def propose_file(
    path: Path, name: str, parts: Mapping[str, Part], surveys: Collection[Survey], palette: Palette | None
) -> DataFile:
    """Describe the classes of label maps that were surveyed with every id allowed, in one data file.

    Raises:
        InputError: the label maps hold no ids and no colors, or `palette` lacks some of them.
    """
    colors: Counter[Color] = sum((survey.colors for survey in surveys), Counter())
    values = {value for survey in surveys for value in survey.pixels}
    if colors and not values:
        rows, unknown_colors = _of_colors(colors, palette)
        unknown = UNKNOWN if unknown_colors else None
    elif values and not colors:
        shown = {index: color for survey in surveys for index, (color, _) in survey.palette.items()}
        rows, unknown = _of_ids(values, shown, palette)
        unknown_colors = ()
    else:
        what = "both ids and colors" if values else "neither ids nor colors"
        raise InputError(f"{next(iter(parts.values())).labels}: label maps hold {what}; see the problems above")
    names = Counter(row.name for row in rows)
    if palette and (twice := [name for name, count in names.items() if count > 1]):
        raise InputError(f"{palette.source}: two classes are called {twice[0]}; give each a name of its own")
    return DataFile(
        path,
        name,
        tuple(rows),
        unknown,
        colors_are_labels=bool(colors),
        unknown_colors=unknown_colors,
        parts=dict(parts),
    )


def _of_ids(
    values: Collection[int], shown: Mapping[int, Color], palette: Palette | None
) -> tuple[list[ClassRow], int | None]:
    named = (
        {entry.id: ClassRow(entry.id, entry.name, entry.color) for entry in reversed(palette.entries)}
        if palette
        else {}
    )
    named.pop(UNKNOWN, None)
    is_unknown = max(values) == UNKNOWN and (UNKNOWN - 1 not in values)
    unknown = UNKNOWN if is_unknown else None
    ids = sorted({*values, *named} - {unknown})
    if palette and (missing := sorted({*values} - {unknown, *named})):
        raise InputError(
            f"{palette.source}: lacks the ids {', '.join(map(str, missing[:8]))} of the label maps; add them, or give "
            f"another file with --palette"
        )
    colors = shown if len({*shown.values()}) == len(shown) else {}
    return [named.get(number) or ClassRow(number, f"class {number}", colors.get(number)) for number in ids], unknown


def _of_colors(colors: Counter[Color], palette: Palette | None) -> tuple[list[ClassRow], tuple[Color, ...]]:
    """Classes, and colors without class, of color-coded masks."""
    if palette:
        rows = [ClassRow(entry.id, entry.name, entry.color) for entry in palette.entries if entry.id != UNKNOWN]
        if len({row.id for row in rows}) < len(rows):
            raise InputError(
                f"{palette.source}: gives several colors one id, which a data file cannot say; make id maps first, by "
                f"python -m scripts.prepare convert_labels"
            )
        return rows, tuple(entry.color for entry in palette.entries if entry.id == UNKNOWN)
    least = OTHER_COLORS * sum(colors.values())
    seen = sorted(color for color, count in colors.items() if count >= least)
    unknown = (BLACK,) if BLACK in seen and len(seen) > 2 else ()  # two colors are an object and what is around it
    classes = [color for color in seen if color not in unknown]
    return [ClassRow(number, f"class {number}", color) for number, color in enumerate(classes)], unknown


def choose_seed(description: DataFile, names: Collection[str]) -> int:
    """The first seed with which each fraction of the samples `names` has at least one, and [train] too.

    Raises:
        InputError: there is none, as there are too few samples.
    """
    fractions = [part for part, content in description.parts.items() if content.fraction is not None]
    for seed in range(SEEDS):
        tried = DataFile(description.path, "", parts=description.parts, split_seed=seed)
        if all(any(tried.has(part, name) for name in names) for part in ("train", *fractions)):
            return seed
    raise InputError(f"{len(names)} samples are too few to hold some out for validation; describe more")
