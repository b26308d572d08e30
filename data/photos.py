"""Warnings about readable photos with hidden colors, or with 16 bits per channel of which only the lower are used."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL.ImageFile import ImageFile

from data.listing import listing
from data.opening import open_image, opened
from data.orientation import spread
from data.read import read_image
from util.distributed import is_main_process
from util.errors import InputError
from util.warn import warn_once

MOST_DECODED = 20  # photos, at the start of a program: 2 megapixels of PNG take 0.05 s
WITH_ALPHA = ("RGBA", "LA", "PA", "La")  # Pillow's modes; the last band is the opacity
DARK = 63  # of 255: white of 14 bits, the most that cameras record, read as 16 bits


class Trait(NamedTuple):
    """A property of photos that is warned about.

    Attributes:
        is_possible: whether the header allows it; cheap.
        is_so: whether the pixels have it.
        words: predicate of the warning, whose subject are the photos, with the fix.
    """

    is_possible: Callable[[ImageFile], bool]
    is_so: Callable[[Path], bool]
    words: str


def _has_deep_channels(head: ImageFile) -> bool:
    """Whether a file holds more than 8 bits per channel, by Pillow's names of its mode and stored pixel format."""
    return head.mode.startswith("I") or any(re.search(r";1[26]", str(tile[-1])) for tile in head.tile)


def _is_transparent(path: Path) -> bool:
    image = open_image(path)
    if image.mode in ("1", "L", "P", "RGB"):  # these may have a transparent color or transparent palette entries
        image = image.convert("RGBA")
    if image.mode not in WITH_ALPHA:
        return False
    return bool((np.asarray(image.getchannel(image.getbands()[-1])) < 255).any())


def _is_dark(path: Path) -> bool:
    return int(np.asarray(read_image(path)).max()) <= DARK


TRAITS = {
    "transparent_photos": Trait(
        # Not Pillow's `has_transparency_data`, which fails for a palette image without a palette.
        lambda head: "transparency" in head.info or head.mode in WITH_ALPHA,
        _is_transparent,
        "are transparent in places: viewers show a background there, and here the hidden colors in the file are used, "
        "as if opaque; lay them over the background that is meant (magick IN.png -background white -flatten OUT.png)",
    ),
    "deep_photos": Trait(
        _has_deep_channels,
        _is_dark,
        f"come out dark, at most {DARK} of 255: the upper 8 bits of 16 a channel are used, and these hold values of 14 "
        "bits or fewer; multiply them so that white is 65535, or save the photos with 8 bits",
    ),
}


def traits(path: Path) -> list[str]:
    """The keys of `TRAITS` that hold for a photo; [] if it cannot be read, which is reported when it is used."""
    try:
        return [kind for kind in _possible(path) if TRAITS[kind].is_so(path)]
    except InputError:
        return []


def _possible(path: Path) -> list[str]:
    try:
        with opened(path) as head:
            return [kind for kind, trait in TRAITS.items() if trait.is_possible(head)]
    except InputError:
        return []


def warn_of_photos(paths: Sequence[Path], what: str = "photos") -> None:
    """Warn once of photos with one of the `TRAITS`, in one line for each trait.

    Args:
        paths: of many paths, evenly spaced ones are inspected.
        what: the kind of photos, in the plural.
    """
    if not is_main_process():
        return
    heads = spread(paths)
    possible = [(path, _possible(path)) for path in heads]
    for kind in TRAITS:
        candidates = [path for path, kinds in possible if kind in kinds]
        looked_at = spread(candidates, MOST_DECODED)
        names = [str(path) for path in looked_at if kind in traits(path)]
        if names:
            is_part = len(looked_at) < len(candidates) or len(heads) < len(paths)
            more = "; not all files were looked at, which python -m scripts.prepare check does" if is_part else ""
            count = len(looked_at) if len(looked_at) < len(candidates) else len(heads)
            warn_once(f"{describe(kind, names, count, what)}{more}")


def describe(kind: str, names: Sequence[str], count: int, what: str = "photos") -> str:
    """Describe in one line the photos with a trait, of `count` that were inspected."""
    return f"{len(names)} of {count} {what} ({listing(names)}) {TRAITS[kind].words}"
