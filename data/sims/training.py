"""The canvas of SIMS for training: a photo's own pixels, with holes like those of pasted segments."""

from collections.abc import Iterable

import numpy as np
from PIL import Image

from data.sims.canvas import Canvas, elide
from data.sims.components import Component

ELISION = 0.05  # width of the band in heights of the image
LARGEST_ANGLE = 2.5  # degrees
OTHER_IMAGES = 100  # random ones, whose segments are compared with a component


def compose_own(
    labels: np.ndarray,
    photo: np.ndarray,
    matched: Iterable[tuple[Component, np.ndarray | None]],
    unlabeled: int,
    random: np.random.Generator,
) -> Canvas:
    """Paste the photo's own pixels, and make the layout as uncertain as that of pasted segments.

    Pixels are pasted, and keep their class, where both the component and the segment retrieved for it are. Where only
    the segment is, or the component turned by a small random angle, the layout becomes unlabeled.

    Args:
        labels: (H, W), the true layout.
        photo: (H, W, 3) float32 in 0..1.
        matched: components in the order of `back_to_front`, each with the mask (H, W) bool of a segment of another
            image, or None: then it is a hole.
        unlabeled: the id of unlabeled pixels.
    """
    canvas = np.zeros_like(photo)
    changed = labels.astype(np.int16)
    for component, match in matched:
        covered = turn(component.mask, random.uniform(-LARGEST_ANGLE, LARGEST_ANGLE))
        if match is None:
            match = np.zeros_like(covered)
        changed[(covered | match) & ~component.mask] = unlabeled
        inside = component.mask & match
        changed[inside] = component.label
        canvas[inside] = photo[inside]
        elide(canvas, inside, ELISION, random)
    return Canvas(canvas, changed)


def turn(mask: np.ndarray, degrees: float) -> np.ndarray:
    """Rotate a mask (H, W) bool about the center of the image."""
    return np.asarray(Image.fromarray(mask.view(np.uint8)).rotate(degrees)).view(bool)
