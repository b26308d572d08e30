"""Painting a canvas: every patch takes its material's color for the season, then light, then haze, back to front."""

import numpy as np
from numpy.typing import NDArray

from data.landscape.canvas import Canvas, Patch
from data.landscape.materials import ramp_of
from data.landscape.noise import Array, Fractal
from data.landscape.style import Style

WATERS = {"water": (0.8, 0.4), "river": (0.65, 0.35), "sea": (0.6, 0.2)}
"""Fraction of the mirror image in each water, at its far edge and at the foot of the picture."""

_STEPS = 256  # a ramp's colors; looking them up is faster than blending every pixel


def paint(canvas: Canvas, style: Style) -> NDArray[np.uint8]:
    """The picture (H, W, 3) of a canvas in one style."""
    image = np.zeros((canvas.height, canvas.width, 3))
    for patch in canvas:
        part = image[patch.window.box]
        part += patch.coverage[..., None] * (_colors(canvas, patch, style, image) - part)
    return _finish(canvas, image, style)


def _colors(canvas: Canvas, patch: Patch, style: Style, image: Array) -> Array:
    """The colors (H, W, 3) of one patch over the picture painted so far."""
    if patch.material == "sky":
        return _sky(canvas, patch, style)
    if patch.material == "shade":
        return image[patch.window.box] * (0.25, 0.25, 0.4)
    if patch.material == "disc":
        return np.broadcast_to(style.disc + 0.3 * style.air.cover * (style.sky[1] - style.disc), (1, 1, 3))
    if patch.material == "cloud":
        colors = _blend(style.cloud, patch.tone)
    else:
        colors = _blend(ramp_of(patch.material, style.season), patch.tone)
        if patch.material in WATERS:
            colors = _mirror(canvas, patch, colors, image, style)
        else:
            facing = np.clip(0.45 + 0.8 * np.asarray(patch.relief), 0.0, 1.4)
            colors = colors * (style.ambient + style.sun * facing[..., None])
    haze = np.minimum(style.air.haze * np.asarray(patch.depth), 0.92)[..., None]
    return colors + haze * (style.haze - colors)


def _blend(ramp: Array, tone: Array | float) -> Array:
    """Colors at places 0..1 of a ramp (3, 3): its first color, its middle, its last."""
    steps = np.linspace(0.0, 2.0, _STEPS)[:, None]
    table = ramp[0] + np.minimum(steps, 1.0) * (ramp[1] - ramp[0]) + np.maximum(steps - 1.0, 0.0) * (ramp[2] - ramp[1])
    return table.take(np.rint((_STEPS - 1) * np.clip(tone, 0.0, 1.0)).astype(np.intp), axis=0)


def _sky(canvas: Canvas, patch: Patch, style: Style) -> Array:
    """The gradient from horizon to zenith, and the glow around the sun."""
    colors = _blend(style.sky, patch.tone)
    x, y = canvas.sun
    distance = np.hypot(patch.window.x - x, patch.window.y[:, None] - y)
    glow = style.daylight.glow * (1.0 - 0.7 * style.air.cover) * np.exp(-distance / 0.22)
    return colors + glow[..., None] * (style.disc - colors)


def _mirror(canvas: Canvas, patch: Patch, colors: Array, image: Array, style: Style) -> Array:
    """Water: what stands above its far edge, upside down and shaken by the ripples, over its own lit color."""
    window = patch.window
    far, near = WATERS[patch.material]
    scale = canvas.scale(window.y)[:, None]
    ripple = np.asarray(patch.tone) - 0.5
    edge = window.rows.start
    down = (np.arange(len(window.y)) + 1)[:, None]
    rows = edge - down + np.rint(0.12 * ripple * scale / window.pixel).astype(np.int64)
    rows = np.minimum(np.abs(rows), max(edge - 1, 0))  # beyond the top of the picture the mirror image turns back
    mirrored = image[rows, np.arange(len(window.x))]
    strength = (far + (near - far) * scale)[..., None]
    lit = colors * (style.ambient + 0.5 * style.sun)
    return lit + strength * (mirrored * 0.94 - lit) + (0.25 * ripple)[..., None] * (style.ambient + style.sun)


def _finish(canvas: Canvas, image: Array, style: Style) -> NDArray[np.uint8]:
    """The painter's palette and a trace of canvas, as bytes."""
    window = canvas.band(0.0)
    weave = Fractal(np.random.default_rng(0), 60.0, 1).grid(window.x, window.y, window.pixel)
    gray = image.mean(axis=-1, keepdims=True)
    image = gray + style.saturation * (image - gray)
    image = 0.5 + style.contrast * (image - 0.5) + 0.008 * weave[..., None]
    return np.rint(255.0 * np.clip(image * style.balance, 0.0, 1.0)).astype(np.uint8)
