"""Folders of pictures that somebody names for an evaluation: found, of one size, and paired by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from data.files import find_image_files
from data.listing import EXTENSIONS, why_no_folder
from data.pairs import listing
from data.read import image_size
from util.errors import InputError
from util.results_page import RESULTS


def pictures_in(folder: Path, what: str, flag: str) -> dict[str, Path]:
    """The pictures below a folder by name, in natural order.

    Args:
        what: they are, in the plural.
        flag: by which the folder was given.
    Raises:
        InputError: there is no such folder, or none of these pictures in it.
    """
    if folder.is_file() and folder.suffix == ".npz":
        raise InputError(f"{flag} {folder}: is a file of statistics; give it with --real_statistics")
    if not folder.is_dir():
        raise InputError(f"{flag} {folder}: {why_no_folder(folder)}; it should hold the {what}")
    test = folder / "images" / RESULTS
    if flag == "--fake" and test.is_dir():
        raise InputError(f"--fake {folder}: is the folder of a whole test; its images alone are in {test}")
    found = find_image_files(folder, what, required=False)
    if not found:
        raise InputError(f"{flag} {folder}: holds no {what}, which are files of type {', '.join(EXTENSIONS)}")
    return found


def check_one_size(paths: Sequence[Path]) -> None:
    """Raise an `InputError` that names two images of different sizes, if there are such. Only heads are read."""
    first, size = paths[0], image_size(paths[0])
    for path in paths:
        if (other := image_size(path)) != size:
            raise InputError(
                f"{path} is {other[0]}x{other[1]}, and {first} {size[0]}x{size[1]}; the images of one set must have "
                f"one size: generate all of them with one --crop_size"
            )


def pair(
    names: Sequence[str],
    source: str,
    found: Mapping[str, Path],
    what: str,
    where: Path,
    extras_allowed: bool,
    fix: str = "files of one sample must have the same name",
) -> list[Path]:
    """The file of every name, in their order.

    Args:
        names: of the samples.
        source: where these names come from, in words.
        found: files by name in the folder `where`.
        what: they are, in the singular.
        extras_allowed: pass over files that have none of the names.
        fix: what to do about it.
    Raises:
        InputError: a name without file, or a file without name; the message has the first few.
    """
    missing = [name for name in names if name not in found]
    known = set(names)
    extra = [] if extras_allowed else [name for name in found if name not in known]
    problems = []
    if missing:
        problems.append(f"has no {what} for {len(missing)} of the {len(names)} names in {source} ({listing(missing)})")
    if extra:
        problems.append(
            f"holds {len(extra)} of {len(found)} {what}s under names that {source} lacks ({listing(extra)})"
        )
    if problems:
        first = len(names) - len(missing)
        in_order = first >= 2 and not extra and missing == list(names[first:])
        fewer = f", or score the first ones with --how_many {first}" if in_order else ""
        raise InputError(f"{where}: {'; '.join(problems)}; {fix}{fewer}")
    return [found[name] for name in names]
