"""PNG files of kinds that Pillow cannot write."""

import struct
import zlib
from pathlib import Path


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def write_png(path: Path, width: int, height: int, bits: int, color_type: int, rows: bytes) -> Path:
    """A PNG of a kind that Pillow cannot write."""
    head = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path
