"""Advice on file names that do not pair: how they differ, what would pair them, where positions contradict them."""

import os
import re
import shlex
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from data.files import one_form, unread_images, without_ending
from data.listing import CONVERT, EXTENSIONS, listing

# Cyrillic letters that look like Latin ones.
LATIN = str.maketrans("асеорхуіАВЕКМНОРСТХІ", "aceopxyiABEKMHOPCTXI")


def as_seen(name: str) -> str:
    """Normalize a name: equal for names that differ in case, kinds of spaces and dashes, or invisible characters."""
    text = ""
    for character in unicodedata.normalize("NFKC", name).translate(LATIN):
        category = unicodedata.category(character)
        text += {"Cf": "", "Zs": " ", "Pd": "-"}.get(category, "-" if character == "\u2212" else character)
    return re.sub(r" *(/|\.|$) *|^ +", r"\1", re.sub(" +", " ", text)).casefold()


def difference(one: str, other: str) -> str:
    """Say how two names that look equal differ: in case, or in characters, given by their code points."""
    if one.casefold() == other.casefold():
        return "in upper and lower case"
    sides = [", ".join(map(_described, dict.fromkeys(side))) for side in _apart(one, other)]
    return " against ".join(side or "nothing" for side in sides)


def _apart(one: str, other: str) -> tuple[str, str]:
    """Two names without their common beginning and end."""
    start = len(_common_start([one, other]))
    end = min(len(_common_start([one[::-1], other[::-1]])), min(len(one), len(other)) - start)
    return one[start : len(one) - end], other[start : len(other) - end]


def _common_start(texts: Sequence[str]) -> str:
    return os.path.commonprefix(texts)  # noqa: RUF071 (characters are meant, not folders)


def _described(character: str) -> str:
    return f"U+{ord(character):04X} {unicodedata.name(character, 'without a name')}"


def suffixes_that_pair(names: Sequence[str], others: Sequence[str]) -> tuple[str, str] | None:
    """Find suffixes (of `names`, of `others`) without which every name is among the others; None if there are none."""
    ends, other_ends = _common_endings(names), _common_endings(others)
    candidates = [*((end, "") for end in ends), *(("", end) for end in other_ends), *zip(ends[:1], other_ends[:1])]
    for end, other_end in candidates:
        bare = {other.removesuffix(other_end) for other in others}
        if "" not in bare and all(name.removesuffix(end) in bare for name in names):
            return end, other_end
    return None


def prefixes_that_pair(names: Sequence[str], others: Sequence[str]) -> tuple[str, str] | None:
    """Find prefixes of all `names` and all `others` without which every name is among the others."""
    found = suffixes_that_pair([name[::-1] for name in names], [other[::-1] for other in others])
    return found and (found[0][::-1], found[1][::-1])


def _common_endings(names: Sequence[str]) -> list[str]:
    """Candidate suffixes: the common end of all names from its first separator, then from every other non-digit."""
    common = _common_start([name[::-1] for name in names])[::-1].rpartition("/")[2]
    ends = [common[start:] for start, character in enumerate(common) if not character.isdigit()]
    return sorted(ends, key=lambda end: end[0].isalnum())  # stable: the longest first


def crossings(names: Sequence[str], others: Sequence[str]) -> list[tuple[str, str, str]]:
    """Find where pairing by position contradicts names: (name, other at its position, other with a matching name).

    Names match if they are equal apart from the prefix and suffix common to all names of their kind, leading zeros of
    numbers, case, and folders.

    Args:
        names, others: lists of equal length, in the order in which they would be paired.
    """
    bare, other_bare = _bare(names), _bare(others)
    for keys, other_keys in (
        (names, others),
        (bare, other_bare),
        ([key.rpartition("/")[2] for key in bare], [key.rpartition("/")[2] for key in other_bare]),
    ):
        places, other_places = _unique_places(keys), _unique_places(other_keys)
        moved = [(i, other_places[key]) for key, i in places.items() if other_places.get(key, i) != i]
        if moved:
            return [(names[i], others[i], others[j]) for i, j in moved]
    return []


def _unique_places(keys: Sequence[str]) -> dict[str, int]:
    """The position of each key that occurs exactly once."""
    counts = Counter(keys)
    return {key: place for place, key in enumerate(keys) if counts[key] == 1}


