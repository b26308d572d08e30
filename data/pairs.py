"""Pairing label maps with the photos and instance maps of the same name."""

import difflib
import re
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

from data.files import Files, one_form, without_ending
from data.listing import listing
from data.names import advice, crossings, folder
from util.errors import InputError
from util.text import read_text

HEADING = re.compile(
    r"(image|img|photo|picture|input|mask|label|annotation|ann|target|seg|segmentation|gt|instance|inst|file|sample)?s?"
    r"[ _-]?(name|path|file|filename|id|map)?s?",
    re.IGNORECASE,
)
"""Column names in the first line of a table."""
SEPARATORS = "\t,; "  # of columns


class SamplePaths(NamedTuple):
    """The files of one sample."""

    name: str
    labels: Path
    image: Path | None
    instances: Path | None

    @property
    def files(self) -> list[Path]:
        """The paths that are not None."""
        return [path for path in (self.labels, self.image, self.instances) if path]


def pair_files(files: Files, check_names: bool, extras_allowed: bool) -> list[SamplePaths]:
    """Join the files of each sample, in the order of the label maps.

    Args:
        check_names: pair equal names; otherwise by position in natural order, for which the counts must be equal.
        extras_allowed: ignore photos and instance maps without a label map instead of refusing them. (Testing needs
            label maps only; in training an extra photo is probably a misnamed file.)

    Raises:
        InputError: names are missing or left over; the message says which, and where.
    """
    join = join_by_name if check_names else join_by_position
    images = join(files.labels, files.images, "photo", extras_allowed)
    instances = join(files.labels, files.instances, "instance map", extras_allowed)
    rows = zip(files.labels.items(), images, instances, strict=True)
    return [SamplePaths(name, labels, image, instance) for (name, labels), image, instance in rows]


def join_by_name(
    labels: dict[str, Path], others: dict[str, Path], what: str, extras_allowed: bool
) -> list[Path] | list[None]:
    """Return the path in `others` for the name of each label map; all None if `others` is empty."""
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
        fix = advice(labels, others, what)
        raise InputError(f"{folder(labels)} and {folder(others)}: {'; '.join(problems)}; {fix}")
    return [others[name] for name in labels]


def join_by_position(
    labels: dict[str, Path], others: dict[str, Path], what: str, extras_allowed: bool
) -> list[Path] | list[None]:
    """Return the paths of `others` in order; all None if it is empty. The counts must be equal.

    Raises:
        InputError: the counts differ, or names show that this would join files of different samples.
    """
    if not others:
        return [None] * len(labels)
    if len(labels) != len(others):
        raise InputError(
            f"--no_pairing_check: {folder(labels)} holds {len(labels)} label maps and {folder(others)} "
            f"{len(others)} {what}s; pairing by position needs equal counts"
        )
    if wrong := crossings(list(labels), list(others)):
        examples = " and ".join(
            f"{labels[name].name} with {others[at].name} (not {others[due].name})" for name, at, due in wrong[:2]
        )
        fix = (
            "leave the flag out"
            if labels.keys() == others.keys()
            else f"leave the flag out; {advice(labels, others, what)}"
        )
        raise InputError(f"--no_pairing_check: would pair {examples}; {fix}")
    return list(others.values())


def select_listed(samples: list[SamplePaths], file_list: str | Path) -> list[SamplePaths]:
    """Keep the samples that a text file (`--file_list`) names, in their original order.

    The file holds one name per line; empty lines, lines that start with "#" and repetitions are ignored. A name is that
    of the sample ("aachen/aachen_000000_000019") or the path of one of its files, relative to the label or photo folder
    or to any folder above, with or without extension
    ("leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png"). Lists from other systems and programs are
    accepted: every encoding of `read_text`, backslashes, paths of another machine, quotes, and columns that name files
    of one sample, with or without a header line.

    Raises:
        InputError: the list cannot be read or is empty, or it holds names that no sample has.
    """
    wanted = read_list(file_list)
    find = SampleFinder(samples)
    found = {line: find(line) for line in wanted}
    if found[wanted[0]] is None and len(wanted) > 1 and is_heading(wanted[0]):
        del found[wanted[0]]
    missing = [name for name, sample in found.items() if sample is None]
    if missing:
        near = difflib.get_close_matches(without_ending(missing[0]), list(find.by_name), n=2)
        hint = f"near matches of the first: {', '.join(near)}" if near else f"names are like {listing(find.by_name)}"
        if any(map(find, columns_of(missing[0]))):
            hint = "all columns of a line must name files of one sample: leave one column"
        raise InputError(
            f"--file_list {file_list}: {len(missing)} of {len(wanted)} names are not among the {len(samples)} samples "
            f"({listing(missing)}); {hint}"
        )
    kept = {sample.name for sample in found.values() if sample}
    return [sample for sample in samples if sample.name in kept]


