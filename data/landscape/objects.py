"""Things that stand in a landscape: trees, bushes, rocks, plants, and the huts and boats that have no class.

Each is drawn in a small window around its place, from coordinates in units of its own size.
"""

import numpy as np

from data.landscape.canvas import Canvas, Patch, Window
from data.landscape.noise import Array, Fractal

Rng = np.random.Generator


def _depth(canvas: Canvas, y: float) -> float:
    return 0.4 * (1.0 - float(canvas.scale(np.array(y)))) ** 2


def shadow(canvas: Canvas, x: float, y: float, size: float, strength: float = 0.45) -> None:
    """The soft shadow of something `size` wide on the ground, drawn away from the light."""
    x -= 0.5 * size * np.sign(canvas.light[0])
    window = canvas.window(x - 1.3 * size, x + 1.3 * size, y - 0.3 * size, y + 0.3 * size)
    if window is not None:
        distance = np.hypot((window.x - x) / size, (window.y[:, None] - y) / (0.22 * size))
        canvas.add(Patch("shade", window, strength * np.clip(1.4 - 1.2 * distance, 0.0, 1.0)))


def _balls(canvas: Canvas, window: Window, x: Array, y: Array, r: Array) -> tuple[Array, Array]:
    """Distance inside a heap of balls (K,), and how much its surface faces the light, smooth where balls meet."""
    dx = (window.x - x[:, None])[:, None, :] / r[:, None, None]
    dy = (window.y - y[:, None])[:, :, None] / r[:, None, None]
    inside = 1.0 - np.sqrt(dx**2 + dy**2)  # (K, H, W)
    lx, ly = canvas.light
    weight = np.exp(7.0 * np.clip(inside, -3.0, 1.0))
    facing = (weight * (dx * lx + dy * ly)).sum(axis=0) / weight.sum(axis=0)
    return (inside * r[:, None, None]).max(axis=0), facing


def _foliage(
    canvas: Canvas, rng: Rng, window: Window, inside: Array, facing: Array, size: float, lift: Array
) -> tuple[Array, Array, Array]:
    """(coverage, tone, relief) of leaves: a frayed edge, dappled tone, lighter toward the top (`lift` 0..1)."""
    leaves = Fractal(rng, 6.0 / size, 4, 0.85).grid(window.x, window.y, window.pixel)
    coverage = window.cover(inside + 0.035 * size * leaves)
    tone = 0.28 + 0.3 * lift + 0.26 * leaves + 0.16 * np.clip(facing, -1.0, 1.0)
    return coverage, tone, np.clip(0.8 * facing + 0.25 * leaves, -1.0, 1.0)


def round_tree(canvas: Canvas, rng: Rng, x: float, y: float, size: float) -> None:
    """A broad-leaved tree `size` high: a trunk that forks into a crown of leafy balls."""
    count = 14
    angle = rng.uniform(0.0, 2 * np.pi) + 2.4 * np.arange(count)  # the golden angle spreads the balls evenly
    reach = np.sqrt(np.arange(count) / count) * rng.uniform(0.8, 1.1, count)
    wide = rng.uniform(0.24, 0.34)
    ball_x = x + size * wide * reach * np.cos(angle)
    ball_y = y - size * (0.64 + 0.24 * reach * np.sin(angle))
    ball_r = size * rng.uniform(0.11, 0.17, count)
    lean = rng.uniform(-0.08, 0.08)
    window = canvas.window(x - 0.6 * size, x + 0.6 * size, y - 1.1 * size, y + 0.02 * size)
    instance = canvas.new_thing()
    if window is None:
        return
    shadow(canvas, x, y, 0.42 * size)
    depth = _depth(canvas, y)
    up = (y - window.y[:, None]) / size
    across = (window.x - x) / size - lean * up
    trunk = np.minimum(0.022 + 0.03 * np.exp(-up / 0.05) - np.abs(across), np.minimum(0.6 - up, up))
    tone = 0.45 + 0.25 * np.sign(canvas.light[0]) * np.clip(across / 0.04, -1.0, 1.0)
    canvas.add(Patch("trunk", window, window.cover(trunk * size), tone, 0.0, depth, instance))
    inside, facing = _balls(canvas, window, ball_x, ball_y, ball_r)
    leaves = _foliage(canvas, rng, window, inside, facing, size, np.clip((up - 0.35) / 0.6, 0.0, 1.0))
    canvas.add(Patch("foliage", window, *leaves, depth, instance))


