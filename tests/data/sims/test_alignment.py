"""Moved segments, by hand and at random."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from data.sims.alignment import LARGEST_SHIFT, move, segment_maps
from data.sims.components import Component, box_of, components
from tests.data.sims.small_banks import rectangle

PHOTO = np.arange(1, 8 * 16 * 3 + 1, dtype=np.float32).reshape(8, 16, 3)  # no two pixels are equal, none is black
SEGMENT = Component(1, rectangle(2, 4, 6, 12).astype(bool))  # 4 rows, 8 columns


def moved_to(scale: float, down: float, right: float):
    return move(PHOTO, SEGMENT, scale, np.array([down, right]))


def test_a_segment_that_is_not_moved_is_itself():
    np.testing.assert_array_equal(moved_to(1, 0, 0), PHOTO * SEGMENT.mask[..., None])


def test_shifts_are_fractions_of_the_segments_extent():
    expected = np.zeros_like(PHOTO)
    expected[3:7, 2:10] = PHOTO[2:6, 4:12]
    np.testing.assert_array_equal(moved_to(1, 0.25, -0.25), expected)


def test_a_segment_is_scaled_about_its_center():
    expected = np.zeros_like(PHOTO)
    expected[3:5, 6:10] = PHOTO[3:7:2, 5:13:2]  # of two pixels, the second one holds the center
    np.testing.assert_array_equal(moved_to(0.5, 0, 0), expected)
    expected = np.zeros_like(PHOTO)
    expected[:, :] = PHOTO[2:6, 4:12].repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(moved_to(2, 0, 0), expected)


def test_a_segment_that_leaves_the_image_is_none():
    assert moved_to(1, 0.5, 0) is not None and moved_to(1, 0.75, 0) is None
    assert moved_to(1, 0, 0.5) is not None and moved_to(1, 0, -0.75) is None
    assert moved_to(2.5, 0, 0) is None


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.9, 1.1), st.floats(-LARGEST_SHIFT, LARGEST_SHIFT))
def test_a_moved_segment_keeps_its_colors_and_about_its_place(seed, scale, shift):
    labels = np.random.default_rng(seed).integers(0, 2, (4, 4)).repeat(10, axis=0).repeat(10, axis=1)
    photo = np.arange(1, 40 * 40 * 3 + 1, dtype=np.float32).reshape(40, 40, 3)
    for component in components(labels, (), 0):
        moved = move(photo, component, scale, np.array([shift, -shift]))
        if moved is None:
            continue
        colored = moved.any(axis=2)
        assert np.isin(moved[colored][:, 0], photo[component.mask][:, 0]).all()
        # Half of the growth, the shift, and rounding.
        assert all(abs(a - b) <= 2 + 0.031 * 40 + 1 for a, b in zip(box_of(colored), component.box))


def test_maps_hold_as_many_components_as_fit():
    labels = np.zeros((20, 20), np.uint8)
    labels[6:14, 6:14] = 1
    labels[8:12, 8:12] = 2
    found = components(labels, (0,), 0)  # 0 would leave the image about half of the time
    photo = np.random.default_rng(0).uniform(0.1, 1, (20, 20, 3)).astype(np.float32)
    segments, masks = segment_maps(found, photo, 3, np.random.default_rng(0))
    assert segments.shape == (3, 3, 20, 20) and segments.dtype == np.float32 and masks.shape == (3, 20, 20)
    assert sorted(mask.sum() for mask in masks) == [0, 16, 48] and not segments[2].any()
    for segment, mask in zip(segments[:2], masks):
        drawn = segment.any(axis=0)
        assert (drawn & mask).sum() > 0.6 * mask.sum() and drawn.sum() < 1.6 * mask.sum()
    first, _ = segment_maps(found, photo, 1, np.random.default_rng(0))
    np.testing.assert_array_equal(first[0], segments[0])
    assert segment_maps([], photo, 2, np.random.default_rng(0))[1].sum() == 0
