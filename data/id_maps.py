"""Reading files that hold one whole number a pixel, such as class ids: a table of how they may be stored."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from data.opening import open_picture, opened
from util.errors import InputError

# Files that give back the numbers that were written. JPEG, WebP, AVIF and JPEG 2000 change them, GIF numbers them anew.
ID_FORMATS = {"PNG", "TIFF", "BMP", "DIB", "PPM"}
TIFF_BITS, TIFF_PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0
LOSSLESS_TIFF = {"raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "lzma", "zstd"}
PNG_DEPTH_AT = 24  # byte of a PNG file that holds the bits per sample: signature 8, length 4, "IHDR" 4, sides 8
LARGEST_FLOAT = 2**24  # up to here, a float of 32 bits tells each whole number from the next


class NotIdsError(InputError):
    """A picture can be read, and its pixels are no ids, or not surely."""


class ColoredError(NotIdsError):
    """Its pixels are colors, which a palette could turn into ids."""


def read_ids(path: Path, upright: bool = False) -> np.ndarray:
    """Read one whole number a pixel without loss: (H, W) uint8 or int32, as the file needs.

    Args:
        upright: apply the EXIF orientation.

    Raises:
        NotIdsError: its pixels are not the numbers that somebody wrote, but rounded, colors or halves.
        InputError: it cannot be read.
    """
    picture = open_picture(path, upright)
    if picture.mode not in ID_READERS:
        raise _colored(picture, path)
    values = ID_READERS[picture.mode](picture, path)
    _refuse_what_changes_numbers(picture, path)
    # Not 16 bits: Pillow's NEAREST picks other pixels in its mode "I;16" than in "L", so maps would slip by one.
    return values.astype(np.uint8 if values.itemsize == 1 else np.int32, copy=False)


def _one_channel(picture: Image.Image, path: Path) -> np.ndarray:
    """Gray, or a palette picture ("P"), which holds ids: its palette is only for the eye."""
    values = np.asarray(picture)
    if picture.format == "PNG" and picture.mode == "L" and (bits := _png_depth(path)) < 8:
        # Pillow stretches gray of 2 and 4 bits, which PNG optimizers write, to 0..255.
        values = values // np.uint8(255 // (2**bits - 1))
    return values


def _whole_floats(picture: Image.Image, path: Path) -> np.ndarray:
    """Floating-point numbers, as geographic programs write: each must be a whole number."""
    values = np.asarray(picture)
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


def _with_alpha(picture: Image.Image, path: Path) -> np.ndarray:
    """Gray or palette with an alpha channel, as paint programs write: it must be opaque."""
    refuse_transparent(np.asarray(picture.getchannel("A")), path)
    return np.asarray(picture)[..., 0]


def _gray_in_colors(picture: Image.Image, path: Path) -> np.ndarray:
    """RGB or RGBA with three equal channels: gray in all but the name, as programs write that save nothing else."""
    channels = np.asarray(picture)
    values = channels[..., 0]
    if not ((values == channels[..., 1]) & (values == channels[..., 2])).all():
        raise _colored(picture, path)
    if picture.mode == "RGBA":
        refuse_transparent(channels[..., 3], path)
    return values


# Pillow's mode -> how ids are read from a picture of it.
ONE_CHANNEL = dict.fromkeys(("1", "L", "P", "I", "I;16", "I;16L", "I;16B", "I;16N"), _one_channel)
NEVER_COLORED = ONE_CHANNEL | {"F": _whole_floats, "LA": _with_alpha, "PA": _with_alpha}
ID_READERS: dict[str, Callable[[Image.Image, Path], np.ndarray]] = NEVER_COLORED | {
    "RGB": _gray_in_colors,
    "RGBA": _gray_in_colors,
}


def _colored(picture: Image.Image, path: Path) -> ColoredError:
    return ColoredError(
        f"{path}: is a color picture (mode {picture.mode}), not an id map; save one id per pixel, as a gray or "
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
    """x and y of the first True of (H, W)."""
    y, x = np.unravel_index(int(np.argmax(mask)), mask.shape)
    return int(x), int(y)


def _refuse_what_changes_numbers(picture: Image.Image, path: Path) -> None:
    """Raise a `NotIdsError` unless the pixels of a decoded file are the numbers that somebody wrote."""
    fix = "save the map as a PNG with one id per pixel"
    if picture.format not in ID_FORMATS:
        raise NotIdsError(f"{path}: {picture.format} changes pixel values, so it cannot hold ids; {fix}")
    bands = len(picture.getbands())
    if picture.format == "PNG":
        verify(path)
        if bands > 1 and _png_depth(path) > 8:  # Pillow drops the lower half
            raise NotIdsError(f"{path}: 16 bits in each of several channels are not read safely; {fix}")
    if picture.format == "PPM" and picture.mode == "1":
        raise NotIdsError(f"{path}: PBM has 1 for black, which programs read as 0, so its ids are not sure; {fix}")
    if picture.format == "PPM" and _largest_gray(path) not in (b"255", b"65535"):
        raise NotIdsError(f"{path}: PGM whose grays do not end at 255 or 65535 is read stretched; {fix}")
    if isinstance(picture, TiffImageFile):
        bits, photometric = picture.tag_v2.get(TIFF_BITS, (8,)), picture.tag_v2.get(TIFF_PHOTOMETRIC)
        compression = picture.info.get("compression", "raw")
        is_cut = bands > 1 and max(bits) > 8
        if compression not in LOSSLESS_TIFF or min(bits) < 8 or is_cut or photometric == WHITE_IS_ZERO:
            raise NotIdsError(f"{path}: TIFF of {min(bits)} bits, compression {compression}, is not read safely; {fix}")


def _png_depth(path: Path) -> int:
    """Bits of each sample of a PNG file."""
    with path.open("rb") as file:
        return file.read(PNG_DEPTH_AT + 1)[PNG_DEPTH_AT]


def _largest_gray(path: Path) -> bytes:
    """The fourth word of a PGM file: "P5", width, height, and the gray that is white; comments are skipped."""
    with path.open("rb") as file:
        words = re.sub(rb"#[^\n]*", b"", file.read(4096)).split(maxsplit=4)
    return words[3]


def verify(path: Path) -> None:
    """Compare the check sums of a PNG: without them some damaged files decode to wrong numbers, and nobody notices.

    Raises:
        InputError: they differ.
    """
    with opened(path) as picture:
        picture.verify()
