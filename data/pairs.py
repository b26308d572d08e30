"""Which photo and which instance map belong to a label map: those of the same name."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from data.files import Files
from util.errors import InputError

SHOWN = 3  # names listed in a message before "..."


class SamplePaths(NamedTuple):
    """The files of one sample."""

    name: str
    labels: Path
    image: Path | None
    instances: Path | None


def pair_files(files: Files, check_names: bool, extras_allowed: bool) -> list[SamplePaths]:
    """Join the files of each sample, in the order of the label maps.

    Args:
        check_names: pair equal names; otherwise by position in natural order, for which the counts must be equal.
        extras_allowed: photos and instance maps of no label map are left out instead of refused (testing: the label
            maps say what to draw; training: an extra photo is more likely a misnamed label map).

    Raises:
        InputError: says which names are missing or left over, and where.
    """
    join = join_by_name if check_names else join_by_position
    images = join(files.labels, files.images, "photo", extras_allowed)
    instances = join(files.labels, files.instances, "instance map", extras_allowed)
    rows = zip(files.labels.items(), images, instances, strict=True)
    return [SamplePaths(name, labels, image, instance) for (name, labels), image, instance in rows]


def join_by_name(
    labels: dict[str, Path], others: dict[str, Path], what: str, extras_allowed: bool
) -> list[Path] | list[None]:
    """The path of each label map's name in `others`; all None when there are no others."""
    if not others:
        return [None] * len(labels)
    missing = [name for name in labels if name not in others]
    extra = [] if extras_allowed else [name for name in others if name not in labels]
    problems = []
    if missing:
        problems.append(f"{len(missing)} of {len(labels)} label maps have no {what} ({listing(missing)})")
    if extra:
        problems.append(f"{len(extra)} of {len(others)} {what}s have no label map ({listing(extra)})")
    if problems:
        raise InputError(
            f"{folder(labels)} and {folder(others)}: {'; '.join(problems)}; give files of one sample the same name, "
            f"or pair them by position with --no_pairing_check"
        )
    return [others[name] for name in labels]


def join_by_position(
    labels: dict[str, Path], others: dict[str, Path], what: str, extras_allowed: bool
) -> list[Path] | list[None]:
    """The others as they are ordered; all None when there are none. Equal counts are needed whatever is allowed."""
    if not others:
        return [None] * len(labels)
    if len(labels) != len(others):
        raise InputError(
            f"--no_pairing_check: {folder(labels)} holds {len(labels)} label maps and {folder(others)} "
            f"{len(others)} {what}s; pairing by position needs equal counts"
        )
    return list(others.values())


def listing(names: Iterable[str]) -> str:
    """The first few names."""
    names = list(names)
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def folder(paths: dict[str, Path]) -> str:
    """The innermost folder that holds all `paths`."""
    return os.path.commonpath([path.parent for path in paths.values()])
