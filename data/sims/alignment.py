"""Segments moved from their places in a photo: what SIMS's transformation network learns to align."""

from collections.abc import Sequence

import numpy as np

from data.sims.components import Component

SCALES = (0.9, 1.1)
LARGEST_SHIFT = 0.031  # of the extent of a segment


def segment_maps(
    found: Sequence[Component], photo: np.ndarray, count: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Up to `count` moved components of an image, in random order, as maps of a sample; missing ones are nowhere.

    Those that would leave the image are left out.

    Args:
        photo: (H, W, 3) float32 in 0..1.
    Returns:
        the moved pixels (count, 3, H, W) float32, black around them; and where they belong, (count, H, W) bool.
    """
    segments, masks = np.zeros((count, *photo.shape), np.float32), np.zeros((count, *photo.shape[:2]), bool)
    kept = 0
    for place in random.permutation(len(found)):
        moved = move(photo, found[place], random.uniform(*SCALES), random.uniform(-LARGEST_SHIFT, LARGEST_SHIFT, 2))
        if moved is None or kept == count:
            continue
        segments[kept], masks[kept] = moved, found[place].mask
        kept += 1
    return np.ascontiguousarray(segments.transpose(0, 3, 1, 2)), masks  # (count, 3, H, W)


def move(photo: np.ndarray, component: Component, scale: float, shift: np.ndarray) -> np.ndarray | None:
    """The pixels of a component, scaled about the center of its box and then shifted; None if they leave the image.

    Nearest neighbor, which keeps the black around them out of their colors.

    Args:
        shift: down and to the right, in heights and widths of the box.
    Returns:
        (H, W, 3), black around the component.
    """
    top, left, bottom, right = component.box
    targets, sources = [], []  # rows, then columns
    for low, high, side, offset in zip((top, left), (bottom, right), photo.shape, shift):
        old, new, half = (low + high) / 2, (low + high) / 2 + offset * (high - low), scale * (high - low) / 2
        first, end = round(new - half), round(new + half)
        if first < 0 or end > side:
            return None
        target = np.arange(first, end)
        source = np.floor((target + 0.5 - new) / scale + old).astype(int)  # pixel i is the interval from i to i + 1
        targets.append(target)
        sources.append(np.clip(source, low, high - 1))
    moved = np.zeros_like(photo)
    source = np.ix_(*sources)
    moved[np.ix_(*targets)] = photo[source] * component.mask[source][..., None]
    return moved