def conifer(canvas: Canvas, rng: Rng, x: float, y: float, size: float) -> None:
    """A spruce `size` high: tiers of drooping boughs around a straight trunk."""
    width, tiers, phase = rng.uniform(0.19, 0.25), rng.uniform(5.0, 8.0), rng.random()
    needles = Fractal(rng, 9.0 / size, 4, 0.9, stretch=0.6)
    window = canvas.window(x - 0.35 * size, x + 0.35 * size, y - 1.05 * size, y + 0.02 * size)
    instance = canvas.new_thing()
    if window is None:
        return
    shadow(canvas, x, y, 0.3 * size)
    depth = _depth(canvas, y)
    up = np.clip((y - window.y[:, None]) / size, -0.1, 1.1)
    across = (window.x - x) / size
    trunk = np.minimum(0.02 - np.abs(across), np.minimum(0.2 - up, up))
    canvas.add(Patch("trunk", window, window.cover(trunk * size), 0.4, 0.0, depth, instance))
    grain = needles.grid(window.x, window.y, window.pixel)
    droop = up + 0.25 * np.abs(across) + 0.022 * grain
    tier = (droop * tiers + phase) % 1.0  # 0 at the hem of a tier, 1 under the next
    taper = np.clip(1.0 - up, 0.0, 1.0) ** 0.9
    half_width = width * taper * (1.08 - 0.42 * tier) + 0.012 * grain
    inside = np.minimum(np.minimum(half_width - np.abs(across), up - 0.09), 0.4 * (0.99 - up))
    facing = np.clip(across / (width * taper + 0.02), -1.0, 1.0) * np.sign(canvas.light[0])
    tone = 0.4 + 0.2 * facing + 0.36 * (0.5 - tier) + 0.22 * grain
    canvas.add(Patch("conifer", window, window.cover(inside * size), tone, 0.7 * facing, depth, instance))


def bush(canvas: Canvas, rng: Rng, x: float, y: float, size: float) -> None:
    """A shrub `size` wide: a low heap of leafy balls."""
    count = 7
    ball_x = x + size * np.linspace(-0.36, 0.36, count)
    ball_r = size * (0.13 + 0.1 * np.cos(np.linspace(-1.2, 1.2, count))) * rng.uniform(0.85, 1.2, count)
    ball_y = y - ball_r * rng.uniform(0.6, 1.3, count)
    window = canvas.window(x - 0.7 * size, x + 0.7 * size, y - 0.7 * size, y + 0.02 * size)
    instance = canvas.new_thing()
    if window is None:
        return
    shadow(canvas, x, y, 0.5 * size)
    inside, facing = _balls(canvas, window, ball_x, ball_y, ball_r)
    up = (y - window.y[:, None]) / size
    leaves = _foliage(canvas, rng, window, np.minimum(inside, up * size), facing, 0.8 * size, np.clip(up / 0.5, 0, 1))
    canvas.add(Patch("bush", window, *leaves, _depth(canvas, y), instance))


def boulder(canvas: Canvas, rng: Rng, x: float, y: float, size: float, kind: str) -> None:
    """A `rock` of flat facets or a rounded `stone`, `size` wide, sunk a little into the ground."""
    rounded = kind == "stone"
    count = 7
    angle = np.linspace(0.0, 2 * np.pi, count, endpoint=False) + rng.uniform(-0.3, 0.3, count)
    reach = rng.uniform(0.34, 0.5, count)
    tilt = rng.uniform(-0.25, 0.25, (count, 2))
    squash = rng.uniform(0.62, 0.95) * (0.8 if rounded else 1.0)
    top = rng.uniform((-0.12, -0.22), (0.12, 0.02))
    grain = Fractal(rng, 5.0 / size, 4, 0.65)
    window = canvas.window(x - 0.65 * size, x + 0.65 * size, y - 0.75 * size, y + 0.25 * size)
    instance = canvas.new_thing()
    if window is None:
        return
    shadow(canvas, x, y + 0.04 * size, 0.6 * size, 0.5)
    u = (window.x - x) / size - top[0] * 0.2
    v = (window.y[:, None] - y + 0.22 * size) / (size * squash)
    noise = grain.grid(window.x, window.y, window.pixel)
    lx, ly = canvas.light
    if rounded:
        radius = np.hypot(u, v * 1.1)
        inside = 0.45 - radius + 0.02 * noise
        relief = np.clip((u * lx + v * ly) / 0.4, -1.0, 1.0)
    else:
        walls = reach[:, None, None] - (
            u * np.cos(angle)[:, None, None] + v[None] * np.sin(angle)[:, None, None]
        )  # (K, H, W) distance to each side
        inside = walls.min(axis=0) + 0.012 * noise
        facet = (walls / (reach + top[0] * np.cos(angle) + top[1] * np.sin(angle))[:, None, None]).argmin(axis=0)
        normal_x, normal_y = np.cos(angle) + tilt[:, 0], np.sin(angle) + tilt[:, 1]
        relief = np.clip((normal_x * lx + normal_y * ly)[facet] * 0.95, -1.0, 1.0)
    inside = np.minimum(inside * size, y + 0.1 * size - window.y[:, None] + 0.02 * size * noise)
    tone = 0.5 + 0.2 * noise + 0.18 * relief
    canvas.add(Patch(kind, window, window.cover(inside), tone, relief, _depth(canvas, y), instance))


