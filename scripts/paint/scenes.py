"""Scenes to start from: label maps and photos of the landscapes data set that no training has seen."""

from __future__ import annotations

import functools
import io
import threading

import numpy as np
from PIL import Image

from data.landscape import UNKNOWN, draw_scene
from data.landscapes import DATA_SEED, FIRST_VALIDATION_SCENE

FIRST = 12
COUNT = 10_000
KEPT = 64
"""Scenes in memory; one takes some 20 KB."""


class Scenes:
    """Draws scenes at the size of a model, on demand, in any thread.

    Attributes:
        first_count: scenes that the page offers from the beginning.
        count: scenes 0..count-1 can be asked for.

    Args:
        colors: of every class, the unknown one last, (num_labels, 3) uint8.
    """

    first_count, count = FIRST, COUNT

    def __init__(self, width: int, height: int, colors: np.ndarray):
        self.width, self.height = width, height
        self.colors = colors
        self._lock = threading.Lock()
        self._kept = functools.lru_cache(maxsize=KEPT)(self._draw)

    def files(self, number: int) -> dict[str, bytes]:
        """The files of a scene by suffix: png, a palette image whose indices are ids; and jpg, its photo."""
        assert 0 <= number < COUNT
        with self._lock:  # one core at most, and nothing twice
            return self._kept(number)

    def _draw(self, number: int) -> dict[str, bytes]:
        scene = draw_scene(DATA_SEED, FIRST_VALIDATION_SCENE + number, self.width, self.height)
        ids = np.where(scene.labels == UNKNOWN, len(self.colors) - 1, scene.labels).astype(np.uint8)
        return {"png": palette_png(ids, self.colors), "jpg": _saved(scene.image, "JPEG", quality=90)}


def palette_png(ids: np.ndarray, colors: np.ndarray) -> bytes:
    """A PNG of 8 bits whose indices are ids (H, W) uint8, shown in the colors (n, 3) of the classes."""
    image = Image.fromarray(ids)
    image.putpalette(colors.astype(np.uint8).tobytes())
    file = io.BytesIO()
    image.save(file, "PNG", bits=8)
    return file.getvalue()


def _saved(pixels: np.ndarray, format: str, **settings) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format, **settings)
    return file.getvalue()
