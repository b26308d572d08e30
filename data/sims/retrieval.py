"""Retrieval: the segment of a bank whose mask, and whose surroundings, are most like those of a component."""

import numpy as np

from data.sims.bank import Bank, count_bits, count_common, pack_bits, shrink
from data.sims.components import Component

EXACT = 50  # segments whose overlap is computed at full size
CONTEXT = 1.25  # sides of the box of the context, relative to those of the component's


def find_segment(
    bank: Bank,
    query: Component,
    labels: np.ndarray | None = None,
    without: int | None = None,
    among: np.ndarray | None = None,
) -> int | None:
    """The index of the best segment of the component's class; None if there is none.

    The score is the intersection over union of the two masks, where they are in their images, plus the fraction of
    equal labels around the component. All segments are compared by small masks, the best 50 of them at full size.

    Args:
        query: a component of an image of the bank's size.
        labels: (H, W) of the component's image; None: leave out the labels around it.
        without: index of an image whose segments do not count.
        among: indices of the images whose segments count; None: all.
    """
    of_class = bank.segments_of(query.label)
    images, masks, areas = bank.images[of_class], bank.masks[:, of_class], bank.small_areas[of_class]
    segments = np.arange(of_class.start, of_class.stop)
    if among is not None:
        chosen = np.flatnonzero(np.isin(images, among))
        images, masks, areas, segments = images[chosen], masks[:, chosen], areas[chosen], segments[chosen]
    overlaps = small_overlaps(masks, areas, pack_bits(shrink(query.mask, bank.grid)))
    if without is not None:
        segments, overlaps = segments[images != without], overlaps[images != without]
    if not len(segments):
        return None
    if len(segments) > EXACT:
        best = np.sort(np.argpartition(-overlaps, EXACT)[:EXACT])
        segments, overlaps = segments[best], overlaps[best]
    scores = overlaps
    if bank.grid != bank.size:  # otherwise small masks are as large as images
        area = query.area
        scores = np.array([overlap(bank, segment, query.mask, area) for segment in segments])
    if labels is not None:
        scores = scores + equal_labels(bank, bank.images[segments], query, labels)
    return int(segments[scores.argmax()])


def small_overlaps(masks: np.ndarray, areas: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Intersection over union of small masks (words, n) of `areas` (n,) with one (words,): (n,) in 0..1."""
    common = count_common(masks, query)
    return common / np.maximum(areas + count_bits(query).sum() - common, 1)


def overlap(bank: Bank, segment: int, mask: np.ndarray, area: int) -> float:
    """Intersection over union of a segment's mask and another one (H, W) bool of this area, at full size."""
    top, left, bottom, right = bank.boxes[segment]
    common = np.count_nonzero(mask[top:bottom, left:right] & bank.outline(segment))
    return common / (area + int(bank.areas[segment]) - common)


def equal_labels(bank: Bank, images: np.ndarray, query: Component, labels: np.ndarray) -> np.ndarray:
    """The fraction of pixels around a component whose labels in other images are those in its own: (images,), in 0..1.

    Counted on the grid of small masks, within the component's box after it has been enlarged by a quarter.
    """
    around = tuple(
        slice(int(max(0, np.floor(low))), int(max(1, np.ceil(high)))) for low, high in _context(query, bank.grid)
    )
    return (bank.layouts[(images, *around)] == shrink(labels, bank.grid)[around]).mean(axis=(1, 2))


def _context(query: Component, grid: tuple[int, int]) -> list[tuple[float, float]]:
    """First and last row, and first and last column, of the enlarged box on the grid."""
    top, left, bottom, right = query.box
    ranges = []
    for low, high, side, count in zip((top, left), (bottom, right), query.mask.shape, grid):
        more = (CONTEXT - 1) * (high - low) / 2
        ranges.append(((low - more) * count / side, (high + more) * count / side))
    return ranges
