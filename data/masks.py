"""Reading color-coded masks: one color a class, which `scripts.prepare convert_labels` turns into id maps."""

from pathlib import Path
from typing import Any

import numpy as np

from data.id_maps import read_ids
from data.opening import open_picture, opened
from util.errors import InputError

MODES = ("RGB", "RGBA", "RGBX", "P", "PA", "L", "LA", "1")  # 8 bits a channel or less, and RGBA holds all of it
DEEP_GRAYS = ("I", "F")  # how Pillow's names of modes of one deep channel begin


def read_colors(path: Path) -> np.ndarray:
    """Read a mask as (H, W, 4) uint8: red, green, blue and alpha, as a viewer shows them.

    Raises:
        InputError: for a file that cannot be read, or whose colors 8 bits a channel cannot hold.
    """
    picture = open_picture(path)
    if picture.mode.startswith(DEEP_GRAYS) and "transparency" not in picture.info:
        return _read_deep_grays(path)
    with opened(path) as head:
        stored = [str(tile[-1]) for tile in head.tile]  # Pillow's names of how pixels lie in the file
    # Pillow has no mode for colors of 16 bits and drops their lower half.
    if picture.format == "PNG" and stored == [f"{picture.mode};16B"]:
        return _read_16_bits(path)
    if picture.mode not in MODES or any(name.partition(";")[2].startswith(("16", "32")) for name in stored):
        raise InputError(
            f"{path}: holds no colors of 8 bits a channel (mode {picture.mode}); save color-coded masks as RGB or "
            f"palette PNG"
        )
    return np.asarray(picture.convert("RGBA"))


def gray_levels(values: np.ndarray) -> np.ndarray | None:
    """The levels 0..255 that whole numbers stand for: the numbers themselves, or 1/257 of them if they are of 16 bits.

    A level of 8 bits times 257 is the same gray in 16. None where one of the numbers has no such level.
    """
    if values.min() < 0 or values.max() > 65535:
        return None
    if values.max() <= 255:
        return values
    return None if (values % 257).any() else values // 257


def _read_deep_grays(path: Path) -> np.ndarray:
    """Grays of 16 or 32 bits, or whole floating-point numbers."""
    values = read_ids(path)
    levels = gray_levels(values)
    if levels is None:
        raise InputError(
            f"{path}: holds numbers from {values.min()} to {values.max()}, and gray masks hold the levels 0..255, or "
            f"these times 257 in 16 bits; save the mask with 8 bits"
        )
    opaque = np.full_like(levels, 255)
    return np.stack([levels, levels, levels, opaque], axis=-1).astype(np.uint8)


def _read_16_bits(path: Path) -> np.ndarray:
    """The 8-bit colors that a PNG of 16 bits a channel was made from: both halves of each channel are equal."""
    high, low = _decode(path, "16B"), _decode(path, "16L")
    is_lossy = (high != low).any(axis=-1)
    if is_lossy.any():
        y, x = np.argwhere(is_lossy)[0].tolist()
        color = (high[y, x, :3].astype(int) * 256 + low[y, x, :3]).tolist()
        raise InputError(
            f"{path}: the pixel at x {x}, y {y} has the 16-bit color {' '.join(map(str, color))}, which 8 bits cannot "
            f"hold; save the mask with 8 bits a channel"
        )
    return high


def _decode(path: Path, byte_order: str) -> np.ndarray:
    """Decode channels of 16 bits as if in `byte_order`: PNG has the high byte first, and Pillow keeps the high one."""
    with opened(path) as picture:
        # Plain tuples in Pillow before 10.4, which its types do not know.
        tiles: list[Any] = [(*tile[:3], f"{picture.mode};{byte_order}") for tile in picture.tile]
        picture.tile = tiles
        return np.asarray(picture.convert("RGBA"))


def is_jpeg(path: Path) -> bool:
    """Whether a picture, whatever its name, is a JPEG."""
    with path.open("rb") as file:
        return file.read(2) == b"\xff\xd8"
