"""PNG files of every kind, written from the specification: Pillow writes some of them only."""

import struct
import zlib

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
KINDS = [(color, depth) for color in CHANNELS for depth in (1, 2, 4, 8, 16) if depth >= 8 or color in (0, 3)]
KINDS.remove((3, 16))
"""Color types and bit depths that there are."""
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(width: int, height: int, depth: int = 8, color: int = 0, interlace: int = 0) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace))


def random_samples(kind: tuple[int, int], size: tuple[int, int], rng) -> np.ndarray:
    """Samples (H, W, C) of a color type and bit depth."""
    color, depth = kind
    return rng.integers(0, 2**depth, (*size, CHANNELS[color]), np.uint16).astype(np.uint16 if depth == 16 else np.uint8)


def encode(samples: np.ndarray, kind: tuple[int, int], interlace: int = 0, filters=(0,), palette=b"") -> bytes:
    """A PNG file of samples (H, W, C); its rows have the filters in turn. A palette is three bytes for each index."""
    color, depth = kind
    height, width, channels = samples.shape
    step, rows = max(channels * depth // 8, 1), b""
    for x, y, dx, dy in ADAM7 if interlace else ((0, 0, 1, 1),):
        part = samples[y::dy, x::dx]
        above = None
        for number, row in enumerate(part if part.size else ()):
            line = _packed(row.reshape(-1), depth)
            above = np.zeros_like(line) if above is None else above
            rows += _filtered(line, above, step, filters[number % len(filters)])
            above = line
    parts = [header(width, height, depth, color, interlace)]
    parts += [chunk(b"PLTE", palette)] if palette else []
    data = zlib.compress(rows)
    parts += [chunk(b"IDAT", data[: len(data) // 2]), chunk(b"IDAT", data[len(data) // 2 :]), chunk(b"IEND")]
    return SIGNATURE + b"".join(parts)


def _packed(samples: np.ndarray, depth: int) -> np.ndarray:
    """Bytes of a row, whose samples are packed from the highest bit on."""
    if depth == 16:
        return np.frombuffer(samples.astype(">u2").tobytes(), np.uint8)
    bits = samples[:, None] >> np.arange(depth)[::-1] & 1
    return np.packbits(bits.astype(np.uint8))


def _filtered(line: np.ndarray, above: np.ndarray, step: int, number: int) -> bytes:
    left, corner = (np.concatenate([np.zeros(step, int), row[:-step]])[: len(line)] for row in (line, above))
    left, above, corner = (row.astype(int)[: len(line)] for row in (left, above, corner))
    candidates = np.stack([left, above, corner])
    nearest = np.argmin(abs(left + above - corner - candidates), axis=0)  # the first of equal ones, as specified
    paeth = np.take_along_axis(candidates, nearest[None], axis=0)[0]
    predicted = [0 * left, left, above, (left + above) // 2, paeth][number]
    return bytes([number]) + (line.astype(int) - predicted).astype(np.uint8).tobytes()
