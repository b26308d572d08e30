"""Finding the files of a data set on disk."""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from util.errors import InputError

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".tiff", ".webp")  # in any case
TREES = "datasets/README.md shows the expected tree"


@dataclass(frozen=True)
class Files:
    """The files of a data set by sample name, each in natural order; empty where the data set has none."""

    labels: dict[str, Path]
    images: dict[str, Path] = field(default_factory=dict)
    instances: dict[str, Path] = field(default_factory=dict)


def split_of(phase: str) -> str:
    """The part of a data set a phase works on: testing uses the validation part, whose labels are public."""
    return "val" if phase == "test" else phase


def natural_key(text: str) -> tuple[list[str | int], str]:
    """Sort key under which "b2" comes before "b10". The text itself breaks ties ("b2", "b02")."""
    parts = re.split(r"(\d+)", text)  # texts at even places, digits at odd ones: comparable place by place
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], text


def walk(folder: Path) -> Iterator[Path]:
    """Every picture file below `folder`, links followed, hidden files and folders skipped; in no particular order.

    A link to a folder that contains it is not followed round and round.
    """
    for parent, subfolders, names in os.walk(folder, followlinks=True):
        above = {os.path.realpath(path) for path in (parent, *Path(parent).parents)}
        subfolders[:] = [
            name
            for name in subfolders
            if not name.startswith(".") and os.path.realpath(Path(parent, name)) not in above
        ]
        for name in names:
            if not name.startswith(".") and name.lower().endswith(EXTENSIONS):
                yield Path(parent, name)


def by_name(named: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    """Collect (name, path) in natural order of the names; two paths of one name are an `InputError`."""
    found: dict[str, Path] = {}
    for name, path in named:
        if name in found:
            first, second = sorted([str(found[name]), str(path)])
            raise InputError(f'{first} and {second} are both called "{name}"; keep one of them or rename it')
        found[name] = path
    return {name: found[name] for name in sorted(found, key=natural_key)}


def find_pictures(folder: Path, what: str, suffix: str = "", required: bool = True) -> dict[str, Path]:
    """Find the pictures below `folder` by sample name: the relative path without extension and without `suffix`.

    Args:
        what: what the folder should hold, for the message.
        suffix: end of the stem of the wanted files ("_leftImg8bit"); others are passed over.
        required: whether a missing or empty folder is an `InputError`, or just means that there are none.
    """
    names = ((path.relative_to(folder).with_suffix("").as_posix(), path) for path in walk(folder))
    found = by_name((name.removesuffix(suffix), path) for name, path in names if name.endswith(suffix))
    if required and not found:
        missing = f"no files *{suffix}.* of type {', '.join(EXTENSIONS)}" if folder.is_dir() else "no such folder"
        raise InputError(f"{folder}: {missing}; it should hold the {what} ({TREES})")
    return found
