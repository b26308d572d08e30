"""Opening a picture file: the one way of every reader, so that all of them see the same pixels and say the same."""

import contextlib
import functools
import warnings
from collections.abc import Iterator
from pathlib import Path

from PIL import ExifTags, Image, ImageOps, TiffImagePlugin
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from data.file_kinds import UNREADABLE, describe_unreadable
from data.tiff import refuse_misread, refuse_wrapped
from util.errors import InputError

Size = tuple[int, int]  # width, height, as Pillow has it

# Pillow's names of what is read, the frequent ones first. Its others are documents (PSD, EPS, which runs a program), or
# have no first bytes of their own, so that any damaged file might be one (TGA).
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "DIB", "PPM", "WEBP", "GIF", "JPEG2000", "AVIF")
ORIENTATION = ExifTags.Base.Orientation
UPRIGHT = 1  # what the tag says where nothing is to be done, and what a file without the tag means
TURNED = range(2, 9)  # mirrored, turned, or both
ON_ITS_SIDE = range(5, 9)  # of these, those that swap width and height
INVERSE = {6: 8, 8: 6}  # quarter turns; every other orientation is its own inverse
NEW_SUBFILE_TYPE, REDUCED_OR_MASK = 254, 0b101  # TIFF: pages that are a thumbnail, an overview or a mask of another


class SeveralPicturesError(InputError):
    """A file holds several frames or pages, of which only the first would be seen."""


def open_picture(path: Path, upright: bool = False, draft: Size | None = None) -> Image.Image:
    """Decode a file of one picture.

    Args:
        upright: turn and mirror it as its EXIF orientation says. Without, pixels are as they are stored, in TIFF files
            too, which Pillow turns by itself.
        draft: (width, height) that are enough, see `read_image`.

    Raises:
        SeveralPicturesError: it holds several frames or pages.
        InputError: it cannot be read, is too large, or would be read wrongly.
    """
    with opened(path) as picture:
        turned = orientation(picture)
        if draft:
            width, height = draft
            picture.draft("RGB", (height, width) if upright and turned in ON_ITS_SIDE else draft)
        _refuse_several(picture, path)
        refuse_misread(picture, path)
        picture.load()
        refuse_wrapped(picture, path)
        is_tiff = picture.format == "TIFF"  # and upright by now
        if turned in TURNED and upright != is_tiff:
            if is_tiff:
                picture.getexif()[ORIENTATION] = INVERSE.get(turned, turned)
            ImageOps.exif_transpose(picture, in_place=True)
        return picture


def picture_size(path: Path, upright: bool = False) -> Size:
    """Width and height that `open_picture` gives, from the head of the file. Raises `InputError` as it does."""
    with opened(path) as picture:
        width, height = picture.size
        if isinstance(picture, TiffImageFile):  # of which some versions of Pillow tell the size after turning
            width, height = (picture.tag_v2[tag] for tag in (TiffImagePlugin.IMAGEWIDTH, TiffImagePlugin.IMAGELENGTH))
        return (height, width) if upright and orientation(picture) in ON_ITS_SIDE else (width, height)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[ImageFile]:
    """The picture in a file, not decoded yet; what Pillow raises while this is held becomes an `InputError`.

    What it warns of is dropped: two lines each, about tags that do not matter here and about pictures of more than half
    its limit.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            # Not by its path: then Pillow maps uncompressed files into memory, and takes width for height where a TIFF
            # is to be turned by 90 degrees, which mixes up all its pixels.
            with path.open("rb") as file, Image.open(file, formats=_formats()) as picture:
                yield picture
        except InputError:
            raise
        except UNREADABLE as error:
            raise InputError(describe_unreadable(path, error)) from error


@functools.cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)  # a Pillow may be built without some of them


def orientation(picture: Image.Image) -> int:
    """The EXIF orientation, 1 to 8, of a picture that has not been decoded yet; 1 where it has none that is valid."""
    try:
        # Not the method of PNG files, which decodes the whole picture to find a tag behind the pixels.
        tag = Image.Image.getexif(picture).get(ORIENTATION)
    except (*UNREADABLE, LookupError, TypeError):  # a file in the file, broken in ways of its own
        return UPRIGHT
    return int(tag) if tag is not None and tag in TURNED else UPRIGHT


def orientation_of(path: Path) -> int:
    """The EXIF orientation of a file, from its head; 1 if it cannot be read."""
    try:
        with opened(path) as picture:
            return orientation(picture)
    except InputError:
        return UPRIGHT


def orientation_like(path: Path) -> Image.Exif:
    """EXIF to save with a map that was made from the stored pixels of `path`, so that both are turned or neither is."""
    exif = Image.Exif()
    if (turned := orientation_of(path)) != UPRIGHT:
        exif[ORIENTATION] = turned
    return exif


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
        what = "pages" if picture.format == "TIFF" else "frames"
        raise SeveralPicturesError(
            f"{path}: holds {count} {what}, of which only the first would be used; save the one that is meant, or each "
            f"as a file of its own"
        )


def _count(picture: Image.Image) -> int:
    """The pictures in a file, without a TIFF's thumbnails, overviews and masks. The first is the current one again."""
    frames = getattr(picture, "n_frames", 1)
    if frames == 1 or not isinstance(picture, TiffImageFile):
        return frames
    count = 0
    for page in range(frames):
        picture.seek(page)
        count += not picture.tag_v2.get(NEW_SUBFILE_TYPE, 0) & REDUCED_OR_MASK
    picture.seek(0)
    return count