def read_list(file_list: str | Path) -> list[str]:
    """The distinct lines of a text file, without empty lines and comments. Raises `InputError` if there are none."""
    try:
        lines = read_text(file_list, "a text file with one name a line").split("\n")
    except InputError as error:
        raise InputError(f"--file_list {error}") from error
    names = [line.strip() for line in lines]
    names = list(dict.fromkeys(one_form(name) for name in names if name and not name.startswith("#")))
    if not names:
        raise InputError(f"--file_list {file_list}: names no sample; write one name a line")
    return names


def is_heading(line: str) -> bool:
    """Whether a line is a header such as `image,mask` and not the name of a sample."""
    return all(HEADING.fullmatch(column) for column in columns_of(line) or [line.strip("\"' ")])


def columns_of(line: str) -> list[str]:
    """Split a line at the first of `SEPARATORS` that it holds and strip quotes; [] if it holds none."""
    separator = next((sign for sign in SEPARATORS if sign in line.strip()), None)
    columns = line.split(separator) if separator else []
    return [bare for column in columns if (bare := column.strip().strip("\"'").strip())]


class SampleFinder:
    """Finds the sample that a line of a list names; None if there is none."""

    def __init__(self, samples: list[SamplePaths]):
        self.samples = samples
        self.by_name = {sample.name: sample for sample in samples}

    @cached_property
    def by_path(self) -> dict[tuple[str, ...], SamplePaths]:
        """Samples by the last parts of their files' paths, as many as the name has; 118,287 samples take seconds."""
        return {_tail(path, _depth(sample)): sample for sample in self.samples for path in sample.files}

    def __call__(self, line: str) -> SamplePaths | None:
        unquoted = line.strip(" ,;\t").strip("\"'").strip()
        spellings = dict.fromkeys([line, unquoted, PureWindowsPath(unquoted).as_posix()])
        for find in (self._by_name, self._by_path):
            for name in spellings:
                if sample := find(name):
                    return sample
        return self._by_columns(line)

    def _by_name(self, name: str) -> SamplePaths | None:
        return self.by_name.get(name) or self.by_name.get(without_ending(name))

    def _by_path(self, name: str) -> SamplePaths | None:
        """The sample with a file whose path ends with `name`; tries the longest end first."""
        path = PureWindowsPath(name) if PureWindowsPath(name).drive else PurePosixPath(name)
        parts = (*path.parts[:-1], without_ending(path.name))
        for start in range(len(parts)):
            sample = self.by_path.get(parts[start:])
            if sample and any(_tail(file.absolute(), len(parts)) == parts for file in sample.files):
                return sample
            if sample and start and path.anchor and _is_of_another_machine(name, parts[start - 1], sample):
                return sample
        return None

    def _by_columns(self, line: str) -> SamplePaths | None:
        """The sample that all columns of a line name, for example by photo and label map."""
        for separator in SEPARATORS:
            columns = [column for column in line.split(separator) if column.strip()]
            found = [self(column.strip()) for column in columns] if len(columns) > 1 else []
            if found and found[0] and all(sample is found[0] for sample in found):
                return found[0]
        return None


def _depth(sample: SamplePaths) -> int:
    return len(PurePosixPath(sample.name).parts)


def _tail(path: Path, depth: int) -> tuple[str, ...]:
    """The last `depth` parts of a path, without extension."""
    return tuple(map(one_form, (*path.parts[:-1], path.stem)[-depth:]))


def _is_of_another_machine(name: str, above: str, sample: SamplePaths) -> bool:
    """Whether an absolute path does not exist here and may name the sample on another machine.

    Args:
        above: the folder in the path that holds the sample. If the sample's folder has a sibling of that name ("train"
            beside "val"), the path names a file in the sibling instead.
    """
    if Path(name).exists():
        return False
    roots = [file.absolute().parents[_depth(sample) - 1] for file in sample.files]
    return any(root.name == above for root in roots) or not any((root.parent / above).is_dir() for root in roots)
