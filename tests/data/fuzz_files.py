"""Files for fuzzing: ids written in many ways, right and wrong, and a tiny custom data set to put them in."""

import contextlib
import io
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from PIL import Image

SIDE = 16
CLASSES = 200


@dataclass
class Written:
    """A file and the ids that were meant by it; None where it cannot be an id map."""

    content: bytes
    ids: np.ndarray | None
    what: str  # for hypothesis to show


def encode(picture: Image.Image, form: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def with_random_palette(ids: np.ndarray) -> Image.Image:
    picture = Image.fromarray(ids.astype(np.uint8)).convert("L")
    picture.putpalette(np.random.default_rng(int(ids.sum())).integers(0, 256, 768).tolist())
    return picture


def converted(ids: np.ndarray, mode: str, form: str) -> bytes:
    return encode(Image.fromarray(ids.astype(np.uint8)).convert(mode), form)


def several(ids: np.ndarray, form: str) -> bytes:
    frames = [Image.fromarray((ids + n).astype(np.uint8)) for n in range(2)]
    return encode(frames[0], form, save_all=True, append_images=frames[1:])


# Ways to write ids so that they can be read back.
KEEPING: dict[str, Callable[[np.ndarray], bytes]] = {
    "gray png": lambda ids: encode(Image.fromarray(ids.astype(np.uint8)), "PNG"),
    "palette png": lambda ids: encode(with_random_palette(ids), "PNG"),
    "1-bit png": lambda ids: encode(Image.fromarray(ids > 0), "PNG"),
    "16-bit png": lambda ids: encode(Image.fromarray(ids.astype(np.uint16)), "PNG"),
    "gray tiff": lambda ids: encode(Image.fromarray(ids.astype(np.uint8)), "TIFF"),
    "16-bit tiff": lambda ids: encode(Image.fromarray(ids.astype(np.uint16)), "TIFF", compression="tiff_lzw"),
    "32-bit tiff": lambda ids: encode(Image.fromarray(ids.astype(np.int32)), "TIFF"),
    "gray bmp": lambda ids: encode(Image.fromarray(ids.astype(np.uint8)), "BMP"),
    "pgm": lambda ids: encode(Image.fromarray(ids.astype(np.uint8)), "PPM"),
    "float tiff": lambda ids: encode(Image.fromarray(ids.astype(np.float32)), "TIFF"),
    "gray and alpha png": lambda ids: converted(ids, "LA", "PNG"),
    "gray as rgb png": lambda ids: converted(ids, "RGB", "PNG"),
    "gray as rgba png": lambda ids: converted(ids, "RGBA", "PNG"),
}


def colored(ids: np.ndarray, form: str) -> bytes:
    """A mask in which blue is the negative of gray."""
    return encode(Image.fromarray(np.dstack([ids, ids, 255 - ids]).astype(np.uint8)), form)


# Ways to write what is no id map.
SPOILING: dict[str, Callable[[np.ndarray], bytes]] = {
    "rgb png": lambda ids: colored(ids, "PNG"),
    "rgb tiff": lambda ids: colored(ids, "TIFF"),
    "gray jpeg": lambda ids: converted(ids, "L", "JPEG"),
    "gif": lambda ids: converted(ids, "L", "GIF"),
    "webp": lambda ids: converted(ids, "RGB", "WEBP"),
    "halves in a float tiff": lambda ids: encode(Image.fromarray(ids.astype(np.float32) + 0.5), "TIFF"),
    "two pages": lambda ids: several(ids, "TIFF"),
    "two frames": lambda ids: several(ids, "PNG"),
    "negative tiff": lambda ids: encode(Image.fromarray(ids.astype(np.int32) - 300), "TIFF"),
    "out of range": lambda ids: encode(Image.fromarray(ids.astype(np.uint16) + CLASSES), "PNG"),
    "text": lambda ids: b"these are not the ids you are looking for\n" * 9,
    "empty": lambda ids: b"",
    "huge png": lambda ids: png_head(60000, 60000),
    "wide png": lambda ids: png_head(2**31 - 1, 1),
    "huge bmp": lambda ids: b"BM" + struct.pack("<IIIIiiHHI", 54, 0, 54, 40, 60000, 60000, 1, 8, 0) + bytes(20),
    "html": lambda ids: b"<!DOCTYPE html><title>404</title>",
}


def png_head(width: int, height: int) -> bytes:
    """A PNG whose head declares a size and whose pixels are missing."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    head = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + head + struct.pack(">I", 9) + b"IDAT"


@st.composite
def files(draw) -> Written:
    """A file that keeps ids, one that does not, or one of either cut at any byte."""
    form = draw(st.sampled_from([*KEEPING, *SPOILING]))
    seed, side = draw(st.integers(0, 99)), draw(st.sampled_from([SIDE, SIDE, SIDE, 9, 40]))
    ids = np.random.default_rng(seed).integers(0, 2 if form == "1-bit png" else CLASSES, (side, side))
    content, keeps_ids = (KEEPING | SPOILING)[form](ids), form in KEEPING
    if draw(st.booleans()):
        content = content[: draw(st.integers(0, len(content)))]
        form += f", {len(content)} bytes of it"
    return Written(content, ids if keeps_ids else None, f"{form}, {side}x{side}")


@contextlib.contextmanager
def custom_tree() -> Iterator[Path]:
    """One sample "a", whose files are to be replaced."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for kind in ("maps", "photos", "inst"):
            (root / kind).mkdir()
            Image.new("RGB" if kind == "photos" else "L", (SIDE, SIDE)).save(root / kind / "a.png")
        yield root
