"""TIFF files that Pillow decodes to wrong pixel values without an error."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, TiffImagePlugin

from util.errors import InputError

YCBCR = 6  # photometric interpretation; 0 means that white is zero
BY_PLANE = 2  # planar configuration: all red samples, then all green ones, then all blue ones
LOWEST_BIT_FIRST = 2  # fill order
UNSIGNED, SIGNED = 1, 2  # sample formats


class Head(NamedTuple):
    """The pixel format of a TIFF, from its tags."""

    bits: int
    sample_format: int
    photometric: int
    planes: int
    fill_order: int
    subsampling: tuple[int, int]
    is_raw: bool  # uncompressed, which Pillow decodes itself; it uses libtiff for all others


# Formats that are decoded wrongly whatever their pixels: a test of the tags, and the words for the message.
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


def refuse_misread(image: Image.Image, path: Path) -> None:
    """Raise an `InputError` for a TIFF, not decoded yet, in a format that Pillow decodes wrongly."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return
    head = _head(image)
    for is_misread, what in MISREAD:
        if is_misread(head):
            raise InputError(
                f"{path}: {what.format(bits=head.bits)}, which is not read rightly here; "
                f"save it as a PNG, or as a TIFF with interleaved channels and 0 for black"
            )


def refuse_wrapped(image: Image.Image, path: Path) -> None:
    """Raise an `InputError` for a decoded TIFF whose numbers have overflowed the type of Pillow's mode."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return
    head = _head(image)
    if (head.bits, head.sample_format) == (8, SIGNED) and (values := np.asarray(image)).max() > np.iinfo(np.int8).max:
        number = int(values.view(np.int8).min())
        what = f"holds negative numbers of 8 bits, such as {number}"
        fix = "number the classes from 0, and write 255 for unknown; photos need levels from 0 to 255"
    elif (head.bits, head.sample_format) == (32, UNSIGNED) and (values := np.asarray(image)).min() < 0:
        number = int(values.view(np.uint32).max())
        what = f"holds numbers of 32 bits above {np.iinfo(np.int32).max:,}, such as {number}"
        fix = "save it with ids of 8 or 16 bits, and pixels without data as 255, which is unknown"
    else:
        return
    raise InputError(f"{path}: {what}, which are not read here; {fix}")


def _head(image: TiffImagePlugin.TiffImageFile) -> Head:
    """Read the tags, with the default of each missing one."""
    tags = image.tag_v2

    def largest(tag: int, default: int) -> int:
        values = tags.get(tag, default)
        return max(values) if isinstance(values, tuple) else values

    return Head(
        bits=largest(TiffImagePlugin.BITSPERSAMPLE, 1),
        sample_format=largest(TiffImagePlugin.SAMPLEFORMAT, UNSIGNED),
        photometric=largest(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION, 0),
        planes=largest(TiffImagePlugin.PLANAR_CONFIGURATION, 1),
        fill_order=largest(TiffImagePlugin.FILLORDER, 1),
        # Not the standard's default (2, 2): programs that leave out the tag write full resolution.
        subsampling=tags.get(TiffImagePlugin.YCBCRSUBSAMPLING, (1, 1)),
        is_raw=image.info.get("compression") == "raw",
    )
