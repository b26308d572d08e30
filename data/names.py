"""How the names of files that belong together differ: what they would pair by, and where positions contradict them."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

# Letters of the Cyrillic alphabet that look like Latin ones.
LATIN = str.maketrans("асеорхуіАВЕКМНОРСТХІ", "aceopxyiABEKMHOPCTXI")


def as_seen(name: str) -> str:
    """What a reader sees: alike for names that differ in case, kinds of spaces and dashes, or invisible characters."""
    text = ""
    for character in unicodedata.normalize("NFKC", name).translate(LATIN):
        category = unicodedata.category(character)
        text += {"Cf": "", "Zs": " ", "Pd": "-"}.get(category, "-" if character == "\u2212" else character)
    return re.sub(r" *(/|\.|$) *|^ +", r"\1", re.sub(" +", " ", text)).casefold()


def difference(one: str, other: str) -> str:
    """Why two names that look equal are not: letters of another case, or characters by their code points."""
    if one.casefold() == other.casefold():
        return "in upper and lower case"
    sides = [", ".join(map(_described, dict.fromkeys(side))) for side in _apart(one, other)]
    return " against ".join(side or "nothing" for side in sides)


def _apart(one: str, other: str) -> tuple[str, str]:
    """The parts of two names between what they begin and end with alike."""
    start = len(_common_start([one, other]))
    end = min(len(_common_start([one[::-1], other[::-1]])), min(len(one), len(other)) - start)
    return one[start : len(one) - end], other[start : len(other) - end]


def _common_start(texts: Sequence[str]) -> str:
    return os.path.commonprefix(texts)  # noqa: RUF071 (characters are meant, not folders)


def _described(character: str) -> str:
    return f"U+{ord(character):04X} {unicodedata.name(character, 'without a name')}"


def suffixes_that_pair(names: Sequence[str], others: Sequence[str]) -> tuple[str, str] | None:
    """The endings (of `names`, of `others`) without which every name is among the others; None if there are none."""
    ends, other_ends = _common_endings(names), _common_endings(others)
    candidates = [*((end, "") for end in ends), *(("", end) for end in other_ends), *zip(ends[:1], other_ends[:1])]
    for end, other_end in candidates:
        bare = {other.removesuffix(other_end) for other in others}
        if "" not in bare and all(name.removesuffix(end) in bare for name in names):
            return end, other_end
    return None


def prefixes_that_pair(names: Sequence[str], others: Sequence[str]) -> tuple[str, str] | None:
    """The beginnings that all names and all others have, and without which every name is among the others."""
    found = suffixes_that_pair([name[::-1] for name in names], [other[::-1] for other in others])
    return found and (found[0][::-1], found[1][::-1])


def _common_endings(names: Sequence[str]) -> list[str]:
    """What all names end with: cut before its first separator, then at every other place that is no digit."""
    common = _common_start([name[::-1] for name in names])[::-1].rpartition("/")[2]
    ends = [common[start:] for start, character in enumerate(common) if not character.isdigit()]
    return sorted(ends, key=lambda end: end[0].isalnum())  # stable: the longest first


def crossings(names: Sequence[str], others: Sequence[str]) -> list[tuple[str, str, str]]:
    """Where pairing by position contradicts names: (name, the other at its position, the other it seems to belong to).

    Names belong together if they are equal, or equal but for what all of a kind begin and end with, for zeros before
    numbers, for case, and for folders.

    Args:
        names, others: as many of each, in the order in which they would be paired.
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
    """Where each key is that occurs once."""
    counts = Counter(keys)
    return {key: place for place, key in enumerate(keys) if counts[key] == 1}


def _bare(names: Sequence[str]) -> list[str]:
    """Names without what all of them begin and end with, in small letters, numbers without leading zeros."""
    end = next(iter(_common_endings(names)), "")
    start = next(iter(_common_endings([name[::-1] for name in names])), "")[::-1]
    shortened = (name.removesuffix(end).removeprefix(start) for name in names)
    return [re.sub(r"0+(?=\d)", "", as_seen(name)) for name in shortened]
