"""Opening a picture file: the one way of every reader, with one description of what cannot be read."""

import contextlib
import functools
import warnings
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from data.file_kinds import UNREADABLE, describe_unreadable
from util.errors import InputError

Size = tuple[int, int]  # width, height, as Pillow has it

# Pillow's names of what is read, the frequent ones first. Its others are documents (PSD, EPS, which runs a program), or
# have no first bytes of their own, so that any damaged file might be one (TGA).
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "DIB", "PPM", "WEBP", "GIF", "JPEG2000", "AVIF")


def open_picture(path: Path, draft: Size | None = None) -> Image.Image:
    """Decode a file. Orientation tags (EXIF) are not applied: label maps are drawn over the pixels as they are stored.

    Args:
        draft: (width, height) that are enough, see `read_image`.

    Raises:
        InputError: it cannot be read, or is too large.
    """
    with opened(path) as picture:
        if draft:
            picture.draft("RGB", draft)
        picture.load()
        return picture


def picture_size(path: Path) -> Size:
    """Width and height from the head of the file, without decoding it. Raises `InputError` as `open_picture` does."""
    with opened(path) as picture:
        return picture.size


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """The picture in a file, not decoded yet; what Pillow raises while this is held becomes an `InputError`.

    What it warns of is dropped: two lines each, about tags that do not matter here and about pictures of more than half
    its limit.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path, formats=_formats()) as picture:
                yield picture
        except InputError:
            raise
        except UNREADABLE as error:
            raise InputError(describe_unreadable(path, error)) from error


@functools.cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)  # a Pillow may be built without some of them
