"""Which segment is in front, by hand."""

import numpy as np
import pytest

from data.sims.ordering import order_pairs, pair_maps
from data.sims.roles import BACK_TO_FRONT, Roles

STREET = Roles.of([*BACK_TO_FRONT, "unlabeled"])
ROAD, CAR, WALL, BUILDING = (BACK_TO_FRONT.index(name) for name in ("road", "car", "wall", "building"))


def halves(left: int, right: int) -> np.ndarray:
    return np.repeat(np.array([[left] * 20 + [right] * 20], dtype=np.uint8), 30, axis=0)


@pytest.mark.parametrize(
    ("left", "right", "near", "far", "front"),
    [
        (WALL, BUILDING, 9, 4, WALL),
        (WALL, BUILDING, 4, 9, BUILDING),
        (CAR, ROAD, 4, 9, CAR),  # a thing is in front of the ground, whatever is measured
        (ROAD, CAR, 9, 4, CAR),
        (ROAD, WALL, 9, 4, ROAD),
    ],
)
def test_the_larger_disparity_at_the_common_edge_is_in_front(left, right, near, far, front):
    disparity = halves(near, far)
    disparity[:, :10], disparity[:, -10:] = 99, 0  # far from the edge
    disparity[5, 19] = disparity[6, 20] = 0  # not measured
    (pair,) = order_pairs(halves(left, right), disparity, STREET, 0)
    assert {pair.first.label, pair.second.label} == {left, right} and pair.front == front


def test_pairs_that_do_not_touch_or_were_not_measured_are_left_out():
    labels = halves(WALL, BUILDING)
    assert order_pairs(labels, halves(7, 0), STREET, 0) == []
    labels[:, 18:22] = STREET.unlabeled
    assert order_pairs(labels, halves(7, 5), STREET, 0) == []


def test_maps_of_pairs_are_filled_up():
    labels = halves(WALL, BUILDING)
    labels[0] = CAR
    pairs = order_pairs(labels, halves(7, 5), STREET, 0)
    assert len(pairs) == 3
    maps, fronts = pair_maps(pairs, 4, labels.shape)
    assert maps.shape == (4, 30, 40) and maps.dtype == np.int16 and fronts.dtype == np.int64
    for drawn, pair, front in zip(maps, pairs, fronts):
        assert front == pair.front and set(np.unique(drawn)) == {-1, pair.first.label, pair.second.label}
    assert (maps[3] == -1).all() and fronts[3] == -1
    assert pair_maps(pairs, 2, labels.shape)[1].tolist() == [pair.front for pair in pairs[:2]]
