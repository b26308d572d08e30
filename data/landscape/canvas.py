"""The elements of a landscape: the classes, the canvas with its coordinates, and the patches on it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from data.landscape.noise import Array

CLASSES = (
    ("sky", "#9bd0f5"),
    ("cloud", "#c9d3e6"),
    ("mountain", "#7f80a3"),
    ("hill", "#a3b56b"),
    ("rock", "#8a6f62"),
    ("snow", "#fafcff"),
    ("tree", "#27613a"),
    ("bush", "#4d8f3c"),
    ("grass", "#84c94e"),
    ("sand", "#efdb9d"),
    ("dirt", "#a8703f"),
    ("gravel", "#b9ada6"),
    ("stone", "#5d6470"),
    ("water", "#4cc3cf"),
    ("sea", "#1d5a9e"),
    ("river", "#3a93e0"),
    ("road", "#57464f"),
    ("plant", "#d65f92"),
)
"""Name and color of every class, in the order of the ids; the names are those of the GauGAN brushes."""

CLASS_NAMES = tuple(name for name, _ in CLASSES)
CLASS_COLORS = np.array([list(bytes.fromhex(color[1:])) for _, color in CLASSES], dtype=np.uint8)
UNKNOWN = 255
"""Label of what has no class: the disc of sun or moon, a hut, a boat."""


@dataclass(frozen=True)
class Window:
    """A rectangle of the canvas and the coordinates of its pixel centers, in picture heights."""

    rows: slice
    cols: slice
    x: Array  # (W,)
    y: Array  # (H,), downwards
    pixel: float

    @property
    def box(self) -> tuple[slice, slice]:
        return self.rows, self.cols

    def cover(self, distance: Array) -> Array:
        """Fraction of each pixel inside a shape, from the distance to its edge (positive inside)."""
        return np.clip(distance / self.pixel + 0.5, 0.0, 1.0)


@dataclass(frozen=True)
class Patch:
    """One element of a scene, independent of style. Arrays have the shape (H, W) of the window, or broadcast to it."""

    material: str
    window: Window
    coverage: Array
    """Fraction of each pixel the patch covers; a pixel more than half covered takes its label."""
    tone: Array | float = 0.5
    """Place on the material's color ramp, 0 dark .. 1 light."""
    relief: Array | float = 0.0
    """How much the surface faces the light, -1 away .. 1 toward it."""
    depth: Array | float = 0.0
    """Distance for the haze, 0 near .. 1 far."""
    instance: int = 0
    """0 for stuff, else the running number of a thing."""


@dataclass
class Canvas:
    """A picture being composed: its coordinates, its light, and its patches from back to front."""

    width: int
    height: int
    sun: tuple[float, float] = (0.5, 0.2)
    """Where the sun or moon stands, in picture heights."""
    horizon: float = 0.5
    patches: list[Patch] = field(default_factory=list)
    things: int = 0

    @property
    def aspect(self) -> float:
        return self.width / self.height

    @property
    def light(self) -> tuple[float, float]:
        """Screen direction toward the light, as (x, y): from the sun's side and from above."""
        side = -0.8 if self.sun[0] < self.aspect / 2 else 0.8
        return side, -0.6

    def window(self, left: float, right: float, top: float, bottom: float) -> Window | None:
        """The pixels whose centers may lie in a rectangle; None where it misses the canvas."""
        c0, c1 = max(int(left * self.height), 0), min(int(right * self.height) + 1, self.width)
        r0, r1 = max(int(top * self.height), 0), min(int(bottom * self.height) + 1, self.height)
        if c0 >= c1 or r0 >= r1:
            return None
        x = (np.arange(c0, c1) + 0.5) / self.height
        y = (np.arange(r0, r1) + 0.5) / self.height
        return Window(slice(r0, r1), slice(c0, c1), x, y, 1.0 / self.height)

    def band(self, top: float, bottom: float = 1.0) -> Window:
        """All pixels between two heights, over the whole width; at least one row."""
        top = min(max(top, 0.0), 1.0 - 1.0 / self.height)
        window = self.window(0.0, self.aspect, top, max(bottom, top))
        assert window is not None
        return window

    @property
    def far(self) -> float:
        """Height down to which things behind the ground reach; the ground's upper edge lies above it."""
        return self.horizon + 0.05

    def scale(self, y: Array) -> Array:
        """Size of things that stand on the ground at height `y`, 1 at the foot of the picture."""
        return np.clip((y - self.horizon) / (1.0 - self.horizon), 0.03, 1.0)

    def add(self, *patches: Patch) -> None:
        self.patches.extend(patches)

    def new_thing(self) -> int:
        self.things += 1
        return self.things

    def gradient(self, height: Array, pixel: float) -> Array:
        """How much a surface of this height field (H, W) faces the light (unbounded; flat is 0)."""
        x, y = self.light
        facing = np.zeros_like(height)
        for axis, amount in ((1, x), (0, y)):
            if height.shape[axis] > 1:
                facing -= amount * np.gradient(height, pixel, axis=axis)
        return facing

    def __iter__(self) -> Iterator[Patch]:
        return iter(self.patches)
