"""Finds images in folders that the user names for an evaluation, checks their sizes, and pairs them by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from data.files import find_image_files
from data.listing import EXTENSIONS, why_no_folder
from data.pairs import listing
from data.read import image_size
from util.errors import InputError
from util.results_page import RESULTS


def images_in(folder: Path, what: str, flag: str) -> dict[str, Path]:
    """The image files in a folder and its subfolders by name, in natural order.

    Args:
        what: kind of the images, in the plural, for messages.
        flag: option that named the folder.
    Raises:
        InputError: there is no such folder, or no image in it.
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
    """Raise an `InputError` that names two images of different sizes, if there are any. Reads only file headers."""
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
    """The files of samples, in the order of `names`.

    Args:
        names: of the samples.
        source: origin of the names, for messages.
        found: files by name in the folder `where`.
        what: kind of the files, in the singular, for messages.
        extras_allowed: whether to ignore files with other names.
        fix: advice, for messages.
    Raises:
        InputError: a sample without file, or a file without sample; the message lists the first few.
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
