"""Segments of a scene, moved, ordered and pasted by hand."""

import numpy as np
import pytest
import torch

from data.sims import canvas as canvas_module
from data.sims.canvas import Segment
from data.sims.components import Component
from data.sims.roles import Roles
from data.sims.scene import Scene, shift_segment
from tests.data.sims.small_banks import rectangle

ROLES = Roles.of(["wall", "person", "car", "unknown"])
LEFT, RIGHT, ALL = (0, 0, 8, 8), (0, 8, 8, 16), (0, 0, 8, 16)


def mask(*box: int) -> np.ndarray:
    return rectangle(*box).astype(bool)


def segment(box, gray: float) -> Segment:
    return Segment(mask(*box), np.full((8, 16, 3), gray, np.float32), np.zeros((8, 16), np.uint8))


def scene(*parts) -> Scene:
    """Of (label, box of the component, box of the segment or None); segment i has the gray (i + 1) / 10."""
    pasted = [
        (Component(label, mask(*query)), None if box is None else segment(box, (place + 1) / 10))
        for place, (label, query, box) in enumerate(parts)
    ]
    labels = np.zeros((8, 16), np.uint8)
    for component, _ in pasted:
        labels[component.mask] = component.label
    return Scene(labels, pasted, ROLES, 0, [0])


def boxes_of(made: Scene) -> list:
    return [one.mask for _, one in made.segments]


def test_queries_are_the_segments_on_black_and_where_they_are_wanted():
    pixels, masks = scene((0, LEFT, (0, 0, 8, 4)), (1, RIGHT, None), (2, RIGHT, (2, 8, 6, 16))).queries()
    assert pixels.shape == (2, 3, 8, 16) and pixels.dtype == torch.float32 and masks.dtype == torch.bool
    assert torch.equal(masks, torch.from_numpy(np.stack([mask(*LEFT), mask(*RIGHT)])))
    expected = np.stack([0.1 * mask(0, 0, 8, 4), 0.3 * mask(2, 8, 6, 16)])[:, None].repeat(3, axis=1)
    assert torch.equal(pixels, torch.from_numpy(expected.astype(np.float32)))


def test_a_shift_that_lowers_the_overlap_is_not_made():
    start = scene((1, (2, 4, 6, 8), (0, 2, 4, 6)), (2, (2, 4, 6, 8), (0, 2, 4, 6)), (2, LEFT, None))
    moved = start.shifted([(2, 1), (-1, 0)])
    assert np.array_equal(boxes_of(moved)[0], mask(2, 3, 6, 7))
    assert np.array_equal(boxes_of(moved)[1], mask(0, 2, 4, 6))
    assert [one is None for _, one in moved.pasted] == [False, False, True]


def test_a_shift_moves_mask_photo_and_labels():
    random = np.random.default_rng(0)
    one = Segment(random.random((8, 16)) > 0.5, random.random((8, 16, 3)), random.integers(1, 9, (8, 16)))
    for down, right in ((2, 3), (-2, -3), (0, 5), (-8, 0), (0, 16), (9, -20)):
        for pixels, moved in zip(one, shift_segment(one, down, right)):
            assert moved.dtype == pixels.dtype
            for row in range(8):
                for column in range(16):
                    y, x = row - down, column - right
                    inside = 0 <= y < 8 and 0 <= x < 16
                    assert np.array_equal(moved[row, column], pixels[y, x] if inside else 0 * pixels[0, 0])


def test_overlaps_are_those_of_different_classes():
    made = scene((0, ALL, ALL), (1, LEFT, (0, 0, 8, 9)), (1, LEFT, (0, 4, 8, 6)), (2, RIGHT, None), (2, RIGHT, RIGHT))
    assert made.overlaps() == [(0, 1), (0, 2), (0, 3), (1, 3)]
    assert made.classes([(0, 1), (1, 3)]).tolist() == [[0, 1], [1, 2]]
    drawn = made.pair_labels([(0, 2), (1, 3)])
    assert drawn.dtype == torch.int16 and drawn.shape == (2, 8, 16)
    assert np.array_equal(drawn[0], rectangle(0, 4, 8, 6))  # 1 over 0
    assert drawn[1, 0].tolist() == [1] * 8 + [2] * 8


def test_what_lies_behind_an_earlier_segment_is_cut(monkeypatch):
    monkeypatch.setattr(canvas_module, "ELIDED", 0)
    parts = [(1, LEFT, (0, 2, 8, 8)), (2, RIGHT, (0, 6, 8, 16))]
    later, _ = scene(*parts).compose()
    earlier, labels = scene(*parts).ordered([(0, 1)]).compose()
    assert later[0, 0].tolist() == pytest.approx([0] * 2 + [0.1] * 4 + [0.2] * 10)
    assert earlier[0, 0].tolist() == pytest.approx([0] * 2 + [0.1] * 6 + [0.2] * 8)
    assert labels[0].tolist() == [4] * 2 + [1] * 6 + [2] * 8  # nothing was pasted on the first two


def test_a_segment_is_cut_by_what_an_earlier_one_still_shows():
    """The second one lies behind the first one, so it hides the third one only where it is seen."""
    made = scene((0, ALL, (0, 0, 8, 8)), (1, ALL, (0, 4, 8, 12)), (2, ALL, (0, 6, 8, 16)))
    assert made.overlaps() == [(0, 1), (0, 2), (1, 2)]
    cut = boxes_of(made.ordered([(0, 1), (1, 2)]))
    assert np.array_equal(cut[1], mask(0, 8, 8, 12))
    assert np.array_equal(cut[2], mask(0, 6, 8, 8) | mask(0, 12, 8, 16))


def test_a_segment_may_be_hidden_altogether():
    made = scene((0, ALL, ALL), (1, LEFT, LEFT)).ordered([(0, 1)])
    canvas, labels = made.compose()
    assert not boxes_of(made)[1].any()
    assert (labels[:, 8:] == 0).all() and canvas.shape == (3, 8, 16)
