"""Fractal value noise in scene coordinates: a sum of octaves of one smooth random lattice.

Coordinates are in picture heights, so that a scene is the same at every resolution. An octave finer than the pixels
fades out (it could only alias), and every random number is drawn when a `Fractal` is built, before any size is known.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

_SIDE = 64  # the lattice repeats after this many cells, a power of two
_LATTICE: Array = np.random.default_rng(20190318).uniform(-1.0, 1.0, (_SIDE, _SIDE))
_LACUNARITY = 2.03  # not 2, so that the lattices of two octaves never line up


def smoothstep(low: float, high: float, value: Array) -> Array:
    """0 below `low`, 1 above `high`, a smooth cubic between."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _cell(coordinate: Array) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """The two lattice indices around a coordinate, and the smooth weight of the second."""
    floor = np.floor(coordinate)
    t = coordinate - floor
    first = floor.astype(np.int64) & (_SIDE - 1)
    return first, (first + 1) & (_SIDE - 1), t * t * (3.0 - 2.0 * t)


def _grid_noise(x: Array, y: Array) -> Array:
    """Value noise in [-1, 1] on the grids of `x` (K, W) and `y` (K, H), as (K, H, W): rows first, then columns."""
    x0, x1, tx = _cell(x)
    y0, y1, ty = _cell(y)
    noise = np.empty((len(x), y.shape[1], x.shape[1]))
    for k in range(len(x)):
        upper = _LATTICE[y0[k]]
        rows = upper + ty[k][:, None] * (_LATTICE[y1[k]] - upper)  # (H, _SIDE)
        left = rows.take(x0[k], axis=1)
        noise[k] = left + tx[k] * (rows.take(x1[k], axis=1) - left)
    return noise


def _point_noise(x: Array, y: Array) -> Array:
    """Value noise in [-1, 1] at points given by two arrays of one shape."""
    x0, x1, tx = _cell(x)
    y0, y1, ty = _cell(y)
    flat = _LATTICE.ravel()
    y0, y1 = y0 * _SIDE, y1 * _SIDE
    a, c = flat[y0 + x0], flat[y1 + x0]
    upper = a + tx * (flat[y0 + x1] - a)
    lower = c + tx * (flat[y1 + x1] - c)
    return upper + ty * (lower - upper)


class Fractal:
    """Noise of several octaves, roughly in [-1, 1].

    Args:
        frequency: lattice cells per picture height of the first octave.
        gain: amplitude of an octave relative to the one before.
        ridged: fold every octave at zero, so that the noise has sharp crests near 1 (mountain ridges).
        stretch: how many times longer than tall the features of `grid` and `ground` are.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        frequency: float,
        octaves: int = 4,
        gain: float = 0.5,
        ridged: bool = False,
        stretch: float = 1.0,
    ):
        self.frequencies = frequency * _LACUNARITY ** np.arange(octaves)
        amplitudes = gain ** np.arange(octaves)
        self.amplitudes = amplitudes / np.sqrt((amplitudes**2).sum())
        self.offsets = rng.random((octaves, 2)) * _SIDE
        self.ridged = ridged
        self.stretch = stretch

    def _visible(self, pixel: float) -> tuple[Array, Array, Array]:
        """(frequencies (K,), amplitudes (K,), offsets (K, 2)) of the octaves that pixels of this size can show."""
        seen = _seen(self.frequencies, pixel)
        keep = seen > 0
        return self.frequencies[keep], (self.amplitudes * seen)[keep], self.offsets[keep]

    def _fold(self, noise: Array) -> Array:
        return 1.0 - 2.5 * np.abs(noise) if self.ridged else noise

    def line(self, x: Array) -> Array:
        """The noise along a line, the same at every resolution, for ridges and shores that other parts refer to."""
        x = np.asarray(x, dtype=np.float64)
        return self.points(x, np.zeros_like(x), pixel=0.0)

    def points(self, x: Array, y: Array, pixel: float) -> Array:
        """The noise at any points; `x` and `y` are of one shape."""
        frequencies, amplitudes, offsets = self._visible(pixel)
        total = np.zeros_like(x)
        for frequency, amplitude, (ox, oy) in zip(frequencies, amplitudes, offsets):
            total += amplitude * self._fold(_point_noise(x * frequency + ox, y * frequency + oy))
        return total

    def grid(self, x: Array, y: Array, pixel: float) -> Array:
        """The noise on the grid of `x` (W,) and `y` (H,), as (H, W)."""
        frequencies, amplitudes, offsets = self._visible(pixel)
        noise = _grid_noise(
            np.outer(frequencies, x) / self.stretch + offsets[:, :1], np.outer(frequencies, y) + offsets[:, 1:]
        )
        return np.tensordot(amplitudes, self._fold(noise), axes=1)

    def ground(self, x: Array, scale: Array, pixel: float) -> Array:
        """The noise on a plane that recedes, as (H, W): features shrink and flatten with distance.

        Every row mixes the screen frequencies that show this fractal's ground frequencies at that row's `scale` (H,)
        (1 at the foot of the picture, toward 0 at the horizon), which keeps the lattice separable.
        """
        octaves, log_scale = len(self.frequencies), np.log(scale)
        level = np.arange(octaves + _FAR_LEVELS)
        frequencies = self.frequencies[0] * _LACUNARITY**level
        place = level[:, None] + log_scale / np.log(_LACUNARITY)  # (K, H): the ground octave a screen octave shows
        weight = np.clip(place + 1.0, 0.0, 1.0) * np.clip(octaves - place, 0.0, 1.0) * 0.62 ** np.maximum(place, 0.0)
        weight *= _seen(frequencies, pixel)[:, None]
        used = weight.max(axis=1) > 0
        offsets = self.offsets[level % octaves][used] + 17.0 * level[used, None]
        noise = _grid_noise(
            np.outer(frequencies[used], x) / self.stretch + offsets[:, :1],
            np.outer(frequencies[used], log_scale) * 0.6 + offsets[:, 1:],
        )
        return 0.8 * np.einsum("kh,khw->hw", weight[used], self._fold(noise))


_FAR_LEVELS = 4  # screen octaves beyond a fractal's own, that show it far away


def _seen(frequency: Array, pixel: float) -> Array:
    """How much of an octave pixels of this size can show: all below half a cell per pixel, nothing above one."""
    return np.clip(2.0 - 2.0 * frequency * pixel, 0.0, 1.0)