def _bare(names: Sequence[str]) -> list[str]:
    """Names without their common prefix and suffix, in lower case, and numbers without leading zeros."""
    end = next(iter(_common_endings(names)), "")
    start = next(iter(_common_endings([name[::-1] for name in names])), "")[::-1]
    shortened = (name.removesuffix(end).removeprefix(start) for name in names)
    return [re.sub(r"0+(?=\d)", "", as_seen(name)) for name in shortened]


SAME_NAMES = "give files of one sample the same name"
FLAGS = {"photo": "image_suffix", "instance map": "instance_suffix"}


def advice(labels: dict[str, Path], others: dict[str, Path], what: str) -> str:
    """What to do about names that do not pair: the first of `REMEDIES` that would work."""
    return next(filter(None, (remedy(labels, others, what) for remedy in REMEDIES)), SAME_NAMES)


def _convert(labels: dict[str, Path], others: dict[str, Path], what: str) -> str | None:
    """Handle missing files that exist in an unsupported format."""
    unread = unread_images(Path(folder(others)))
    there = [unread[name] for name in labels if name not in others and name in unread]
    if not there:
        unread = unread_images(Path(folder(labels)))
        there = [unread[name] for name in others if name not in labels and name in unread]
    if not there:
        return None
    return f"what is missing may be {listing(map(str, there))}, whose format is not read: {CONVERT}"


def _rename(labels: dict[str, Path], others: dict[str, Path], what: str) -> str | None:
    """Handle names that look equal but differ."""
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
    """Handle names with a suffix on one side or both."""
    ends = suffixes_that_pair(list(labels), list(others))
    if not ends:
        return None
    whole = [end + _suffix_now(paths) if end else "" for end, paths in zip(ends, (labels, others))]
    pair = f"names would pair without {' and '.join(filter(None, whole))}"
    if what not in FLAGS:
        return f"{pair}: rename the {what}s"
    flags = " ".join(f"--{flag} {shlex.quote(end)}" for flag, end in zip(("label_suffix", FLAGS[what]), whole) if end)
    return f"{pair}: with --dataset_mode custom, add {flags}"


def _suffix_now(paths: dict[str, Path]) -> str:
    """The suffix that is already stripped from the names, such as that of --label_suffix."""
    name, path = next(iter(paths.items()))
    rest = one_form(without_ending(path.stem)).removeprefix(PurePosixPath(name).name)
    return next((rest[len(ending) :] for ending in EXTENSIONS if rest.lower().startswith(ending)), rest)


def _strip_prefix(labels: dict[str, Path], others: dict[str, Path], what: str) -> str | None:
    """Handle names with a prefix on one side or both, for which there is no flag."""
    starts = prefixes_that_pair(list(labels), list(others))
    return (
        starts and f"names would pair without {' and '.join(filter(None, starts))} at the beginning: rename the files"
    )


def _move(labels: dict[str, Path], others: dict[str, Path], what: str) -> str | None:
    """Handle names that are equal apart from their folders."""
    base, other_base = ([PurePosixPath(name).name for name in names] for names in (labels, others))
    if len({*base}) < len(base) or not {*base} <= {*other_base}:
        return None
    return f"names are equal but for the folders ({next(iter(labels))} and {next(iter(others))}): make these alike, too"


def _move_the_rest(labels: dict[str, Path], others: dict[str, Path], what: str) -> str | None:
    """Handle one side that has all files of the other, and more."""
    if labels.keys() > others.keys():
        return f"every {what} has its label map: give the other label maps a {what} of the same name, or move them away"
    if labels.keys() < others.keys():
        return f"every label map has its {what}: give the other {what}s a label map of the same name, or move them away"
    return None


def _pair_by_position(labels: dict[str, Path], others: dict[str, Path], what: str) -> str | None:
    """Suggest pairing by position, if counts are equal and no names contradict it."""
    if len(labels) != len(others) or crossings(list(labels), list(others)):
        return None
    return f"{SAME_NAMES}, or pair them by position with --no_pairing_check"


REMEDIES = (_convert, _move_the_rest, _rename, _add_suffix, _strip_prefix, _move, _pair_by_position)


def folder(paths: dict[str, Path]) -> str:
    """The innermost folder that holds all `paths`."""
    return os.path.commonpath([path.parent for path in paths.values()])