def plant(canvas: Canvas, rng: Rng, x: float, y: float, size: float, flowers: bool) -> None:
    """A tuft `size` high of curved blades that fan out from one root, some with a blossom at the tip."""
    count = 13
    spread = np.sort(rng.uniform(-0.62, 0.62, count))
    length = rng.uniform(0.6, 1.0, count) * (1.0 - 0.45 * np.abs(spread))
    root = rng.uniform(-0.12, 0.12, count)
    thick = rng.uniform(0.03, 0.05, count)
    shade = rng.uniform(0.25, 0.85, count)
    window = canvas.window(x - 0.8 * size, x + 0.8 * size, y - 1.1 * size, y + 0.02 * size)
    if window is None:
        return
    shadow(canvas, x, y, 0.4 * size)
    depth = _depth(canvas, y)
    along = ((y - window.y) / size)[None, :, None] / length[:, None, None]  # 0 at the root, 1 at the tip of a blade
    center = root[:, None, None] + spread[:, None, None] * length[:, None, None] * np.clip(along, 0, 1) ** 1.7
    half_width = thick[:, None, None] * np.sqrt(np.clip(1.0 - along, 0.0, 1.0)) * (along > 0) - 1e-3
    blades = half_width - np.abs(((window.x - x) / size) - center)  # (K, H, W)
    front = blades.argmax(axis=0)
    inside = blades.max(axis=0)
    tone = shade[front] - 0.25 + 0.4 * np.clip(along.max(axis=0), 0.0, 1.0)
    canvas.add(Patch("plant", window, window.cover(inside * size), tone, 0.2, depth))
    if flowers:
        tips = np.arange(1, count, 3)
        tip_x, tip_y = x + size * (root + spread * length)[tips], y - size * length[tips]
        petals, facing = _balls(canvas, window, tip_x, tip_y, np.full(len(tips), 0.075 * size))
        canvas.add(Patch("blossom", window, window.cover(petals), 0.55 + 0.3 * facing, 0.2, depth))


def hut(canvas: Canvas, rng: Rng, x: float, y: float, size: float) -> None:
    """A hut `size` wide with a pitched roof; it has no class of its own."""
    door = rng.uniform(-0.2, 0.2)
    window = canvas.window(x - 0.65 * size, x + 0.65 * size, y - 0.95 * size, y + 0.02 * size)
    instance = canvas.new_thing()
    if window is None:
        return
    shadow(canvas, x, y, 0.7 * size, 0.55)
    depth = _depth(canvas, y)
    u, v = (window.x - x) / size, (y - window.y[:, None]) / size
    walls = np.minimum(0.4 - np.abs(u), np.minimum(v, 0.5 - v))
    tone = 0.5 + 0.12 * np.cos(60.0 * v) + 0.0 * u
    relief = 0.3 * np.sign(canvas.light[0]) * np.sign(u) + 0.0 * v
    canvas.add(Patch("wall", window, window.cover(walls * size), tone, relief, depth, instance))
    opening = np.minimum(0.07 - np.abs(u - door), np.minimum(v, 0.3 - v))
    canvas.add(Patch("doorway", window, window.cover(opening * size), 0.3, 0.0, depth, instance))
    roof = np.minimum((0.85 - v) * 0.9 - np.abs(u) * 0.62, v - 0.4 + 0.0 * u)
    roof = np.minimum(roof, 0.52 - np.abs(u))
    canvas.add(Patch("roof", window, window.cover(roof * size), 0.5 + 0.3 * (v - 0.6), 0.3, depth, instance))


def boat(canvas: Canvas, rng: Rng, x: float, y: float, size: float) -> None:
    """A small sailing boat `size` long on the water; it has no class of its own."""
    side = 1.0 if rng.random() < 0.5 else -1.0
    window = canvas.window(x - 0.6 * size, x + 0.6 * size, y - 1.1 * size, y + 0.1 * size)
    instance = canvas.new_thing()
    if window is None:
        return
    depth = _depth(canvas, y)
    u, v = side * (window.x - x) / size, (y - window.y[:, None]) / size
    hull = np.minimum(0.5 - 0.18 * (0.16 - v) / 0.16 - np.abs(u), np.minimum(v + 0.03, 0.16 - v))
    canvas.add(Patch("hull", window, window.cover(hull * size), 0.5, 0.0, depth, instance))
    main = np.minimum((1.0 - v) * 0.42 - (u + 0.02), np.minimum(u + 0.02, v - 0.2))
    jib = np.minimum((0.85 - v) * 0.36 + (u + 0.06), np.minimum(-u - 0.06, v - 0.22))
    sails = np.maximum(main, jib)
    canvas.add(Patch("sail", window, window.cover(sails * size), 0.6 + 0.3 * u, 0.1, depth, instance))
