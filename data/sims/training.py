"""The canvas of SIMS for training: a photo's own pixels, with holes like those of pasted segments."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import scipy
from PIL import Image

from data.sims.canvas import Canvas, elide
from data.sims.components import Component

ELISION = 0.05  # width of the band in heights of the image
LARGEST_ANGLE = 2.5  # degrees
OTHER_IMAGES = 100  # random ones, whose segments are compared with a component
RECOLORED = 0.2  # fraction of the components that get the colors of the segment
LEAST_VARIANCE = 1e-6  # of colors in 0..1; keeps the covariance of flat ones invertible


class Match(NamedTuple):
    """The segment of another image that was retrieved for a component."""

    mask: np.ndarray  # (H, W) bool
    colors: np.ndarray | None  # its pixels (n, 3) float32 in 0..1, if the component is to get their colors


def compose_own(
    labels: np.ndarray,
    photo: np.ndarray,
    matched: Iterable[tuple[Component, Match | None]],
    unlabeled: int,
    random: np.random.Generator,
) -> Canvas:
    """Paste the photo's own pixels, and make the layout as uncertain as that of pasted segments.

    Pixels are pasted, and keep their class, where both the component and the segment retrieved for it are. Where only
    the segment is, or the component turned by a small random angle, the layout becomes unlabeled.

    Args:
        labels: (H, W), the true layout.
        photo: (H, W, 3) float32 in 0..1.
        matched: components in the order of `back_to_front`, each with its segment, or None: then it is a hole.
        unlabeled: the id of unlabeled pixels.
    """
    canvas = np.zeros_like(photo)
    changed = labels.astype(np.int16)
    for component, match in matched:
        covered = turn(component.mask, random.uniform(-LARGEST_ANGLE, LARGEST_ANGLE))
        if match is not None:
            covered = covered | match.mask
        changed[covered & ~component.mask] = unlabeled
        if match is None or not (inside := component.mask & match.mask).any():
            continue
        changed[inside] = component.label
        canvas[inside] = photo[inside] if match.colors is None else move_colors(photo[inside], match.colors)
        elide(canvas, inside, ELISION, random)
    return Canvas(canvas, changed)


def turn(mask: np.ndarray, degrees: float) -> np.ndarray:
    """Rotate a mask (H, W) bool about the center of the image."""
    return np.asarray(Image.fromarray(mask.view(np.uint8)).rotate(degrees)).view(bool)


def move_colors(colors: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Colors (n, 3) in 0..1, moved so that their mean and covariance become those of others (m, 3).

    The linear map that moves them least (Monge-Kantorovich), between normal distributions; then clipped to 0..1.
    """
    own, wanted = (np.cov(pixels, rowvar=False, bias=True) + LEAST_VARIANCE * np.eye(3) for pixels in (colors, target))
    root = np.real(scipy.linalg.sqrtm(own))
    inverse = np.linalg.inv(root)
    move = inverse @ np.real(scipy.linalg.sqrtm(root @ wanted @ root)) @ inverse
    return np.clip((colors - colors.mean(axis=0)) @ move + target.mean(axis=0), 0, 1).astype(np.float32)
