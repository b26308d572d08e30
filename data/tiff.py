"""TIFF files whose pixels Pillow decodes to other numbers than were written, without a word."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, TiffImagePlugin

from util.errors import InputError

YCBCR = 6  # photometric interpretation; 0 is white is zero
BY_PLANE = 2  # planar configuration: all red samples first, then all green ones, then all blue ones
LOWEST_BIT_FIRST = 2  # fill order
UNSIGNED, SIGNED = 1, 2  # sample formats


class Head(NamedTuple):
    """What the head of a TIFF says about its pixels."""

    bits: int
    sample_format: int
    photometric: int
    planes: int
    fill_order: int
    subsampling: tuple[int, int]
    is_raw: bool  # not compressed: Pillow decodes it by itself, and all others by libtiff


# What is decoded wrongly whatever its pixels: a test of the head, and the words for it.
MISREAD: tuple[tuple[Callable[[Head], bool], str], ...] = (
    (
        lambda head: (
            head.planes == BY_PLANE
            and head.is_raw
            and (head.bits != 8 or head.photometric == 0 or head.fill_order == LOWEST_BIT_FIRST)
        ),
        "stores {bits}-bit channels one after the other (PlanarConfiguration 2) without compression",
    ),
    (lambda head: head.bits > 8 and head.photometric == 0, "stores {bits}-bit samples with 0 for white"),
    (
        lambda head: head.photometric == YCBCR and head.is_raw and head.subsampling != (1, 1),
        "stores YCbCr colors of fewer pixels than it has, without compression",
    ),
)


def refuse_misread(picture: Image.Image, path: Path) -> None:
    """Raise an `InputError` for a TIFF, not decoded yet, of a kind that is decoded wrongly. Others pass."""
    if not isinstance(picture, TiffImagePlugin.TiffImageFile):
        return
    head = _head(picture)
    for is_misread, what in MISREAD:
        if is_misread(head):
            raise InputError(
                f"{path}: {what.format(bits=head.bits)}, which is not read rightly here; "
                f"save it as a PNG, or as a TIFF with interleaved channels and 0 for black"
            )


def refuse_wrapped(picture: Image.Image, path: Path) -> None:
    """Raise an `InputError` for a decoded TIFF with numbers that its mode cannot hold, and holds as others instead."""
    if not isinstance(picture, TiffImagePlugin.TiffImageFile):
        return
    head = _head(picture)
    if (head.bits, head.sample_format) == (8, SIGNED) and (values := np.asarray(picture)).max() > np.iinfo(np.int8).max:
        number = int(values.view(np.int8).min())
        what = f"holds negative numbers of 8 bits, such as {number}"
        fix = "number the classes from 0, and write 255 for unknown; photos need levels from 0 to 255"
    elif (head.bits, head.sample_format) == (32, UNSIGNED) and (values := np.asarray(picture)).min() < 0:
        number = int(values.view(np.uint32).max())
        what = f"holds numbers of 32 bits above {np.iinfo(np.int32).max:,}, such as {number}"
        fix = "save it with ids of 8 or 16 bits, and pixels without data as 255, which is unknown"
    else:
        return
    raise InputError(f"{path}: {what}, which are not read here; {fix}")


def _head(picture: TiffImagePlugin.TiffImageFile) -> Head:
    """Read the tags; where one is missing, its default."""
    tags = picture.tag_v2

    def largest(tag: int, default: int) -> int:
        values = tags.get(tag, default)
        return max(values) if isinstance(values, tuple) else values

    return Head(
        bits=largest(TiffImagePlugin.BITSPERSAMPLE, 1),
        sample_format=largest(TiffImagePlugin.SAMPLEFORMAT, UNSIGNED),
        photometric=largest(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION, 0),
        planes=largest(TiffImagePlugin.PLANAR_CONFIGURATION, 1),
        fill_order=largest(TiffImagePlugin.FILLORDER, 1),
        # Not (2, 2), as the standard has it: who leaves this out has full resolution.
        subsampling=tags.get(TiffImagePlugin.YCBCRSUBSAMPLING, (1, 1)),
        is_raw=picture.info.get("compression") == "raw",
    )
