"""Reading color-coded masks, with one color per class; `scripts.prepare convert_labels` turns them into id maps."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import ImageOps

from data.id_maps import read_ids
from data.opening import open_image, opened
from util.errors import InputError

MODES = ("RGB", "RGBA", "RGBX", "P", "PA", "L", "LA", "1")  # at most 8 bits per channel: RGBA holds them
DEEP_GRAYS = ("I", "F")  # first letters of Pillow's modes with one channel of more than 8 bits


def read_colors(path: Path, upright: bool = False) -> np.ndarray:
    """Read a mask as (H, W, 4) uint8: red, green, blue and alpha, as a viewer shows them.

    Args:
        upright: apply the EXIF orientation.

    Raises:
        InputError: the file cannot be read, or its colors need more than 8 bits per channel.
    """
    image = open_image(path, upright)
    if image.mode.startswith(DEEP_GRAYS) and "transparency" not in image.info:
        return _read_deep_grays(path, upright)
    with opened(path) as head:
        stored = [str(tile[-1]) for tile in head.tile]  # Pillow's names of the stored pixel formats
    # Pillow has no mode for 16-bit colors and drops their low bytes.
    if image.format == "PNG" and stored == [f"{image.mode};16B"]:
        return _read_16_bits(path, upright)
    if image.mode not in MODES or any(name.partition(";")[2].startswith(("16", "32")) for name in stored):
        raise InputError(
            f"{path}: holds no colors of 8 bits a channel (mode {image.mode}); save color-coded masks as RGB or "
            f"palette PNG"
        )
    return np.asarray(image.convert("RGBA"))


def gray_levels(values: np.ndarray) -> np.ndarray | None:
    """Convert integers to gray levels 0..255: 8-bit values as they are, 16-bit values divided by 257.

    An 8-bit level times 257 is the same gray in 16 bits. None if one of the numbers is not such a multiple.
    """
    if values.min() < 0 or values.max() > 65535:
        return None
    if values.max() <= 255:
        return values
    return None if (values % 257).any() else values // 257


def _read_deep_grays(path: Path, upright: bool) -> np.ndarray:
    """Read grays of 16 or 32 bits, or integers stored as floating-point numbers."""
    values = read_ids(path, upright)
    levels = gray_levels(values)
    if levels is None:
        raise InputError(
            f"{path}: holds numbers from {values.min()} to {values.max()}, and gray masks hold the levels 0..255, or "
            f"these times 257 in 16 bits; save the mask with 8 bits"
        )
    opaque = np.full_like(levels, 255)
    return np.stack([levels, levels, levels, opaque], axis=-1).astype(np.uint8)


def _read_16_bits(path: Path, upright: bool) -> np.ndarray:
    """Read the 8-bit colors of a PNG with 16 bits per channel, if the high and low byte of every channel are equal."""
    high, low = _decode(path, "16B", upright), _decode(path, "16L", upright)
    is_lossy = (high != low).any(axis=-1)
    if is_lossy.any():
        y, x = np.argwhere(is_lossy)[0].tolist()
        color = (high[y, x, :3].astype(int) * 256 + low[y, x, :3]).tolist()
        raise InputError(
            f"{path}: the pixel at x {x}, y {y} has the 16-bit color {' '.join(map(str, color))}, which 8 bits cannot "
            f"hold; save the mask with 8 bits a channel"
        )
    return high


def _decode(path: Path, byte_order: str, upright: bool) -> np.ndarray:
    """Decode 16-bit channels as if in `byte_order`. PNG stores the high byte first, and Pillow keeps the high byte."""
    with opened(path) as image:
        # Plain tuples in Pillow before 10.4, which its type annotations do not cover.
        tiles: list[Any] = [(*tile[:3], f"{image.mode};{byte_order}") for tile in image.tile]
        image.tile = tiles
        turned = ImageOps.exif_transpose(image) if upright else image
        return np.asarray(turned.convert("RGBA"))


def is_jpeg(path: Path) -> bool:
    """Whether a file is a JPEG, by its first bytes."""
    with path.open("rb") as file:
        return file.read(2) == b"\xff\xd8"
