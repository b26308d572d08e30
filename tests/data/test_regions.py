import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from data.regions import connected_regions

LABELS = np.array([[0, 0, 1, 0], [2, 0, 1, 0], [2, 1, 1, 255]], dtype=np.uint8)


def test_every_region_of_a_class_is_one_object():
    assert connected_regions(LABELS).tolist() == [[1, 1, 3, 2], [4, 1, 3, 2], [4, 3, 3, 5]]


def test_ignored_labels_are_no_objects():
    assert connected_regions(LABELS, ignore=(0, 255)).tolist() == [[0, 0, 1, 0], [2, 0, 1, 0], [2, 1, 1, 0]]


def test_corners_do_not_connect():
    assert len(np.unique(connected_regions(np.eye(3, dtype=np.int32)))) == 5


@given(arrays(np.int32, st.tuples(st.integers(1, 7), st.integers(1, 7)), elements=st.sampled_from([-5, 0, 1, 70000])))
@settings(max_examples=50, deadline=None)
def test_neighbors_differ_in_region_exactly_where_they_differ_in_label(labels):
    regions = connected_regions(labels)
    assert (np.diff(regions, axis=0) != 0).tolist() == (np.diff(labels, axis=0) != 0).tolist()
    assert (np.diff(regions, axis=1) != 0).tolist() == (np.diff(labels, axis=1) != 0).tolist()
    assert np.unique(regions).tolist() == list(range(1, regions.max() + 1))
