"""Colors of the published scheme, worked by hand."""

import numpy as np
import pytest

from util.colormap import colorize, voc_colors


def test_first_colors_are_those_of_voc_without_black():
    expected = [(128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128), (0, 128, 128), (128, 128, 128)]
    expected.append((64, 0, 0))  # id 8 = bit 3: the second bit of red
    assert [tuple(map(int, color)) for color in voc_colors(8)] == expected


@pytest.mark.parametrize(
    ("class_id", "color"),
    [
        (62, (192, 192, 192)),  # id 63 = 111 111: the two top bits of every channel
        (63, (32, 0, 0)),  # id 64 = 001 000 000: the third bit of red
        (181, (0, 224, 192)),  # id 182 = 010 110 110: green 111, blue 11, no red
    ],
)
def test_bits_of_larger_ids_are_interleaved(class_id, color):
    assert tuple(map(int, voc_colors(class_id + 1)[class_id])) == color


def test_colors_are_distinct_and_typed():
    colors = voc_colors(183)
    assert colors.shape == (183, 3)
    assert colors.dtype == np.uint8
    assert len(np.unique(colors, axis=0)) == 183


def test_colorize_paints_each_pixel_with_its_class():
    colors = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], dtype=np.uint8)
    painted = colorize(np.array([[2, 0], [1, 1]]), colors)
    assert painted.tolist() == [[[7, 8, 9], [1, 2, 3]], [[4, 5, 6], [4, 5, 6]]]
    assert painted.dtype == np.uint8


@pytest.mark.parametrize("class_id", [-1, 3])
def test_colorize_refuses_ids_without_a_color(class_id):
    with pytest.raises((AssertionError, IndexError)):
        colorize(np.array([[class_id]]), np.zeros((3, 3), dtype=np.uint8))
