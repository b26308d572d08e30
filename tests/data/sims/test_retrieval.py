"""Retrieval by hand: overlap decides, where masks are in the frame, and the labels around them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from data.sims.components import Component, components
from data.sims.retrieval import equal_labels, find_segment, overlap
from tests.data.sims.small_banks import make_bank, rectangle

QUERY = Component(1, rectangle(2, 4, 6, 12).astype(bool))  # 4x8 pixels


def image_of(bank, place: int) -> int:
    return int(bank.images[place])


def test_the_largest_overlap_at_the_same_place_wins():
    bank = make_bank(
        rectangle(2, 6, 6, 14),  # the same shape, moved by 2: 24 of 40 pixels
        rectangle(2, 4, 6, 10),  # a part of it: 24 of 32 pixels
        rectangle(0, 0, 8, 16),  # all: 32 of 128 pixels
    )
    places = {image_of(bank, place): place for place in range(*bank.segments_of(1).indices(len(bank)))}
    scores = [overlap(bank, places[image], QUERY.mask, QUERY.area) for image in range(3)]
    assert scores == [24 / 40, 24 / 32, 32 / 128]
    assert image_of(bank, find_segment(bank, QUERY)) == 1


def test_an_excluded_image_and_others_do_not_count():
    bank = make_bank(rectangle(2, 4, 6, 12), rectangle(2, 4, 6, 11), rectangle(2, 4, 6, 10))
    assert image_of(bank, find_segment(bank, QUERY)) == 0
    assert image_of(bank, find_segment(bank, QUERY, without=0)) == 1
    assert image_of(bank, find_segment(bank, QUERY, among=np.array([0, 2]))) == 0
    assert image_of(bank, find_segment(bank, QUERY, without=0, among=np.array([0, 2]))) == 2
    assert find_segment(bank, QUERY, without=0, among=np.array([0])) is None


def test_a_class_without_segments_has_none():
    assert find_segment(make_bank(rectangle(2, 4, 6, 12)), QUERY._replace(label=2)) is None


def test_the_labels_around_decide_between_equal_masks():
    other = rectangle(2, 4, 6, 12)
    other[other == 0] = 2
    bank = make_bank(other, rectangle(2, 4, 6, 12))
    assert image_of(bank, find_segment(bank, QUERY)) == 0  # the first of equals
    own = rectangle(2, 4, 6, 12)
    assert image_of(bank, find_segment(bank, QUERY, own)) == 1
    # The box of 4x8 pixels grows by a quarter: 0.5 pixels up and down, 1 to the sides, to 6x10 whole pixels.
    np.testing.assert_array_equal(equal_labels(bank, np.array([0, 1]), QUERY, own), [32 / 60, 1])


def test_the_overlap_is_exact_at_full_size():
    """Two masks that are equal at 64 rows, where only the last pixel of a cell tells them from each other."""
    size = (192, 192)
    query = rectangle(0, 0, 90, 90, size)
    bank = make_bank(rectangle(0, 0, 90, 89, size), query, rectangle(0, 0, 90, 91, size))
    assert len(set(bank.small_areas[bank.segments_of(1)])) < 3
    assert image_of(bank, find_segment(bank, Component(1, query.astype(bool)))) == 1


@settings(max_examples=20)
@given(arrays(np.uint8, (4, 6, 8), elements=st.integers(0, 2)))
def test_small_images_are_compared_with_all_segments_exactly(maps):
    bank = make_bank(*maps)
    for query in components(maps[0], (), 0):
        best = find_segment(bank, query, without=0)
        of_class = range(*bank.segments_of(query.label).indices(len(bank)))
        scores = {
            place: (query.mask & bank.mask(place)).sum() / (query.mask | bank.mask(place)).sum()
            for place in of_class
            if bank.images[place] != 0
        }
        assert (best is None and not scores) or scores[best] == pytest.approx(max(scores.values()))
