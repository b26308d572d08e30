"""TIFF files of kinds that Pillow cannot write."""

import struct
import zlib
from pathlib import Path

import numpy as np

SAMPLE_FORMATS = {"u": 1, "i": 2, "f": 3}  # by kind of NumPy's types
LONG, SHORT = (4, "I"), (3, "H")  # types of tags


def write_tiff(
    path: Path,
    pixels: np.ndarray,
    photometric: int = 1,
    by_plane: bool = False,
    compressed: bool = False,
    extra: int | None = None,
    order: str = "<",
) -> Path:
    """Write (H, W) or (H, W, C) samples as one strip, or one a channel if `by_plane`.

    Args:
        photometric: 0 white is zero, 1 black is zero, 2 RGB.
        extra: what the last channel is: 0 unspecified, 1 opacity the others are multiplied with, 2 opacity.
        order: of bytes, "<" or ">".
    """
    pixels = np.atleast_3d(pixels)
    height, width, channels = pixels.shape
    in_order = pixels.astype(pixels.dtype.newbyteorder(order))
    strips = [plane.tobytes() for plane in (np.moveaxis(in_order, -1, 0) if by_plane else [in_order])]
    strips = [zlib.compress(strip) for strip in strips] if compressed else strips
    tags = {
        256: (LONG, [width]),
        257: (LONG, [height]),
        258: (SHORT, [8 * pixels.itemsize] * channels),
        259: (SHORT, [8 if compressed else 1]),
        262: (SHORT, [photometric]),
        273: (LONG, [0] * len(strips)),
        277: (SHORT, [channels]),
        278: (LONG, [height]),
        279: (LONG, [len(strip) for strip in strips]),
        284: (SHORT, [2 if by_plane else 1]),
        **({} if extra is None else {338: (SHORT, [extra])}),
        339: (SHORT, [SAMPLE_FORMATS[pixels.dtype.kind]] * channels),
    }
    behind = 8 + 2 + 12 * len(tags) + 4  # header, directory
    start = behind + sum(len(body) for body in (_body(tag, order) for tag in tags.values()) if len(body) > 4)
    tags[273] = (LONG, [start + sum(map(len, strips[:i])) for i in range(len(strips))])
    entries, bodies = b"", b""
    for number, tag in tags.items():
        body = _body(tag, order)
        if len(body) > 4:
            place = struct.pack(f"{order}I", behind + len(bodies))
            bodies += body
        else:
            place = body.ljust(4, b"\0")
        entries += struct.pack(f"{order}HHI", number, tag[0][0], len(tag[1])) + place
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIH", 42, 8, len(tags))
    path.write_bytes(head + entries + bytes(4) + bodies + b"".join(strips))
    return path


def _body(tag: tuple[tuple[int, str], list[int]], order: str) -> bytes:
    (_, letter), values = tag
    return struct.pack(f"{order}{len(values)}{letter}", *values)
