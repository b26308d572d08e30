"""Which photo and which instance map belong to a label map: those of the same name."""

import difflib
import os
import shlex
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from data.files import Files, unread_pictures
from data.listing import EXTENSIONS
from data.names import as_seen, crossings, difference, prefixes_that_pair, suffixes_that_pair
from util.errors import InputError

SHOWN = 3  # names listed in a message before "..."


class SamplePaths(NamedTuple):
    """The files of one sample."""

    name: str
    labels: Path
    image: Path | None
    instances: Path | None

    @property
    def files(self) -> list[Path]:
        """Those files that there are."""
        return [path for path in (self.labels, self.image, self.instances) if path]


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
        fix = advice(labels, others, what)
        raise InputError(f"{folder(labels)} and {folder(others)}: {'; '.join(problems)}; {fix}")
    return [others[name] for name in labels]


def join_by_position(
    labels: dict[str, Path], others: dict[str, Path], what: str, extras_allowed: bool
) -> list[Path] | list[None]:
    """The others as they are ordered; all None when there are none. Equal counts are needed whatever is allowed.

    Raises:
        InputError: also where names say that this would join files of different samples.
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


SAME_NAMES = "give files of one sample the same name"
FLAGS = {"photo": "image_suffix", "instance map": "instance_suffix"}


def advice(labels: dict[str, Path], others: dict[str, Path], what: str) -> str:
    """What to do about names that do not pair: the first of `REMEDIES` that would work."""
    return next(filter(None, (remedy(labels, others, what) for remedy in REMEDIES)), SAME_NAMES)


def _convert(labels: dict[str, Path], others: dict[str, Path], what: str) -> str | None:
    """The partner is there, in a format that is not read."""
    unread = unread_pictures(Path(folder(others)))
    there = [unread[name] for name in labels if name not in others and name in unread]
    if not there:
        unread = unread_pictures(Path(folder(labels)))
        there = [unread[name] for name in others if name not in labels and name in unread]
    if not there:
        return None
    return f"what is missing may be {listing(map(str, there))}, whose format is not read: convert it to PNG or JPEG"


def _rename(labels: dict[str, Path], others: dict[str, Path], what: str) -> str | None:
    """Names look equal, and are not."""
    looks = {as_seen(name): name for name in others if name not in labels}
    for name in labels:
        other = looks.get(as_seen(name))
        if other and name not in others:
            return (
                f'"{name}" of the label maps and "{other}" of the {what}s look alike and differ '
                f"({difference(name, other)}): rename one of them"
            )
    return None


def _add_suffix(labels: dict[str, Path], others: dict[str, Path], what: str) -> str | None:
    """Names have an ending of their own on one side or both."""
    ends = suffixes_that_pair(list(labels), list(others))
    if not ends:
        return None
    flags = " ".join(f"--{flag} {shlex.quote(end)}" for flag, end in zip(("label_suffix", FLAGS[what]), ends) if end)
    return f"names would pair without {' and '.join(filter(None, ends))}: with --dataset_mode custom, add {flags}"


def _strip_prefix(labels: dict[str, Path], others: dict[str, Path], what: str) -> str | None:
    """The same of beginnings, for which there is no flag."""
    starts = prefixes_that_pair(list(labels), list(others))
    return (
        starts and f"names would pair without {' and '.join(filter(None, starts))} at the beginning: rename the files"
    )


def _move(labels: dict[str, Path], others: dict[str, Path], what: str) -> str | None:
    """Names are equal but for their folders."""
    base, other_base = ([PurePosixPath(name).name for name in names] for names in (labels, others))
    if len({*base}) < len(base) or not {*base} <= {*other_base}:
        return None
    return f"names are equal but for the folders ({next(iter(labels))} and {next(iter(others))}): make these alike, too"


def _pair_by_position(labels: dict[str, Path], others: dict[str, Path], what: str) -> str | None:
    """Nothing speaks against it."""
    if len(labels) != len(others) or crossings(list(labels), list(others)):
        return None
    return f"{SAME_NAMES}, or pair them by position with --no_pairing_check"


REMEDIES = (_convert, _rename, _add_suffix, _strip_prefix, _move, _pair_by_position)


def select_listed(samples: list[SamplePaths], file_list: str | Path) -> list[SamplePaths]:
    """Keep the samples that a text file names, in the order they have; `--file_list`.

    The file holds one name a line; empty lines, lines that start with "#" and repetitions do nothing. A name is that of
    the sample ("aachen/aachen_000000_000019") or the path of one of its files from the label or photo folder, or from
    anywhere above it, with or without extension ("leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png").

    Raises:
        InputError: for a list that cannot be read or is empty, and for names that no sample has.
    """
    wanted = read_list(file_list)
    by_name = {sample.name: sample for sample in samples}
    found = {name: by_name.get(name) or by_name.get(_without_extension(name)) for name in wanted}
    if not all(found.values()):  # paths of files: rarer, and a table of 118,287 samples takes seconds
        by_path = {_tail(path, _depth(sample)): sample for sample in samples for path in sample.files}
        found = {name: sample or _find_by_path(name, by_path) for name, sample in found.items()}
    missing = [name for name, sample in found.items() if sample is None]
    if missing:
        near = difflib.get_close_matches(_without_extension(missing[0]), list(by_name), n=2)
        hint = f"near matches of the first: {', '.join(near)}" if near else f"names are like {listing(by_name)}"
        raise InputError(
            f"--file_list {file_list}: {len(missing)} of {len(wanted)} names are not among the {len(samples)} samples "
            f"({listing(missing)}); {hint}"
        )
    kept = {sample.name for sample in found.values()}
    return [sample for sample in samples if sample.name in kept]


def read_list(file_list: str | Path) -> list[str]:
    """The names of a text file as they are written, once each. Raises `InputError` if there are none."""
    try:
        lines = Path(file_list).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError(f"--file_list {file_list}: cannot be read ({reason}); give a text file of names") from error
    names = [line.strip() for line in lines]
    names = list(dict.fromkeys(name for name in names if name and not name.startswith("#")))
    if not names:
        raise InputError(f"--file_list {file_list}: names no sample; write one name a line")
    return names


def _without_extension(name: str) -> str:
    return str(PurePosixPath(name).with_suffix("")) if name.lower().endswith(EXTENSIONS) else name


def _depth(sample: SamplePaths) -> int:
    return len(PurePosixPath(sample.name).parts)


def _tail(path: Path, depth: int) -> tuple[str, ...]:
    """The last parts of a file's path, without extension: as many as its sample's name has."""
    return (*path.parts[:-1], path.stem)[-depth:]


def _find_by_path(name: str, by_path: dict[tuple[str, ...], SamplePaths]) -> SamplePaths | None:
    """The sample with a file whose path ends with all of `name`; the longest tail of `name` that is known decides."""
    parts = PurePosixPath(_without_extension(name)).parts
    for start in range(len(parts)):
        sample = by_path.get(parts[start:])
        if sample and any(_tail(path.absolute(), len(parts)) == parts for path in sample.files):
            return sample
    return None


def listing(names: Iterable[str]) -> str:
    """The first few names."""
    names = list(names)
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def folder(paths: dict[str, Path]) -> str:
    """The innermost folder that holds all `paths`."""
    return os.path.commonpath([path.parent for path in paths.values()])
