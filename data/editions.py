"""Explanations for a --dataroot without the expected tree: another edition, archives, a parent folder or subfolder."""

import contextlib
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from data.listing import ARCHIVES, listing, why_no_folder
from util.errors import InputError

LEVELS = 3  # parent folders that are searched
LAYOUTS = (  # pattern of a path in the root of other data sets -> flags that read them
    ("gtFine/*", "--dataset_mode cityscapes"),
    ("annotations/training", "--dataset_mode ade20k"),
    ("train_label", "--dataset_mode coco, flickr or facades, or custom with --label_dir and --image_dir"),
)


class Edition(NamedTuple):
    """An edition of a data set that cannot be used as it is.

    Attributes:
        pattern: glob of a path below the root that only this edition has.
        message: what it is, and what is expected; "{root}" stands for the root.
        unless: glob of a path of the expected tree; if it exists, this is not the problem.
    """

    pattern: str
    message: str
    unless: str | None = None


class IdEdition(NamedTuple):
    """An edition of a data set whose label maps hold other ids.

    Attributes:
        ids: a label map is of this edition if all its ids that are out of range are among these.
        message: what it is, and what is expected.
    """

    ids: frozenset[int]
    message: str


@contextlib.contextmanager
def explaining(root: Path, landmarks: Sequence[str], editions: Iterable[Edition]) -> Iterator[None]:
    """Replace an `InputError` about files by one about the whole tree, if the tree is not the expected one.

    Args:
        root: --dataroot.
        landmarks: globs of which at least one matches below the right root; empty for data sets without a root.
    """
    try:
        yield
    except InputError as error:
        reason = explain(root, landmarks, editions) if landmarks else None
        if reason is None:
            raise
        raise InputError(
            f"--dataroot {root}: {reason} (datasets/README.md says where to get it, and shows the tree)"
        ) from error


def explain(root: Path, landmarks: Sequence[str], editions: Iterable[Edition]) -> str | None:
    """Say what a tree is instead, as a predicate of its path; None if nothing can be said about it."""
    if not root.is_dir():
        return why_no_folder(root)
    for pattern, message, unless in editions:
        if _holds(root, pattern) and not (unless and _holds(root, unless)):
            return message.format(root=shlex.quote(str(root)))
    if any(_holds(root, landmark) for landmark in landmarks):
        return None
    for folder in (*root.resolve().parents[:LEVELS], *_subfolders(root)):
        if any(_holds(folder, landmark) for landmark in landmarks):
            return f"the data set lies in {folder}; give that folder"
    if archives := sorted(path.name for path in root.iterdir() if path.name.lower().endswith(ARCHIVES)):
        return f"holds archives that are not unpacked ({listing(archives)}); unpack them there"
    for pattern, flags in LAYOUTS:
        if pattern not in landmarks and _holds(root, pattern):
            return f"is laid out as another data set is; read it with {flags}"
    return None


def refuse_other_part(names: Iterable[str], part: str, patterns: Mapping[str, str]) -> None:
    """Raise an `InputError` if the names show that all label maps of a part belong to another part.

    Args:
        patterns: part -> regular expression for the beginning of its file names.
    """
    names = list(names)
    for other, pattern in patterns.items():
        if other != part and names and all(re.match(pattern, name) for name in names):
            raise InputError(
                f"the folders of the part {part} hold files of the part {other} ({listing(names)}); if the two "
                f"are swapped, rename the folders"
            )


def _holds(folder: Path, pattern: str) -> bool:
    return next(folder.glob(pattern), None) is not None


def _subfolders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
