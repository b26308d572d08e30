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
NEW_SUBFILE_TYPE, REDUCED_OR_MASK = 254, 0b101  # TIFF: pages that are a thumbnail, an overview or a mask of another
PARTS = {"TIFF": "pages"}  # of a file; those of other formats are frames


class SeveralPicturesError(InputError):
    """A file holds several frames or pages, of which only the first would be seen."""


def open_picture(path: Path, draft: Size | None = None) -> Image.Image:
    """Decode a file. Orientation tags (EXIF) are not applied: label maps are drawn over the pixels as they are stored.

    Args:
        draft: (width, height) that are enough, see `read_image`.

    Raises:
        SeveralPicturesError: it holds several frames or pages.
        InputError: it cannot be read, or is too large.
    """
    with opened(path) as picture:
        if draft:
            picture.draft("RGB", draft)
        _refuse_several(picture, path)
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


def _refuse_several(picture: Image.Image, path: Path) -> None:
    """Raise a `SeveralPicturesError` for a file of several pictures.

    A TIFF may keep thumbnails, overviews (as GeoTIFFs do) and masks beside its picture. MPO, which is what many cameras
    write as .jpg, begins with the photo; what follows are previews, depth or the other eye's view.
    """
    if picture.format == "MPO":
        return
    try:
        count = _count(picture)
    except (LookupError, TypeError) as error:
        raise SyntaxError("what follows the first page is broken") from error
    if count > 1:
        what = PARTS.get(picture.format, "frames")
        raise SeveralPicturesError(
            f"{path}: holds {count} {what}, of which only the first would be used; save the one that is meant, or each "
            f"as a file of its own"
        )


def _count(picture: Image.Image) -> int:
    """The pictures in a file, without a TIFF's thumbnails, overviews and masks. The first is the current one again."""
    frames = getattr(picture, "n_frames", 1)
    if frames == 1 or picture.format != "TIFF":
        return frames
    count = 0
    for page in range(frames):
        picture.seek(page)
        count += not picture.tag_v2.get(NEW_SUBFILE_TYPE, 0) & REDUCED_OR_MASK
    picture.seek(0)
    return count
