"""Components by hand, and the neighborhoods of masks."""

import numpy as np

from data.sims.components import SMALLEST_FRACTION, border, components, dilate, pixels

LABELS = np.array(
    [
        [1, 0, 0, 2],
        [0, 1, 0, 2],
        [0, 0, 3, 3],
    ]
)


def test_diagonal_neighbors_are_connected_and_unknown_is_no_component():
    found = components(LABELS, ignored={3}, smallest=0)
    assert [(component.label, component.area, component.box) for component in found] == [
        (0, 6, (0, 0, 3, 3)),  # all six: the two zeros above touch those below at a corner
        (1, 2, (0, 0, 2, 2)),
        (2, 2, (0, 3, 2, 4)),
    ]
    np.testing.assert_array_equal(found[1].mask, LABELS == 1)


def test_regions_of_one_class_are_components_of_their_own():
    labels = np.array([[1, 0, 1], [1, 0, 0]])
    assert [component.area for component in components(labels, (), 0) if component.label == 1] == [2, 1]


def test_components_are_larger_than_the_fraction():
    assert [component.label for component in components(LABELS, {3}, smallest=2 / 12)] == [0]
    assert SMALLEST_FRACTION * 256 * 512 == 1000


def test_the_border_is_not_at_the_frame():
    mask = np.zeros((5, 6), dtype=bool)
    mask[:4, :4] = True
    expected = mask.copy()
    expected[:3, :3] = False
    np.testing.assert_array_equal(border(mask, 1), expected)


def test_dilation_reaches_diagonally_too():
    mask = np.zeros((5, 6), dtype=bool)
    mask[0, 0] = True
    grown = dilate(mask, 2)
    assert grown[:3, :3].all() and grown.sum() == 9


def test_bands_are_a_pixel_wide_at_least():
    assert pixels(0.035, 256) == 9 and pixels(0.035, 8) == 1
