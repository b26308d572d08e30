"""Canvases by hand: order, changed labels, holes, bands, and what is restored."""

import numpy as np
import pytest

from data.sims import canvas as canvas_module
from data.sims.canvas import Segment, back_to_front, compose, elide, shadows
from data.sims.components import Component, components
from data.sims.roles import BACK_TO_FRONT, Roles
from data.sims.training import Match, compose_own, move_colors, turn
from options.data_file import shipped_set
from tests.data.sims.small_banks import rectangle

SIZE = (8, 16)
NUMBERED = Roles.of(["class 0", "class 1", "class 2", "unknown"])
STREET = Roles.of([*BACK_TO_FRONT, "unlabeled"])
ROAD, CAR, SKY, LEAVES = (BACK_TO_FRONT.index(name) for name in ("road", "car", "sky", "vegetation"))


@pytest.fixture
def no_elision(monkeypatch):
    """Canvases without white pixels."""
    monkeypatch.setattr(canvas_module, "ELIDED", 0)


def flat(mask, gray: float, labels=None) -> Segment:
    """A segment of a gray photo."""
    mask = np.asarray(mask, dtype=bool)
    photo = np.full((*mask.shape, 3), gray, dtype=np.float32)
    return Segment(mask, photo, np.zeros(mask.shape, np.uint8) if labels is None else labels)


def composed(labels, pasted, roles=NUMBERED):
    made = compose(labels, pasted, roles, 0, np.random.default_rng(0))
    return made.pixels[..., 0], made.labels


def test_a_segment_changes_the_layout_to_its_own_shape(no_elision):
    labels = rectangle(2, 4, 6, 12)
    query = components(labels, {3}, 0)[1]
    roles = Roles.of(["wall", "person", "class 2", "unknown"])  # a person is not restored, a wall is
    pixels, changed = composed(labels, [(query, flat(rectangle(2, 6, 6, 14), 0.5))], roles)
    expected = np.zeros(SIZE, dtype=np.int16)
    expected[2:6, 4:6] = 4  # of the query alone: unlabeled, and the person's old place
    expected[2:6, 6:14] = 1
    np.testing.assert_array_equal(changed, expected)
    np.testing.assert_array_equal(pixels, np.where(expected == 1, np.float32(0.5), 0))
    assert changed.dtype == np.int16 and pixels.dtype == np.float32


def test_later_segments_are_in_front_and_classes_that_are_no_things_are_restored(no_elision):
    labels = rectangle(2, 4, 6, 12)
    back, front = components(labels, {3}, 0)
    everything = np.ones(SIZE, dtype=bool)
    everything[7] = False
    pixels, changed = composed(labels, [(back, flat(everything, 0.25)), (front, flat(rectangle(0, 0, 4, 4), 0.5))])
    assert (pixels[:4, :4] == 0.5).all() and (changed[:4, :4] == 1).all()
    assert (pixels[7] == 0).all() and (changed[7] == 0).all()  # a hole, whose class came back
    assert (pixels[4:7] == 0.25).all()
    assert (changed[2:6, 4:12] == 1).all()  # the rectangle lost its class, and got it back


def test_a_component_without_segment_is_a_hole_of_its_class(no_elision):
    labels = rectangle(2, 4, 6, 12)
    back, front = components(labels, {3}, 0)
    pixels, changed = composed(labels, [(back, flat(np.ones(SIZE), 0.25)), (front, None)])
    np.testing.assert_array_equal(changed, labels)
    np.testing.assert_array_equal(pixels == 0, labels == 1)


def test_half_of_the_pixels_at_the_border_become_white():
    canvas = np.zeros((60, 60, 3), dtype=np.float32)
    mask = np.zeros((60, 60), dtype=bool)
    mask[20:] = True
    elide(canvas, mask, width=0.1, random=np.random.default_rng(0))  # 6 rows
    white = (canvas == 1).all(axis=2)
    assert not white[:20].any() and not white[26:].any()
    assert 0.4 < white[20:26].mean() < 0.6


def test_old_shadows_beside_vehicles_are_left_out_of_roads(no_elision):
    source = np.full(SIZE, ROAD, dtype=np.uint8)
    source[2:4, 7:9] = CAR
    labels = np.full(SIZE, ROAD, dtype=np.uint8)
    query = Component(ROAD, labels == ROAD)
    pixels, changed = composed(labels, [(query, flat(source == ROAD, 0.5, source))], STREET)
    expected = np.full(SIZE, 0.5, dtype=np.float32)
    expected[1:5, 6:10] = 0  # the vehicle, and one pixel around it: 0.06 * 8
    np.testing.assert_array_equal(pixels, expected)
    assert (changed == ROAD).all()


