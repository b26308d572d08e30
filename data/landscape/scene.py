"""Composition of scenes from layers and things, and the label map, instance map and image drawn from them."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data.landscape import terrain
from data.landscape.biomes import BIOMES, THINGS, Biome
from data.landscape.canvas import CLASS_NAMES, Canvas
from data.landscape.materials import label_of
from data.landscape.noise import Array, Fractal
from data.landscape.paint import paint
from data.landscape.style import Style

Rng = np.random.Generator
THINGS_PER_CLASS = 1000
"""Thing k has the instance id 1000 * class + k, stuff the id of its class (the convention of Cityscapes)."""


@dataclass(frozen=True)
class Landscape:
    """One drawn scene, all maps of one size."""

    labels: NDArray[np.uint8]
    """Class ids (H, W), 255 where there is no class."""
    instances: NDArray[np.uint16]
    """(H, W): 1000 * class + k for the k-th thing, the class id for everything else."""
    image: NDArray[np.uint8]
    """RGB picture (H, W, 3)."""
    style: Style


def draw_scene(seed: int, index: int, width: int, height: int, style: Style | None = None) -> Landscape:
    """Draw scene `index` of the series `seed`; the same two numbers give the same scene at every size.

    Args:
        style: paint the same layout in this style instead of its own.
    """
    canvas = Canvas(width, height)
    compose(canvas, np.random.default_rng([seed, index, 0]))
    style = style or Style.draw(np.random.default_rng([seed, index, 1]))
    labels, instances = label_maps(canvas)
    return Landscape(labels, instances, paint(canvas, style), style)


def label_maps(canvas: Canvas) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """(labels, instances): the foremost patch that covers at least half of a pixel names it."""
    labels = np.zeros((canvas.height, canvas.width), dtype=np.uint8)
    instances = np.zeros((canvas.height, canvas.width), dtype=np.uint16)
    for patch in canvas:
        label = label_of(patch.material)
        if label is None:
            continue
        covered = patch.coverage >= 0.5
        labels[patch.window.box][covered] = label
        group = min(label, len(CLASS_NAMES))  # unknown things count as one class more
        instances[patch.window.box][covered] = group * THINGS_PER_CLASS + patch.instance if patch.instance else label
    return labels, instances


def branch(rng: Rng) -> Rng:
    """A separate generator for one part, so that the random numbers a part draws do not affect later parts."""
    return np.random.default_rng(rng.integers(2**63))


def compose(canvas: Canvas, rng: Rng) -> None:
    """Fill the canvas from back to front with one scene."""
    names = list(BIOMES)
    weights = np.array([biome.weight for biome in BIOMES.values()])
    biome = BIOMES[names[rng.choice(len(names), p=weights / weights.sum())]]
    canvas.horizon = rng.uniform(*biome.horizon)
    canvas.sun = rng.uniform(0.1, 0.9) * canvas.aspect, rng.uniform(0.1, 0.6) * canvas.horizon
    terrain.sky(canvas, branch(rng))
    if rng.random() < 0.25:
        terrain.sun(canvas, rng.uniform(0.025, 0.045))
    _clouds(canvas, branch(rng))
    _ranges(canvas, branch(rng), biome)
    top = _water_and_ground(canvas, branch(rng), biome)
    ways = _ways(canvas, branch(rng), biome, top)
    _things(canvas, branch(rng), biome, top, ways)


def _clouds(canvas: Canvas, rng: Rng) -> None:
    count = rng.choice(6, p=(0.2, 0.15, 0.2, 0.2, 0.15, 0.1))
    heights = np.sort(rng.uniform(0.22, 0.95, count))[::-1] * canvas.horizon
    for y in heights:
        size = rng.uniform(0.12, 0.3) * (1.2 - 0.8 * y / canvas.horizon)
        x = rng.uniform(-0.05, 1.05) * canvas.aspect
        terrain.cloud(canvas, branch(rng), x, y, size, rng.uniform(0.5, 0.8))


def _ranges(canvas: Canvas, rng: Rng, biome: Biome) -> None:
    """Mountains, then hills, each nearer and lower than the one before."""
    mountains, hills = rng.integers(*biome.mountains, endpoint=True), rng.integers(*biome.hills, endpoint=True)
    snowy = rng.random() < biome.snow_caps
    tall = rng.uniform(0.55, 1.0)
    kind = biome.mountain_kind[rng.integers(len(biome.mountain_kind))]
    for i in range(mountains):
        nearness = i / max(mountains, 2)
        height = canvas.horizon * tall * (0.62 - 0.22 * nearness) * rng.uniform(0.85, 1.1)
        base = canvas.horizon - 0.02
        snowline = base - height * rng.uniform(0.3, 0.6) if snowy and kind == "mountain" else None
        depth = (0.85 if kind == "mountain" else 0.6) - 0.4 * nearness
        terrain.mountain_range(canvas, branch(rng), kind, base, height, depth, snowline)
    for i in range(hills):
        nearness = (i + 1) / (hills + 1)
        height = canvas.horizon * rng.uniform(0.1, 0.28)
        base = canvas.horizon + 0.015 - 0.05 * (1 - nearness)
        depth = 0.6 - 0.35 * nearness
        top = terrain.mountain_range(canvas, branch(rng), biome.hill_kind, base, height, depth)
        if rng.random() < biome.woods:
            terrain.forest(canvas, branch(rng), top, rng.uniform(0.02, 0.04) * (0.6 + nearness), depth, biome.wood_kind)


def _headland(canvas: Canvas, rng: Rng) -> None:
    """A cliff that runs out into the sea from one side."""
    side, reach = rng.random() < 0.5, rng.uniform(0.25, 0.6)

    def envelope(x: Array) -> Array:
        inland = (x if side else canvas.aspect - x) / canvas.aspect
        return np.clip((reach - inland) / 0.18, -0.3, 1.0)

    height = canvas.horizon * rng.uniform(0.18, 0.4)
    terrain.mountain_range(canvas, branch(rng), "rock", canvas.horizon + 0.01, height, 0.25, envelope=envelope)


def _water_and_ground(canvas: Canvas, rng: Rng, biome: Biome) -> terrain.Line:
    """The water with its shore, or the plain; returns the upper edge of the dry ground."""
    bumps = Fractal(rng, 2.0, 4, 0.45)
    level = rng.uniform(0.3, 0.72) * (1.0 - canvas.horizon)
    tilt = rng.uniform(-0.25, 0.25) / canvas.aspect
    band = rng.uniform(0.03, 0.1)
    headland = rng.random() < biome.headland
    if not biome.water:

        def plain(x: Array) -> Array:
            return canvas.horizon + 0.008 * bumps.line(x)

        terrain.ground(canvas, branch(rng), biome.ground, plain)
        _blotches(canvas, branch(rng), biome, plain)
        return plain

    def shore(x: Array) -> Array:
        return canvas.horizon + level + tilt * (x - canvas.aspect / 2) + 0.05 * bumps.line(x)

    def meadow(x: Array) -> Array:
        return shore(x) + band * (1.0 + 0.6 * bumps.line(x * 2.0 + 5.0))

    if headland:
        _headland(canvas, branch(rng))
    terrain.water(canvas, branch(rng), biome.water, canvas.horizon, shore, 0.28 if biome.water == "sea" else 0.2)
    shore_kind = biome.shores[rng.integers(len(biome.shores))]
    terrain.ground(canvas, branch(rng), shore_kind, shore)
    if biome.ground != shore_kind:
        terrain.ground(canvas, branch(rng), biome.ground, meadow)
    _blotches(canvas, branch(rng), biome, meadow)
    return meadow


def _blotches(canvas: Canvas, rng: Rng, biome: Biome, top: terrain.Line) -> None:
    for material, chance in biome.blotches.items():
        fraction, part = rng.uniform(0.25, 0.5), branch(rng)
        if rng.random() < chance:
            terrain.blotch(canvas, part, material, top, fraction)


def _ways(canvas: Canvas, rng: Rng, biome: Biome, top: terrain.Line) -> list[terrain.Way]:
    """A river, a road, or a road that follows the river's bends on one of its banks."""
    river = terrain.Way(
        foot=rng.uniform(0.15, 0.85) * canvas.aspect,
        head=rng.uniform(0.25, 0.75) * canvas.aspect,
        half_width=rng.uniform(0.14, 0.26),
        swing=rng.uniform(0.1, 0.35),
        bends=rng.uniform(1.3, 2.8),
        phase=rng.uniform(0.0, 2 * np.pi),
    )
    wet, paved = rng.random(2) < (biome.river, biome.road)
    road = replace(river, half_width=rng.uniform(0.07, 0.13))
    if wet:
        bank = np.sign(canvas.aspect / 2 - river.foot) * (river.half_width + road.half_width)
        road = replace(road, foot=river.foot + bank * rng.uniform(1.3, 1.8), head=river.head + 0.15 * bank)
    parts = branch(rng), branch(rng)
    ways = []
    for drawn, kind, line, part in zip((wet, paved), ("river", "road"), (river, road), parts):
        if drawn:
            terrain.way(canvas, part, kind, line, top)
            ways.append(line)
    return ways


