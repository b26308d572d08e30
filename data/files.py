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


def one_form(name: str) -> str:
    """A name in Unicode's form NFC: macOS writes "ü" as two characters, other systems as one."""
    return unicodedata.normalize("NFC", name)


def without_ending(name: str) -> str:
    """A name without the ending of a picture that is read, if it has one."""
    stem, dot, ending = name.rpartition(".")
    return stem if f"{dot}{ending}".lower() in EXTENSIONS and stem and not stem.endswith("/") else name


def sample_name(path: Path, folder: Path) -> str:
    """The path below `folder` without extension and without the ending of the photo in "photo.jpg.png"."""
    return without_ending(_stem(path, folder))


def _name_before(suffix: str, path: Path, folder: Path) -> str | None:
    """The `sample_name` without `suffix`; None for a file that does not end with it."""
    stem = _stem(path, folder)
    return without_ending(stem.removesuffix(suffix)) if stem.endswith(suffix) else None


def _stem(path: Path, folder: Path) -> str:
    return one_form(without_ending(path.relative_to(folder).with_suffix("").as_posix()))


def by_name(named: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    """Collect (name, path) in natural order of the names; two paths of one name are an `InputError`."""
    found: dict[str, Path] = {}
    for name, path in named:
        name = one_form(name)
        if name in found:
            first, second = sorted([str(found[name]), str(path)])
            same = " in two Unicode forms" if one_form(first) == one_form(second) else ""
            raise InputError(f'{first} and {second} are both called "{name}"{same}; keep one of them or rename it')
        found[name] = path
    return {name: found[name] for name in sorted(found, key=natural_key)}


def find_pictures(
    folder: Path,
    what: str,
    suffix: str = "",
    required: bool = True,
    holds_ids: bool = False,
    other_suffixes: Collection[str] | None = None,
    without: Sequence[Path] = (),
) -> dict[str, Path]:
    """Find the pictures below `folder` by sample name: the relative path without extension and without `suffix`.

    Pictures of kinds that are not read are counted and named on stderr.

    Args:
        what: what the folder should hold, for the message.
        suffix: end of the stem of the wanted files ("_leftImg8bit"); others are passed over.
        required: whether a missing or empty folder is an `InputError`, or just means that there are none.
        holds_ids: of a JPEG and another file of one name, the JPEG is passed over: it cannot hold class ids.
        other_suffixes: files that end so belong to something else, even if they also end with `suffix`; if this is
            given, files with none of all these are counted and named, too.
        without: folders below this one that hold something else.

    Raises:
        InputError: see `required`; also for two files of one name, and folders that cannot be read.
    """
    if not required and not folder.exists():
        return {}
    content = list_folder(folder, f"{what} ({TREES})", without)
    named = _with_suffix(content.pictures, folder, suffix, other_suffixes or ())
    if other_suffixes is not None:
        _warn_of_unnamed(content.pictures, folder, {suffix, *other_suffixes})
    found = by_name(_without_jpegs(named, folder) if holds_ids else named)
    if required and not found:
        raise InputError(f"{folder}: {_none_found(content, suffix)}; it should hold the {what} ({TREES})")
    content.warn_of_left_out(folder)
    return found


def unread_pictures(folder: Path) -> dict[str, Path]:
    """The pictures below a folder whose kinds are not read, by sample name; none where there is no folder."""
    content = list_folder(folder, "pictures") if folder.is_dir() else Listing()
    return {sample_name(path, folder): path for path in content.left_out}


def _with_suffix(
    paths: Iterable[Path], folder: Path, suffix: str, other_suffixes: Collection[str]
) -> list[tuple[str, Path]]:
    """Names and paths of the files that end with `suffix` and with no longer one of the others."""
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
    """That there are no wanted files, and what there is instead."""
    message = f"no files *{suffix}.* of type {', '.join(EXTENSIONS)}"
    if content.pictures:
        return f"{message}, but {files(len(content.pictures))} named otherwise ({_examples(content.pictures)})"
    there = count_endings(content.others + Counter(map(ending_of, content.left_out)))
    return message + (f", but {there}" if there else "")


def _examples(paths: Iterable[Path]) -> str:
    return listing(sorted(path.name for path in paths))


def _without_jpegs(named: list[tuple[str, Path]], folder: Path) -> list[tuple[str, Path]]:
    """Leave out JPEGs that lie beside another file of the same name, and say so once."""
    lossless = {name for name, path in named if path.suffix.lower() not in LOSSY}
    kept = [(name, path) for name, path in named if name not in lossless or path.suffix.lower() not in LOSSY]
    if left := len(named) - len(kept):
        warn_once(f"{folder}: {files(left)} left out: JPEG, beside another file of its name, which is read")
    return kept


def find_beside(folder: Path, suffix: str = "", other_suffixes: Collection[str] = ()) -> Files:
    """Find label maps and photos that lie in one folder under the same names: 1.png with 1.jpg.

    Of each two, the label map is the one whose format loses less. Raises `InputError` where endings do not tell.

    Args:
        suffix: end of the stems of both; files with one of `other_suffixes` are passed over.
    """
    named = defaultdict(list)
    content = list_folder(folder, f"label maps and photos ({TREES})")
    for name, path in _with_suffix(content.pictures, folder, suffix, other_suffixes):
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
    """That all names end with one of two words, such as _mask and _sat; nothing where they do not."""
    ends = {found[0] if (found := re.findall(r"[-_. ][^\W\d_]+$", name)) else "" for name in names}
    return f"; names here end with {' or '.join(sorted(ends))}" if len(ends) == 2 and "" not in ends else ""


def _keeps_ids(path: Path) -> int:
    """0 for formats that change pixels, 1 for those that may, 2 for those that do not."""
    return 0 if path.suffix.lower() in LOSSY else 1 if path.suffix.lower() == ".webp" else 2