def test_sky_at_the_border_of_vegetation_is_left_out(no_elision):
    labels = rectangle(0, 0, 8, 8, label=LEAVES)
    query = Component(LEAVES, labels == LEAVES)
    pixels, _ = composed(labels, [(query, flat(labels == LEAVES, 0.5))], STREET)
    assert (pixels[:, :7] == 0.5).all() and (pixels[:, 7:] == 0).all()


def test_ground_beside_and_below_objects_is_emptied_for_shadows():
    labels = np.full((32, 32), ROAD)
    labels[:16] = SKY
    labels[12:20, 8:16] = CAR
    labels[20:, 12:] = STREET.unlabeled
    emptied = shadows(labels, STREET, 0)
    expected = np.zeros((32, 32), dtype=bool)
    expected[16:21, 7:17] = True  # the box of 8x8 grown by 1 to the sides and below, without the sky above row 16
    expected[16:20, 8:16] = False  # the car itself
    np.testing.assert_array_equal(emptied, expected)


def test_cityscapes_has_the_published_order_and_others_put_things_in_front():
    names = [row.name for row in shipped_set("cityscapes").classes]
    ranks = dict(zip(names, Roles.of(names).ranks))
    assert [name for name in sorted(ranks, key=ranks.__getitem__) if name in BACK_TO_FRONT] == list(BACK_TO_FRONT)
    assert ranks["parking"] < ranks["sky"] and ranks["caravan"] > ranks["building"]
    coco = [row.name for row in shipped_set("coco").classes]
    assert Roles.of(coco).ranks == (1,) * 91 + (0,) * 91
    assert set(NUMBERED.ranks) == {0}


def test_without_ranks_larger_components_lie_behind():
    labels = rectangle(0, 0, 2, 2, label=2) + rectangle(4, 4, 8, 8, label=1)
    assert [component.label for component in back_to_front(components(labels, {3}, 0), NUMBERED)] == [0, 1, 2]


def test_unknown_is_no_class_wherever_its_id_is():
    roles = Roles.of(["unknown", "wall", "sky"])
    assert roles.ignored == {0, 3} and roles.unlabeled == 3 and roles.restored == {1, 2}


def test_training_pastes_own_pixels_where_both_masks_are(no_elision):
    labels = rectangle(2, 4, 6, 12)
    photo = np.random.default_rng(0).random((*SIZE, 3), dtype=np.float32)
    back, front = components(labels, {3}, 0)
    match = rectangle(2, 6, 6, 14).astype(bool)
    made = compose_own(labels, photo, [(back, None), (front, Match(match, None))], 4, np.random.default_rng(0))
    both = (labels == 1) & match
    np.testing.assert_array_equal(made.pixels, np.where(both[..., None], photo, 0))
    assert (made.labels[2:6, 12:14] == 4).all()  # of the match alone
    assert (made.labels[both] == 1).all()
    assert set(np.unique(made.labels)) == {0, 1, 4}


def test_a_turned_mask_keeps_its_size_and_a_mask_at_the_center_its_place():
    mask = np.zeros((61, 61), dtype=bool)
    mask[10:51, 10:51] = True
    np.testing.assert_array_equal(turn(mask, 90), mask)
    turned = turn(mask, 2.5)
    assert turned.dtype == bool and abs(int(turned.sum()) - 41**2) < 20 and (turned != mask).any()


def test_moved_colors_have_the_mean_and_covariance_of_the_others():
    random = np.random.default_rng(0)
    colors, target = (
        random.normal(mean, 0.03, (500, 3)) @ random.uniform(0.2, 1, (3, 3)) for mean in (0.3, 0.35)
    )  # far from the limits 0 and 1
    moved = move_colors(colors, target)
    np.testing.assert_allclose(moved.mean(axis=0), target.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(np.cov(moved.T), np.cov(target.T), rtol=0.02, atol=2e-6)
    np.testing.assert_allclose(move_colors(colors, colors), colors, atol=1e-6)


@pytest.mark.parametrize("count", [1, 4])
def test_flat_colors_become_the_mean_of_the_others(count):
    target = np.array([[0.2, 0.4, 0.6], [0.4, 0.6, 0.8]])
    moved = move_colors(np.full((count, 3), 0.5, dtype=np.float32), target)
    np.testing.assert_allclose(moved, np.broadcast_to([0.3, 0.5, 0.7], (count, 3)), atol=1e-6)


def test_a_component_with_a_match_elsewhere_is_a_hole():
    labels = rectangle(2, 4, 6, 12)
    photo = np.full((*SIZE, 3), 0.5, dtype=np.float32)
    match = Match(rectangle(0, 0, 2, 2).astype(bool), np.full((4, 3), 0.1))
    made = compose_own(labels, photo, [(components(labels, {3}, 0)[1], match)], 4, np.random.default_rng(0))
    assert not made.pixels.any() and (made.labels[:2, :2] == 4).all()
