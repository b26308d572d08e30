"""Finding the files of a data set on disk."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data.listing import EXTENSIONS, LOSSY, Listing, count_endings, ending_of, files, list_folder, listing
from util.errors import InputError
from util.warn import warn_once

TREES = "datasets/README.md shows the expected tree"
APART = (
    "tell label maps and photos apart by what their names end with (--label_suffix _mask), or put them into two folders"
)


@dataclass(frozen=True)
class Files:
    """The files of a data set by sample name, in natural order; a kind that the data set lacks is empty."""

    labels: dict[str, Path]
    images: dict[str, Path] = field(default_factory=dict)
    instances: dict[str, Path] = field(default_factory=dict)


def split_of(phase: str) -> str:
    """The part of a data set for a phase: testing uses the validation part, because its labels are public."""
    return "val" if phase == "test" else phase


def natural_key(text: str) -> tuple[list[str | int], str]:
    """Sort key under which "b2" comes before "b10". The text itself breaks ties ("b2", "b02")."""
    parts = re.split(r"(\d+)", text)  # text at even positions, digits at odd ones, so that lists compare item by item
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], text


def one_form(name: str) -> str:
    """Return a name in Unicode form NFC: macOS writes "ü" as two characters, other systems as one."""
    return unicodedata.normalize("NFC", name)


def without_ending(name: str) -> str:
    """Return a name without its extension, if that is one of `EXTENSIONS`."""
    stem, dot, ending = name.rpartition(".")
    return stem if f"{dot}{ending}".lower() in EXTENSIONS and stem and not stem.endswith("/") else name


def sample_name(path: Path, folder: Path) -> str:
    """The path below `folder` without extensions: both of them for "photo.jpg.png"."""
    return without_ending(_stem(path, folder))


def _name_before(suffix: str, path: Path, folder: Path) -> str | None:
    """The `sample_name` without `suffix`; None for a file that does not end with it."""
    stem = _stem(path, folder)
    return without_ending(stem.removesuffix(suffix)) if stem.endswith(suffix) else None


def _stem(path: Path, folder: Path) -> str:
    return one_form(without_ending(path.relative_to(folder).with_suffix("").as_posix()))


def by_name(named: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    """Collect (name, path) in natural order of the names. Raises `InputError` for two paths of one name."""
    found: dict[str, Path] = {}
    for name, path in named:
        name = one_form(name)
        if name in found:
            first, second = sorted([str(found[name]), str(path)])
            same = " in two Unicode forms" if one_form(first) == one_form(second) else ""
            raise InputError(f'{first} and {second} are both called "{name}"{same}; keep one of them or rename it')
        found[name] = path
    return {name: found[name] for name in sorted(found, key=natural_key)}


def find_image_files(
    folder: Path,
    what: str,
    suffix: str = "",
    required: bool = True,
    holds_ids: bool = False,
    other_suffixes: Collection[str] | None = None,
    without: Sequence[Path] = (),
    more_endings: Collection[str] = (),
) -> dict[str, Path]:
    """Find the images below `folder` by sample name: the relative path without extension and without `suffix`.

    Image files in unsupported formats are counted and named on stderr.

    Args:
        what: what the folder should hold, for the message.
        suffix: end of the stem of the wanted files ("_leftImg8bit"); other files are ignored.
        required: whether a missing or empty folder is an `InputError` or an empty result.
        holds_ids: if a JPEG and another file have the same name, ignore the JPEG, which cannot hold class ids.
        other_suffixes: suffixes of other kinds of file in the folder. A file belongs to the longest suffix it ends
            with; if this is given, files that end with none are counted and named, too.
        without: subfolders to leave out.
        more_endings: extensions besides `EXTENSIONS` of files to find.

    Raises:
        InputError: see `required`; also for two files of one name, and for folders that cannot be read.
    """
    if not required and not folder.exists():
        return {}
    content = list_folder(folder, f"{what} ({TREES})", without)
    content.images += [path for path in content.left_out if path.suffix.lower() in more_endings]
    content.left_out = [path for path in content.left_out if path.suffix.lower() not in more_endings]
    named = _with_suffix(content.images, folder, suffix, other_suffixes or ())
    if other_suffixes is not None:
        _warn_of_unnamed(content.images, folder, {suffix, *other_suffixes})
    found = by_name(_without_jpegs(named, folder) if holds_ids else named)
    if required and not found:
        raise InputError(f"{folder}: {_none_found(content, suffix)}; it should hold the {what} ({TREES})")
    content.warn_of_left_out(folder)
    return found


def unread_images(folder: Path) -> dict[str, Path]:
    """Find image files in unsupported formats below a folder, by sample name; none if the folder does not exist."""
    content = list_folder(folder, "images") if folder.is_dir() else Listing()
    return {sample_name(path, folder): path for path in content.left_out}


def _with_suffix(
    paths: Iterable[Path], folder: Path, suffix: str, other_suffixes: Collection[str]
) -> list[tuple[str, Path]]:
    """Names and paths of the files that end with `suffix`, unless they end with a longer one of the others."""
    longer = tuple(other for other in other_suffixes if other.endswith(suffix) and other != suffix)
    named = ((_name_before(suffix, path, folder), path) for path in paths)
    return [
        (name, path)
        for name, path in named
        if name is not None and not any(_name_before(other, path, folder) for other in longer)
    ]


def _warn_of_unnamed(paths: Iterable[Path], folder: Path, suffixes: Collection[str]) -> None:
    passed = [path for path in paths if all(_name_before(suffix, path, folder) is None for suffix in suffixes)]
    if passed:
        ends = " or ".join(f"*{suffix}.*" for suffix in sorted(suffixes))
        warn_once(f"{folder}: {files(len(passed))} left out, not named {ends} ({_examples(passed)})")


def _none_found(content: Listing, suffix: str) -> str:
    """Say that the wanted files are missing, and what the folder holds instead."""
    message = f"no files *{suffix}.* of type {', '.join(EXTENSIONS)}"
    if content.images:
        return f"{message}, but {files(len(content.images))} named otherwise ({_examples(content.images)})"
    there = count_endings(content.others + Counter(map(ending_of, content.left_out)))
    return message + (f", but {there}" if there else "")


def _examples(paths: Iterable[Path]) -> str:
    return listing(sorted(path.name for path in paths))


def _without_jpegs(named: list[tuple[str, Path]], folder: Path) -> list[tuple[str, Path]]:
    """Leave out JPEGs beside another file of the same name, with one warning."""
    lossless = {name for name, path in named if path.suffix.lower() not in LOSSY}
    kept = [(name, path) for name, path in named if name not in lossless or path.suffix.lower() not in LOSSY]
    if left := len(named) - len(kept):
        warn_once(f"{folder}: {files(left)} left out: JPEG, beside another file of its name, which is read")
    return kept


def find_beside(folder: Path, suffix: str = "", other_suffixes: Collection[str] = ()) -> Files:
    """Find label maps and photos that lie in one folder under the same names: 1.png with 1.jpg.

    The label map is the file in the format that loses less. Raises `InputError` if the extensions do not tell.

    Args:
        suffix: end of the stems of both; files with one of `other_suffixes` are ignored.
    """
    named = defaultdict(list)
    content = list_folder(folder, f"label maps and photos ({TREES})")
    for name, path in _with_suffix(content.images, folder, suffix, other_suffixes):
        named[name].append(path)
    refusal = InputError(
        f"{folder}: holds label maps and photos, and their endings do not tell which is which; {APART}{_ends(named)}"
    )
    endings = {True: set(), False: set()}  # of label maps, and of photos
    for paths in named.values():
        if len(paths) > 1:
            photo, *_, label_map = sorted(paths, key=_keeps_ids)
            if _keeps_ids(photo) == _keeps_ids(label_map):
                raise refusal
            endings[True].add(label_map.suffix.lower())
            endings[False].add(photo.suffix.lower())
    if not endings[True] or endings[True] & endings[False]:
        raise refusal
    content.warn_of_left_out(folder)
    all_named = [(name, path) for name, paths in named.items() for path in paths]
    return Files(
        by_name((name, path) for name, path in all_named if path.suffix.lower() not in endings[False]),
        by_name((name, path) for name, path in all_named if path.suffix.lower() in endings[False]),
    )


def _ends(names: Iterable[str]) -> str:
    """Say that all names end with one of two words, such as _mask and _sat; "" if they do not."""
    ends = {found[0] if (found := re.findall(r"[-_. ][^\W\d_]+$", name)) else "" for name in names}
    return f"; names here end with {' or '.join(sorted(ends))}" if len(ends) == 2 and "" not in ends else ""


def _keeps_ids(path: Path) -> int:
    """Rank of a format: 0 if it is lossy, 1 if it may be, 2 if it is lossless."""
    return 0 if path.suffix.lower() in LOSSY else 1 if path.suffix.lower() == ".webp" else 2
