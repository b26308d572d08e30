"""The large layers of a landscape, back to front: sky, clouds, ranges, water, ground, and the ways that cross it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from data.landscape.canvas import Canvas, Patch, Window
from data.landscape.noise import Array, Fractal, smoothstep

Line = Callable[[Array], Array]
"""Height of a line across the picture, at any x."""


def sky(canvas: Canvas, rng: np.random.Generator) -> None:
    """The whole canvas: tone runs from the zenith (1) to the horizon (0), brushed by long faint streaks."""
    window = canvas.band(0.0, canvas.far)
    streaks = Fractal(rng, 3.0, octaves=4, stretch=4.0).grid(window.x, window.y, window.pixel)
    tone = 1.0 - window.y[:, None] / (canvas.horizon + 0.05) + 0.07 * streaks
    canvas.add(Patch("sky", window, np.ones_like(tone), tone=np.clip(tone, 0.0, 1.0)))


def sun(canvas: Canvas, radius: float) -> None:
    """The disc of sun or moon, where the sky's light comes from."""
    x, y = canvas.sun
    window = canvas.window(x - 2 * radius, x + 2 * radius, y - 2 * radius, y + 2 * radius)
    if window is not None:
        distance = radius - np.hypot(window.x - x, window.y[:, None] - y)
        canvas.add(Patch("disc", window, window.cover(distance), instance=canvas.new_thing()))


def cloud(canvas: Canvas, rng: np.random.Generator, x: float, y: float, size: float, flatness: float) -> None:
    """A cumulus: a heap of puffs on a flat base, frayed by noise, lit from the sun's side."""
    count = 11
    px = x + size * np.linspace(-0.8, 0.8, count) + size * rng.uniform(-0.12, 0.12, count)
    pr = size * (0.2 + 0.3 * np.cos(np.linspace(-1.35, 1.35, count))) * rng.uniform(0.6, 1.25, count)
    py = y - flatness * pr * rng.uniform(0.2, 1.0, count)
    fray, billow = Fractal(rng, 1.6 / size, 5, 0.6), Fractal(rng, 1.2 / size, 5, 0.55)
    window = canvas.window(x - 1.5 * size, x + 1.5 * size, y - 1.1 * size, y + 0.3 * size)
    if window is None:
        return
    dx = (window.x - px[:, None])[:, None, :]
    dy = (window.y - py[:, None])[:, :, None] / flatness
    puffs = 1.0 - np.sqrt(dx**2 + dy**2) / pr[:, None, None]  # 1 in the middle of a puff, 0 on its edge
    heap = puffs.max(axis=0)
    body = heap + 0.3 * fray.grid(window.x, window.y, window.pixel) - 0.02
    body -= 6.0 * np.clip((window.y[:, None] - y) / size - 0.02, 0.0, None)
    height = 0.34 * np.sqrt(np.clip(heap + 0.1, 0.0, 1.0)) * size
    height = height + 0.05 * size * billow.grid(window.x, window.y, window.pixel)
    rise = np.clip((y - window.y[:, None]) / (flatness * size), 0.0, 1.0)
    relief = np.tanh(1.1 * canvas.gradient(height, window.pixel))
    tone = np.clip(0.3 + 0.75 * rise + 0.3 * relief, 0.0, 1.0)
    coverage = smoothstep(-0.12, 0.16, body) * 0.98
    canvas.add(Patch("cloud", window, coverage, tone, 0.35 * relief, 0.25, canvas.new_thing()))


@dataclass(frozen=True)
class RangeKind:
    """How one kind of range looks: the shape of its skyline and the relief of its slopes."""

    frequency: float
    octaves: int
    gain: float
    ridged: bool
    steepness: float
    """How fast the slope moves through the height field: low gives long spurs, high gives lumps."""
    relief: float
    mesa: bool = False
    """Flat tops with steep sides and gaps between them."""
    thing: bool = False


RANGES = {
    "mountain": RangeKind(2.6, 6, 0.5, True, 0.55, 1.5, thing=True),
    "hill": RangeKind(1.5, 4, 0.32, False, 1.3, 2.2),
    "dune": RangeKind(1.2, 3, 0.3, False, 0.8, 3.4),
    "snow": RangeKind(1.3, 4, 0.32, False, 1.1, 2.4),
    "rock": RangeKind(1.9, 6, 0.5, True, 0.35, 1.2, mesa=True, thing=True),
}
MATERIAL = {"dune": "sand"}


