"""Which of two segments is in front, from the disparity of stereo photos: what SIMS's ordering network learns."""

from itertools import combinations
from typing import NamedTuple

import numpy as np

from data.sims.components import Component, border, components, dilate
from data.sims.roles import Roles

BAND = 5  # pixels from the edge of a segment, at 256x512: edges dilated by 11x11
MISSING = 0  # disparity of pixels without a measurement, as in Cityscapes
NOTHING = -1


class Pair(NamedTuple):
    """Two segments of different classes that touch."""

    first: Component
    second: Component
    front: int  # class of the one in front


def order_pairs(labels: np.ndarray, disparity: np.ndarray, roles: Roles, smallest: float) -> list[Pair]:
    """The pairs of touching components of a label map (H, W), and which of the two is in front.

    In front is the one with the larger median disparity near their common edge; but things are always in front of the
    flat ground they stand on. Pairs without a measurement on both sides are left out.

    Args:
        disparity: (H, W), of any unit; larger is nearer, 0 is unknown.
        smallest: fraction of the image; components are larger.
    """
    found = components(labels, roles.ignored, smallest)
    edges = [dilate(border(component.mask, 1), BAND) for component in found]
    grown = [dilate(component.mask, 1) for component in found]
    pairs = []
    for (first, near, reach), (second, far, _) in combinations(zip(found, edges, grown), 2):
        if first.label == second.label or not (reach & second.mask).any():
            continue
        if (front := _thing_on_ground(first.label, second.label, roles)) is None:
            measured = near & far & (disparity != MISSING)
            sides = [disparity[measured & component.mask] for component in (first, second)]
            if not all(map(len, sides)):
                continue
            front = first.label if np.median(sides[0]) >= np.median(sides[1]) else second.label
        pairs.append(Pair(first, second, front))
    return pairs


def _thing_on_ground(first: int, second: int, roles: Roles) -> int | None:
    for thing, ground in ((first, second), (second, first)):
        if thing in roles.objects and ground in roles.flat:
            return thing
    return None


def pair_maps(pairs: list[Pair], count: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The first `count` pairs as maps of a sample, filled up with -1.

    Returns:
        ids of the classes of both segments (count, H, W) int16, -1 around them; class in front (count,) int64.
    """
    maps, fronts = np.full((count, *size), NOTHING, np.int16), np.full(count, NOTHING, np.int64)
    for place, pair in enumerate(pairs[:count]):
        for component in (pair.first, pair.second):
            maps[place][component.mask] = component.label
        fronts[place] = pair.front
    return maps, fronts
