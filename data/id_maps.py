"""Reading files with one integer per pixel, such as class ids, from every format that stores them without loss."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from data.opening import open_image, opened
from util.errors import InputError

# Lossless formats. JPEG, WebP, AVIF and JPEG 2000 change pixel values; GIF renumbers its palette.
ID_FORMATS = {"PNG", "TIFF", "BMP", "DIB", "PPM"}
TIFF_BITS, TIFF_PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0
LOSSLESS_TIFF = {"raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "lzma", "zstd"}
PNG_DEPTH_AT = 24  # offset of the bit depth in a PNG file: signature 8, length 4, "IHDR" 4, width and height 8
LARGEST_FLOAT = 2**24  # up to here, a 32-bit float represents every integer


class NotIdsError(InputError):
    """The image can be read, but its pixels are not ids, or may not be."""


class ColoredError(NotIdsError):
    """The pixels are colors, which a palette could map to ids."""


def read_ids(path: Path, upright: bool = False) -> np.ndarray:
    """Read one integer per pixel without loss: (H, W) uint8 or int32, as the file requires.

    Args:
        upright: apply the EXIF orientation.

    Raises:
        NotIdsError: the pixels are colors or fractions, or the format may have changed them.
        InputError: the file cannot be read.
    """
    image = open_image(path, upright)
    if image.mode not in ID_READERS:
        raise _colored(image, path)
    values = ID_READERS[image.mode](image, path)
    _refuse_what_changes_numbers(image, path)
    # Not uint16: Pillow's NEAREST picks other pixels in mode "I;16" than in "L", so maps would shift by one pixel.
    return values.astype(np.uint8 if values.itemsize == 1 else np.int32, copy=False)


def _one_channel(image: Image.Image, path: Path) -> np.ndarray:
    """Read gray or palette ("P") pixels; palette indices are the ids, and the colors are only for display."""
    values = np.asarray(image)
    if image.format == "PNG" and image.mode == "L" and (bits := _png_depth(path)) < 8:
        # Pillow scales gray of 2 and 4 bits, which PNG optimizers write, to 0..255.
        values = values // np.uint8(255 // (2**bits - 1))
    return values


def _whole_floats(image: Image.Image, path: Path) -> np.ndarray:
    """Read floating-point pixels, as GIS programs write them: each must be an integer."""
    values = np.asarray(image)
    is_wrong = (values != np.floor(values)) | (np.abs(values) > LARGEST_FLOAT)  # NaN differs from everything
    if is_wrong.any():
        x, y = first(is_wrong)
        what = "nodata, NaN" if np.isnan(values[y, x]) else f"{values[y, x]:g}"
        raise NotIdsError(
            f"{path}: {int(is_wrong.sum())} floating-point pixels are no whole numbers up to {LARGEST_FLOAT:,} (the "
            f"first, at x {x}, y {y}, is {what}), so they are no ids; save it with whole numbers of 8 or 16 bits, and "
            f"pixels without data as an id of their own (255 is unknown with --contain_dontcare_label)"
        )
    return values.astype(np.int32)


def _with_alpha(image: Image.Image, path: Path) -> np.ndarray:
    """Read gray or palette pixels with an alpha channel, as image editors write them: all must be opaque."""
    refuse_transparent(np.asarray(image.getchannel("A")), path)
    return np.asarray(image)[..., 0]


def _gray_in_colors(image: Image.Image, path: Path) -> np.ndarray:
    """Read RGB or RGBA pixels with three equal channels, as programs write them that cannot save gray."""
    channels = np.asarray(image)
    values = channels[..., 0]
    if not ((values == channels[..., 1]) & (values == channels[..., 2])).all():
        raise _colored(image, path)
    if image.mode == "RGBA":
        refuse_transparent(channels[..., 3], path)
    return values


# Pillow's mode -> function that reads ids from an image in this mode.
ONE_CHANNEL = dict.fromkeys(("1", "L", "P", "I", "I;16", "I;16L", "I;16B", "I;16N"), _one_channel)
NEVER_COLORED = ONE_CHANNEL | {"F": _whole_floats, "LA": _with_alpha, "PA": _with_alpha}
ID_READERS: dict[str, Callable[[Image.Image, Path], np.ndarray]] = NEVER_COLORED | {
    "RGB": _gray_in_colors,
    "RGBA": _gray_in_colors,
}


def _colored(image: Image.Image, path: Path) -> ColoredError:
    return ColoredError(
        f"{path}: is a color image (mode {image.mode}), not an id map; save one id per pixel, as a gray or "
        f"palette PNG (python -m scripts.prepare convert_labels turns color-coded masks into such)"
    )


def refuse_transparent(alpha: np.ndarray, path: Path) -> None:
    """Raise a `NotIdsError` unless alpha (H, W) uint8 is opaque everywhere."""
    is_wrong = alpha != 255
    if is_wrong.any():
        x, y = first(is_wrong)
        raise NotIdsError(
            f"{path}: the pixel at x {x}, y {y} is transparent (alpha {alpha[y, x]} of 255), as are "
            f"{int(is_wrong.sum())} in all, so what they mean is not sure; save it without transparency"
        )


def first(mask: np.ndarray) -> tuple[int, int]:
    """Return x and y of the first True in a mask (H, W)."""
    y, x = np.unravel_index(int(np.argmax(mask)), mask.shape)
    return int(x), int(y)


def _refuse_what_changes_numbers(image: Image.Image, path: Path) -> None:
    """Raise a `NotIdsError` if a decoded file's format, or Pillow's decoder for it, may change pixel values."""
    fix = "save the map as a PNG with one id per pixel"
    if image.format not in ID_FORMATS:
        raise NotIdsError(f"{path}: {image.format} changes pixel values, so it cannot hold ids; {fix}")
    bands = len(image.getbands())
    if image.format == "PNG":
        verify(path)
        if bands > 1 and _png_depth(path) > 8:  # Pillow drops the low byte
            raise NotIdsError(f"{path}: 16 bits in each of several channels are not read safely; {fix}")
    if image.format == "PPM" and image.mode == "1":
        raise NotIdsError(f"{path}: PBM has 1 for black, which programs read as 0, so its ids are not sure; {fix}")
    if image.format == "PPM" and _largest_gray(path) not in (b"255", b"65535"):
        raise NotIdsError(f"{path}: PGM whose grays do not end at 255 or 65535 is read stretched; {fix}")
    if isinstance(image, TiffImageFile):
        bits, photometric = image.tag_v2.get(TIFF_BITS, (8,)), image.tag_v2.get(TIFF_PHOTOMETRIC)
        compression = image.info.get("compression", "raw")
        is_cut = bands > 1 and max(bits) > 8
        if compression not in LOSSLESS_TIFF or min(bits) < 8 or is_cut or photometric == WHITE_IS_ZERO:
            raise NotIdsError(f"{path}: TIFF of {min(bits)} bits, compression {compression}, is not read safely; {fix}")


def _png_depth(path: Path) -> int:
    """Bits per sample of a PNG file."""
    with path.open("rb") as file:
        return file.read(PNG_DEPTH_AT + 1)[PNG_DEPTH_AT]


def _largest_gray(path: Path) -> bytes:
    """The maximum gray of a PGM file, its fourth word after "P5", width and height; comments are skipped."""
    with path.open("rb") as file:
        words = re.sub(rb"#[^\n]*", b"", file.read(4096)).split(maxsplit=4)
    return words[3]


def verify(path: Path) -> None:
    """Check the checksums of a PNG: some damaged files decode to wrong numbers without an error.

    Raises:
        InputError: a checksum does not match.
    """
    with opened(path) as image:
        image.verify()