def _things(canvas: Canvas, rng: Rng, biome: Biome, top: terrain.Line, ways: list[terrain.Way]) -> None:
    """Everything that stands on the ground (and boats on the water), from far to near."""
    kinds = [kind for kind, most in biome.things.items() for _ in range(rng.integers(0, most, endpoint=True))]
    u, v, sizes = rng.random((3, len(kinds)))
    looks = [THINGS[kind] for kind in kinds]
    aside = np.array([look.at_sides for look in looks], dtype=bool)  # of no things, a list would become floats
    near = np.array([look.farthest + look.nearest * part**look.crowd_far for look, part in zip(looks, v)])
    # Tall things near the viewer keep out of the middle.
    x = np.where(aside & (near > 0.35), 0.5 + np.sign(u - 0.5) * (0.25 + 0.55 * np.abs(u - 0.5)), u) * canvas.aspect
    start = top(x)
    y = start + (1.0 - start) * near
    afloat = np.array([look.afloat for look in looks], dtype=bool)
    y = np.where(afloat, canvas.horizon + (start - canvas.horizon) * near, y)
    scale = canvas.scale(y)
    low, high = np.array([look.size for look in looks]).reshape(-1, 2).T
    size = scale * (low + sizes * (high - low))
    margin = 0.5 * size * [look.footprint for look in looks]
    clear = np.ones(len(kinds), dtype=bool)
    for line in ways:
        clear &= line.clearance(x, scale) > margin
    parts = [branch(rng) for _ in kinds]
    for i in np.argsort(y, kind="stable"):
        if clear[i]:
            looks[i].draw(canvas, parts[i], x[i], y[i], size[i])
