"""Opening image files: all readers use this module, so that they see the same pixels and report the same errors."""

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

Size = tuple[int, int]  # width, height, in Pillow's order

# Supported formats by Pillow's names, frequent ones first. Pillow's other formats are documents (PSD; EPS, which runs a
# program) or lack a signature, so that any damaged file might be taken for one (TGA).
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "DIB", "PPM", "WEBP", "GIF", "JPEG2000", "AVIF")
ORIENTATION = ExifTags.Base.Orientation
UPRIGHT = 1  # value of the tag that asks for no change; the default for files without the tag
TURNED = range(2, 9)  # mirrored, rotated, or both
ON_ITS_SIDE = range(5, 9)  # those of them that swap width and height
INVERSE = {6: 8, 8: 6}  # quarter turns; every other orientation is its own inverse
NEW_SUBFILE_TYPE, REDUCED_OR_MASK = 254, 0b101  # TIFF: pages that are a thumbnail, an overview or a mask of another


class SeveralImagesError(InputError):
    """The file holds several frames or pages, of which only the first would be used."""


def open_image(path: Path, upright: bool = False, draft: Size | None = None) -> Image.Image:
    """Decode a file that holds one image.

    Args:
        upright: apply the EXIF orientation. Otherwise pixels stay as stored, also those of TIFF files, which Pillow
            rotates by itself.
        draft: (width, height) that suffices, see `read_image`.

    Raises:
        SeveralImagesError: the file holds several frames or pages.
        InputError: the file cannot be read, is too large, or would be decoded wrongly.
    """
    with opened(path) as image:
        turned = orientation(image)
        if draft:
            width, height = draft
            image.draft("RGB", (height, width) if upright and turned in ON_ITS_SIDE else draft)
        _refuse_several(image, path)
        refuse_misread(image, path)
        image.load()
        refuse_wrapped(image, path)
        is_tiff = image.format == "TIFF"  # which Pillow has rotated when loading it
        if turned in TURNED and upright != is_tiff:
            if is_tiff:
                image.getexif()[ORIENTATION] = INVERSE.get(turned, turned)
            ImageOps.exif_transpose(image, in_place=True)
        return image


def image_size(path: Path, upright: bool = False) -> Size:
    """Width and height of the result of `open_image`, from the file's header. Raises `InputError` like it."""
    with opened(path) as image:
        width, height = image.size
        if isinstance(image, TiffImageFile):  # some versions of Pillow report the size after rotation
            width, height = (image.tag_v2[tag] for tag in (TiffImagePlugin.IMAGEWIDTH, TiffImagePlugin.IMAGELENGTH))
        return (height, width) if upright and orientation(image) in ON_ITS_SIDE else (width, height)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[ImageFile]:
    """Open an image file without decoding it; exceptions of Pillow within the block become an `InputError`.

    Pillow's warnings are dropped: they are about tags that do not matter here, and about images of more than half its
    size limit.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            # Not by its path: Pillow would map uncompressed files into memory, and swap width and height of a TIFF that
            # is rotated by 90 degrees, which scrambles its pixels.
            with path.open("rb") as file, Image.open(file, formats=_formats()) as image:
                yield image
        except InputError:
            raise
        except UNREADABLE as error:
            raise InputError(describe_unreadable(path, error)) from error


@functools.cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)  # Pillow may be built without some of them


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8, of an image that is not decoded yet; 1 if it has no valid one."""
    try:
        # Not the method of PngImageFile, which decodes the whole image to find a tag stored after the pixels.
        tag = Image.Image.getexif(image).get(ORIENTATION)
    except (*UNREADABLE, LookupError, TypeError):  # EXIF is a file format of its own, and may be damaged in many ways
        return UPRIGHT
    return int(tag) if tag is not None and tag in TURNED else UPRIGHT


def orientation_of(path: Path) -> int:
    """The EXIF orientation of a file, from its header; 1 if it cannot be read."""
    try:
        with opened(path) as image:
            return orientation(image)
    except InputError:
        return UPRIGHT


def orientation_like(path: Path) -> Image.Exif:
    """EXIF to save with a map made from the pixels of `path` as stored, so that both have the same orientation."""
    exif = Image.Exif()
    if (turned := orientation_of(path)) != UPRIGHT:
        exif[ORIENTATION] = turned
    return exif


def _refuse_several(image: Image.Image, path: Path) -> None:
    """Raise a `SeveralImagesError` for a file of several images.

    A TIFF may hold thumbnails, overviews (as GeoTIFFs do) and masks beside its image. An MPO file, which many cameras
    write as .jpg, begins with the photo; previews, depth, or the second view of a stereo pair come after it.
    """
    if image.format == "MPO":
        return
    try:
        count = _count(image)
    except (LookupError, TypeError) as error:
        raise SyntaxError("what follows the first page is broken") from error
    if count > 1:
        what = "pages" if image.format == "TIFF" else "frames"
        raise SeveralImagesError(
            f"{path}: holds {count} {what}, of which only the first would be used; save the one that is meant, or each "
            f"as a file of its own"
        )


def _count(image: Image.Image) -> int:
    """Count the images in a file, without a TIFF's thumbnails, overviews and masks; leaves the first one current."""
    frames = getattr(image, "n_frames", 1)
    if frames == 1 or not isinstance(image, TiffImageFile):
        return frames
    count = 0
    for page in range(frames):
        image.seek(page)
        count += not image.tag_v2.get(NEW_SUBFILE_TYPE, 0) & REDUCED_OR_MASK
    image.seek(0)
    return count
