"""EXIF orientation: find the files of a data set that have one, and warn about them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from data.opening import ON_ITS_SIDE, UPRIGHT, Size, orientation_of
from data.pairs import SamplePaths, listing
from util.distributed import is_main_process
from util.errors import InputError
from util.warn import warn_once

MOST_LOOKED_AT = 2000
"""Files of each kind that are inspected. Reading a header takes 0.05 to 0.1 ms from the page cache, so 0.2 s for all
photos, and 5 to 10 ms from a hard disk or a network, so at most 20 s at the start of a training."""


def check_same_size(labels: Path, labels_size: Size, other: Path, other_size: Size, upright: bool) -> None:
    """Raise an `InputError` if a photo or instance map differs in size from its label map.

    Args:
        labels_size, other_size: width and height as read.
        upright: whether EXIF orientations were applied (--apply_exif).
    """
    if labels_size == other_size:
        return
    message = (
        f"{labels} is {labels_size[0]}x{labels_size[1]} but {other} is {other_size[0]}x{other_size[1]}; the files of a "
        f"sample must have one size"
    )
    on_side = [path for path in (labels, other) if orientation_of(path) in ON_ITS_SIDE]
    if labels_size == other_size[::-1] and len(on_side) == 1:
        fix = "leave out --apply_exif, which did so" if upright else "--apply_exif does so"
        message += f" (the EXIF orientation of {on_side[0].name} says to turn it by 90 degrees: {fix})"
    raise InputError(message)


def by_kind(samples: Sequence[SamplePaths]) -> dict[str, list[Path]]:
    """Group the files of samples by kind, for `warn_of_turned`."""
    kinds = {
        "photos": [sample.image for sample in samples],
        "label maps": [sample.labels for sample in samples],
        "instance maps": [sample.instances for sample in samples],
    }
    return {kind: [path for path in paths if path] for kind, paths in kinds.items()}


def warn_of_turned(files: Mapping[str, Sequence[Path]]) -> None:
    """Warn once, in one line, if files have an EXIF orientation that will not be applied.

    Args:
        files: by kind, in the plural. At most `MOST_LOOKED_AT` of each kind, evenly spaced, are inspected.
    """
    if not is_main_process():
        return
    looked_at = {kind: spread(paths) for kind, paths in files.items()}
    turned = {kind: [str(p) for p in paths if orientation_of(p) != UPRIGHT] for kind, paths in looked_at.items()}
    if any(turned.values()):
        is_part = any(len(files[kind]) > len(paths) for kind, paths in looked_at.items())
        more = "; not all files were looked at, which python -m scripts.prepare check does" if is_part else ""
        counts = {kind: len(paths) for kind, paths in looked_at.items()}
        warn_once(f"{describe_turned(turned, counts)}{more}")


def spread(paths: Sequence[Path], most: int = MOST_LOOKED_AT) -> Sequence[Path]:
    """Select at most `most` paths, evenly spaced."""
    return paths[:: -(-len(paths) // most) or 1]


def describe_turned(turned: Mapping[str, Sequence[str]], counts: Mapping[str, int]) -> str:
    """One line about files with an EXIF orientation.

    Args:
        turned: their names by kind.
        counts: number of inspected files by kind.
    """
    parts = [f"{len(names)} of {counts[kind]} {kind} ({listing(names)})" for kind, names in turned.items() if names]
    return (
        f"{' and '.join(parts)} have an EXIF orientation: viewers show them turned or mirrored, and here pixels are "
        f"used as they are stored; if the label maps lie over what a viewer shows, add --apply_exif"
    )