def mountain_range(
    canvas: Canvas,
    rng: np.random.Generator,
    kind: str,
    base: float,
    height: float,
    depth: float,
    snowline: float | None = None,
    envelope: Line | None = None,
) -> Line:
    """A range that rises `height` above `base` and reaches down to the foot of the picture; returns its skyline.

    The skyline is a slice of a height field and the slope below it shows the next slices toward the viewer, so that
    every peak stands at the head of its own spurs.

    Args:
        snowline: height of the picture above which snow lies; None for no snow.
        envelope: factor on the height along x (a headland that ends); None for 1 everywhere.
    """
    look = RANGES[kind]
    skyline = Fractal(rng, look.frequency, look.octaves, look.gain, look.ridged)
    detail = Fractal(rng, 9.0, 5, 0.6)
    snow_edge = Fractal(rng, 7.0, 5, 0.6)

    def top(x: Array) -> Array:
        shape = 0.5 + 0.5 * skyline.line(x)
        if look.mesa:
            shape = smoothstep(0.4, 0.75, shape) * 0.75 + 0.3 * shape
        shape = 1.4 * np.tanh(np.maximum(shape, -0.2) / 1.4)  # no peak leaves the picture
        return base - height * shape * (1.0 if envelope is None else envelope(x))

    edge_x = np.linspace(0.0, canvas.aspect, 257)
    window = canvas.band(top(edge_x).min() - 0.01, canvas.far)
    line = top(window.x)
    below = window.y[:, None] - line  # (H, W) distance below the skyline
    grain = detail.grid(window.x, window.y, window.pixel)
    x = np.broadcast_to(window.x, below.shape) + 0.06 * grain * np.clip(below * 6, 0.0, 1.0) * look.steepness
    surface = skyline.points(x, np.clip(below, 0.0, None) * look.steepness, max(window.pixel, 0.012))
    relief = canvas.gradient(surface * height, window.pixel) * look.relief
    relief = np.tanh(relief + 0.1) * 0.85 + 0.12 * grain
    slope = np.gradient(line, window.pixel) if len(line) > 1 else np.zeros(1)
    coverage = window.cover(below / np.sqrt(1.0 + slope**2))
    tone = 0.5 + 0.22 * grain + 0.5 * (0.5 - np.clip(below / (height + 0.05), 0.0, 1.0))
    instance = canvas.new_thing() if look.thing else 0
    fade = depth + 0.12 * np.clip(below / 0.2, 0.0, 1.0)  # mist gathers at the foot of a range
    canvas.add(Patch(MATERIAL.get(kind, kind), window, coverage, tone, relief, fade, instance))
    if snowline is not None:
        ragged = 0.035 * snow_edge.grid(window.x, window.y, window.pixel) + 0.03 * relief
        snow = np.minimum(snowline - window.y[:, None] + ragged, below)
        tone = 0.62 + 0.3 * relief + 0.1 * grain
        canvas.add(Patch("snow", window, window.cover(snow), tone, relief, depth))
    return top


def forest(canvas: Canvas, rng: np.random.Generator, top: Line, thickness: float, depth: float, kind: str) -> None:
    """Woods along a skyline: a strip of crowns that opens and closes, its upper edge the tips of the trees."""
    patches = Fractal(rng, 1.6, 3, 0.5)
    crowns = Fractal(rng, 0.9 / thickness, 3, 0.7, ridged=True)
    leaves = Fractal(rng, 0.8 / thickness, 5, 0.75)
    bias = rng.uniform(0.0, 0.5)
    edge_x = np.linspace(0.0, canvas.aspect, 129)
    window = canvas.band(top(edge_x).min() - 2.0 * thickness, canvas.far)
    width = np.clip(patches.line(window.x) + bias, 0.0, 0.8) * 1.6  # (W,) 0 where the woods open
    tips = thickness * np.minimum(1.0, 3 * width) * (0.35 + 0.4 * crowns.line(window.x))
    line = top(window.x)
    above = window.y[:, None] - (line - tips)
    below = line + 2.2 * thickness * width - window.y[:, None]
    grain = leaves.grid(window.x, window.y, window.pixel)
    inside = np.minimum(above, below + 0.4 * thickness * grain) - 1e-3 * (width <= 0)
    inside = np.where(width > 0, inside, -1.0)
    relief = np.tanh(0.9 * canvas.gradient(grain * thickness, window.pixel))
    tone = 0.42 + 0.3 * grain - 0.3 * np.clip(above / (4 * thickness), 0.0, 1.0)
    canvas.add(Patch(kind, window, window.cover(inside), tone, relief, depth))


def water(canvas: Canvas, rng: np.random.Generator, kind: str, top: float, shore: Line, swell: float) -> None:
    """Lake or sea between a level far edge and a near shore; paint.py adds the reflection.

    Tone holds the ripples around 0.5, and foam where the sea meets the shore.
    """
    window = canvas.band(top)
    scale = canvas.scale(window.y)
    ripples = Fractal(rng, 5.0, 4, 0.6, stretch=2.5 if kind == "water" else 1.8)
    fray = Fractal(rng, 5.0, 3, 0.6)
    tone = 0.5 + swell * ripples.ground(window.x, scale, window.pixel)
    to_shore = shore(window.x) - window.y[:, None]
    coverage = window.cover(np.minimum(window.y[:, None] - top, to_shore))
    if kind == "sea":
        ragged = to_shore + 0.012 * fray.line(window.x)
        for distance, strength in ((0.004, 0.55), (0.055, 0.3)):
            tone = tone + strength * np.exp(-(((ragged - distance * (1 + 2 * distance)) / 0.011) ** 2))
    depth = 0.42 * (1.0 - scale[:, None]) ** 2
    canvas.add(Patch(kind, window, coverage, tone, 0.0, depth))


