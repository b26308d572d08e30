"""The canvas of SIMS for testing: segments of training photos, pasted from back to front; and the layout they make."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from data.sims.components import Component, border, box_of, components, dilate, pixels
from data.sims.roles import Roles

# Widths of bands, in heights of the image.
ELISION = 0.035
VEHICLE_SHADOW = 0.06
VEGETATION_BORDER = 0.04
OBJECT_SHADOW = 0.08
ELIDED = 0.5  # fraction of the pixels of an elided band
SHADOW_GROWTH = 0.125  # of the box of an object, to the sides and below, relative to its sides
WHITE = 1.0


class Segment(NamedTuple):
    """A segment of a training photo, at its place in the frame."""

    mask: np.ndarray  # (H, W) bool
    photo: np.ndarray  # (H, W, 3) float32 in 0..1
    labels: np.ndarray  # (H, W), of the photo


class Canvas(NamedTuple):
    """What the synthesis network gets."""

    pixels: np.ndarray  # (H, W, 3) float32 in 0..1; 0 where nothing is pasted, 1 where pixels are elided
    labels: np.ndarray  # (H, W) int16: classes changed to fit, and `Roles.unlabeled`


def back_to_front(found: Iterable[Component], roles: Roles) -> list[Component]:
    """Sort components: by rank, larger ones first among equal ranks."""
    return sorted(found, key=lambda component: (roles.ranks[component.label], -component.area))


def compose(
    labels: np.ndarray,
    pasted: Iterable[tuple[Component, Segment | None]],
    roles: Roles,
    smallest: float,
    random: np.random.Generator,
) -> Canvas:
    """Paste segments, and change the layout to fit them.

    Args:
        labels: (H, W), the true layout.
        pasted: components of the layout in the order of `back_to_front`, with the segments retrieved for them; a
            component without one leaves a hole.
        smallest: fraction of the image; objects with a shadow are larger.
    """
    canvas = np.zeros((*labels.shape, 3), dtype=np.float32)
    changed = labels.astype(np.int16)
    for component, segment in pasted:
        changed[component.mask] = roles.unlabeled
        if segment is None:
            changed[component.mask] = component.label
            canvas[component.mask] = 0
            continue
        changed[segment.mask] = component.label
        canvas[segment.mask] = 0
        kept = segment.mask & ~left_out(component.label, segment, roles)
        canvas[kept] = segment.photo[kept]
        elide(canvas, kept, ELISION, random)
    restored = (changed == roles.unlabeled) & np.isin(labels, list(roles.restored))
    changed[restored] = labels[restored]
    canvas[shadows(changed, roles, smallest)] = 0
    return Canvas(canvas, changed)


def left_out(label: int, segment: Segment, roles: Roles) -> np.ndarray:
    """Pixels of a segment that may show something else, (H, W) bool: shadows of vehicles, or sky behind leaves."""
    height = len(segment.mask)
    if label in roles.ground:
        vehicles = np.isin(segment.labels, list(roles.vehicles))
        return dilate(vehicles, pixels(VEHICLE_SHADOW, height))
    if label in roles.vegetation:
        return border(segment.mask, pixels(VEGETATION_BORDER, height))
    return np.zeros_like(segment.mask)


def elide(canvas: np.ndarray, mask: np.ndarray, width: float, random: np.random.Generator) -> None:
    """Set a random half of the pixels in the band at the border of a mask (H, W) bool to white, in place.

    So the network learns to invent pixels where segments meet.
    """
    band = border(mask, pixels(width, len(mask)))
    canvas[band & (random.random(band.shape) < ELIDED)] = WHITE


def shadows(labels: np.ndarray, roles: Roles, smallest: float) -> np.ndarray:
    """Ground and unlabeled pixels beside and below objects (H, W) bool, where the network is to paint shadows."""
    emptied = np.zeros(labels.shape, dtype=bool)
    for component in components(labels, roles.ignored, smallest):
        if component.label not in roles.objects:
            continue
        top, left, bottom, right = box_of(component.mask)
        aside, below = round(SHADOW_GROWTH * (right - left)), round(SHADOW_GROWTH * (bottom - top))
        grown = np.zeros_like(emptied)
        grown[top : bottom + below, max(0, left - aside) : right + aside] = True
        emptied |= grown & dilate(component.mask, pixels(OBJECT_SHADOW, len(labels)))
    return emptied & np.isin(labels, [*roles.ground, roles.unlabeled])