def _ground_patch(
    canvas: Canvas, rng: np.random.Generator, material: str, window: Window, inside: Array, bump: float = 1.0
) -> None:
    """Ground of one material where `inside` (H, W), a distance in picture heights, is positive."""
    look = GROUND[material]
    scale = canvas.scale(window.y)
    broad = Fractal(rng, 2.0, 3, 0.55, stretch=1.6).ground(window.x, scale, window.pixel)
    fine = Fractal(rng, look.frequency, 4, 0.8, stretch=look.stretch).ground(window.x, scale, window.pixel)
    tone = 0.5 + look.broad * broad + look.fine * fine
    near = scale[:, None]
    relief = look.relief * np.tanh(bump * canvas.gradient((0.05 * broad + 0.012 * fine) * near, window.pixel))
    canvas.add(Patch(material, window, window.cover(inside), tone, relief, 0.4 * (1.0 - near) ** 2))


@dataclass(frozen=True)
class GroundKind:
    """Texture of one ground: strength of its broad and its fine variation, and the size and shape of its grain."""

    broad: float
    fine: float
    frequency: float
    stretch: float
    relief: float


GROUND = {
    "grass": GroundKind(0.16, 0.14, 22.0, 0.35, 0.6),
    "sand": GroundKind(0.1, 0.08, 14.0, 2.0, 0.4),
    "dirt": GroundKind(0.14, 0.16, 14.0, 1.2, 0.8),
    "gravel": GroundKind(0.06, 0.3, 26.0, 1.0, 0.9),
    "snow": GroundKind(0.08, 0.05, 16.0, 1.6, 0.3),
    "road": GroundKind(0.08, 0.1, 16.0, 1.5, 0.3),
}


def ground(canvas: Canvas, rng: np.random.Generator, material: str, top: Line) -> None:
    """Ground of one material from a line down."""
    edge_x = np.linspace(0.0, canvas.aspect, 65)
    window = canvas.band(top(edge_x).min() - 0.01)
    _ground_patch(canvas, rng, material, window, window.y[:, None] - top(window.x))


def blotch(canvas: Canvas, rng: np.random.Generator, material: str, top: Line, fraction: float) -> None:
    """Patches of another material on the ground below a line, lying flat in perspective."""
    spots = Fractal(rng, 1.3, 5, 0.5, stretch=2.0)
    window = canvas.band(top(np.linspace(0.0, canvas.aspect, 65)).min())
    scale = canvas.scale(window.y)
    noise = spots.ground(window.x, scale, min(window.pixel, 1 / 128)) - (1.0 - 2.0 * fraction) * 0.5
    inside = np.minimum(
        0.12 * (noise - 0.02 / scale[:, None] ** 1.5) * scale[:, None], window.y[:, None] - top(window.x) - 0.008
    )
    _ground_patch(canvas, rng, material, window, inside)


@dataclass(frozen=True)
class Way:
    """Center and half width, in picture heights, of a road or river at the ground's scale `s`."""

    foot: float
    head: float
    half_width: float
    swing: float
    bends: float
    phase: float

    def at(self, scale: Array) -> tuple[Array, Array]:
        bend = np.sin(self.phase - self.bends * np.log(scale))
        center = self.head + (self.foot - self.head) * scale + self.swing * scale * bend
        return center, self.half_width * scale + 0.003

    def clearance(self, x: Array, scale: Array) -> Array:
        """How far points of the ground lie from the edge, negative on the way, in picture heights."""
        center, half_width = self.at(scale)
        return np.abs(x - center) - half_width


def way(canvas: Canvas, rng: np.random.Generator, kind: str, line: Way, top: Line) -> None:
    """A road or a river that winds over the ground toward the horizon."""
    window = canvas.band(top(np.linspace(0.0, canvas.aspect, 65)).min())
    scale = canvas.scale(window.y)
    center, half_width = (part[:, None] for part in line.at(scale))
    fray = Fractal(rng, 3.0, 3, 0.5).ground(window.x, scale, window.pixel)
    across = (window.x - center) / half_width  # -1 and 1 on the edges
    inside = half_width * (1.0 - np.abs(across)) + 0.02 * fray * scale[:, None]
    inside = np.minimum(inside, window.y[:, None] - top(window.x) - 0.004)
    if kind == "river":
        ripples = Fractal(rng, 6.0, 4, 0.6, stretch=2.5).ground(window.x, scale, window.pixel)
        tone = 0.5 + 0.2 * ripples - 0.22 * smoothstep(0.75, 1.0, np.abs(across))
        canvas.add(Patch("river", window, window.cover(inside), tone, 0.0, 0.4 * (1.0 - scale[:, None]) ** 2))
        return
    _ground_patch(canvas, rng, "road", window, inside)
    ruts = np.exp(-(((np.abs(across) - 0.45) / 0.16) ** 2))
    covered = window.cover(inside) * 0.35 * ruts
    canvas.add(Patch("shade", window, covered))
