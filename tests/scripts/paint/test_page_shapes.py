"""What the tools of the paint page draw, in Chromium, against definitions in Python."""

import numpy as np
import pytest
from scipy import ndimage

pytestmark = pytest.mark.tools

BRUSHES = {
    1: "#",
    2: "##/##",
    3: ".#./###/.#.",
    4: ".##./####/####/.##.",
    5: ".###./#####/#####/#####/.###.",
    7: "..###../.#####./#######/#######/#######/.#####./..###..",
}


def drawn(text: str) -> np.ndarray:
    return np.array([[letter == "#" for letter in row] for row in text.split("/")], np.uint8)


def masks(modules, calls: list) -> np.ndarray:
    """Masks of many shapes on one map: calls [function, arguments after width and height]."""
    width, height = 40, 30
    body = "return args[2].map(([name, ...rest]) => shapes[name](args[0], args[1], ...rest))"
    return np.array(modules.run(body, width, height, calls)).reshape(-1, height, width)


def random_points(rng, count: int) -> list:
    """Points in the map of `masks` and around it."""
    return rng.integers(-8, 44, (count, 2)).tolist()


@pytest.mark.parametrize("size", BRUSHES)
def test_small_round_brushes(modules, size):
    mask = masks(modules, [["brushMask", [[10, 20]], size, "round"]])[0]
    expected = np.zeros_like(mask)
    top, left = 20 - size // 2, 10 - size // 2
    expected[top : top + size, left : left + size] = drawn(BRUSHES[size])
    assert np.array_equal(mask, expected)


def test_brushes_of_every_size_are_symmetric_and_that_many_pixels_across(modules):
    body = "return args[0].map(([size, shape]) => shapes.brushMask(99, 99, [[49, 49]], size, shape))"
    sizes = range(1, 97)
    found = modules.run(body, [[size, shape] for size in sizes for shape in ("round", "square")])
    for size, mask, square in zip(sizes, found[::2], found[1::2]):
        box = slice(49 - size // 2, 49 - size // 2 + size)
        brush, around = mask.reshape(99, 99)[box, box], mask.sum()
        assert brush.sum() == around and square.reshape(99, 99)[box, box].all() and square.sum() == size**2
        assert np.array_equal(brush, brush.T) and np.array_equal(brush, brush[::-1])
        assert brush[0].any() and brush[:, -1].any()
        assert abs(brush.sum() - np.pi * size**2 / 4) <= 4 * max(size - 1, 1) ** 0.5


def test_lines_are_thin_connected_and_the_same_in_both_directions(modules):
    rng = np.random.default_rng(0)
    ends = rng.integers(0, 30, (200, 2, 2))
    calls = [["lineMask", *pair, 1, "round"] for pair in [*ends.tolist(), *ends[:, ::-1].tolist()]]
    there, back = np.split(masks(modules, calls), 2)
    assert np.array_equal(there, back)
    for (start, end), mask in zip(ends, there):
        longer = int(np.argmax(np.abs(end - start)))
        along, across = np.nonzero(mask)[::-1][longer], np.nonzero(mask)[::-1][1 - longer]
        assert sorted(along) == list(range(*(np.sort([start, end], axis=0)[:, longer] + [0, 1])))
        if (end != start).any():
            slope = (end - start)[1 - longer] / (end - start)[longer]
            assert (abs(start[1 - longer] + (along - start[longer]) * slope - across) <= 0.5 + 1e-9).all()
        assert mask[start[1], start[0]] and mask[end[1], end[0]]


def test_a_stroke_in_pieces_equals_it_at_once_and_its_line_thickened(modules):
    rng = np.random.default_rng(1)
    for _ in range(6):
        points, size = random_points(rng, 6), int(rng.integers(1, 12))
        shape = ["round", "square"][size % 2]
        cut = int(rng.integers(1, 5))
        pieces = [points, points[: cut + 1], points[cut:]]
        whole, first, second = masks(modules, [["brushMask", piece, size, shape] for piece in pieces])
        assert np.array_equal(whole, first | second)
    # A thick line is the thin one with a brush at each pixel. The window is so large that nothing is cut off.
    thin, brush, thick = masks(
        modules,
        [
            ["lineMask", [9, 12], [28, 19], 1, "round"],
            ["brushMask", [[20, 15]], 7, "round"],
            ["lineMask", [9, 12], [28, 19], 7, "round"],
        ],
    )
    assert np.array_equal(ndimage.binary_dilation(thin, brush[12:19, 17:24]), thick)


def test_strokes_without_points_and_far_outside_cover_nothing(modules):
    far = [[-500, -500], [-400, 900], [900, 900]]
    calls = [["brushMask", [], 5, "round"], ["polygonMask", []], ["rectangleMask", [-9, -9], [-3, 50]]]
    assert not masks(modules, [*calls, ["brushMask", far, 9, "round"], ["lineMask", *far[:2], 3, "square"]]).any()


def test_rectangles_include_both_corners_in_any_order(modules):
    rng = np.random.default_rng(2)
    pairs = [random_points(rng, 2) for _ in range(40)]
    for ((x0, y0), (x1, y1)), mask in zip(pairs, masks(modules, [["rectangleMask", *pair] for pair in pairs])):
        y, x = np.mgrid[:30, :40]
        inside = (min(x0, x1) <= x) & (x <= max(x0, x1)) & (min(y0, y1) <= y) & (y <= max(y0, y1))
        assert np.array_equal(mask, inside)


def even_odd(points: list) -> np.ndarray:
    """Pixels whose ray to the right crosses an odd number of edges, computed in whole numbers."""
    y, x = np.mgrid[:30, :40]
    inside = np.zeros((30, 40), bool)
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]]):
        side = (x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)
        inside ^= ((y0 > y) != (y1 > y)) & ((side > 0) == (y1 > y0))
    return inside


def test_polygons_are_their_inside_by_the_even_odd_rule_with_their_outline(modules):
    rng = np.random.default_rng(3)
    polygons = [random_points(rng, int(rng.integers(1, 8))) for _ in range(60)]
    edges = [[*points, points[0]] for points in polygons]
    found = masks(modules, [["polygonMask", points] for points in polygons])
    outlines = masks(modules, [["brushMask", points, 1, "square"] for points in edges])
    for points, mask, outline in zip(polygons, found, outlines):
        assert np.array_equal(mask, even_odd(points) | (outline > 0))
    triangle = masks(modules, [["polygonMask", [[1, 1], [5, 1], [1, 5]]]])[0]
    assert np.array_equal(triangle[1:6, 1:6], drawn("#####/####./###../##.../#...."))
    assert triangle.sum() == 15


def test_the_bucket_fills_what_is_connected_by_sides(modules):
    rng = np.random.default_rng(4)
    for ids in [*rng.integers(0, 2, (12, 23, 31)), *rng.integers(0, 3, (3, 23, 31)), np.zeros((23, 31))]:
        ids = ids.astype(np.uint8)
        spots = [[int(x), int(y)] for x, y in rng.integers(0, [31, 23], (5, 2))]
        found = modules.run("return args[1].map((spot) => shapes.fillMask(args[0], 31, 23, ...spot))", ids, spots)
        for (x, y), mask in zip(spots, found):
            regions, _ = ndimage.label(ids == ids[y, x])
            assert np.array_equal(mask.reshape(23, 31), regions == regions[y, x])
    assert not modules.run("return shapes.fillMask(args[0], 31, 23, 31, 0)", ids).any()


def test_paint_changes_the_pixels_of_the_mask_and_says_whether_it_did(modules):
    rng = np.random.default_rng(5)
    ids, mask = rng.integers(0, 9, 60, np.uint8), rng.integers(0, 2, 60, np.uint8)
    changed, again, painted = modules.run(
        "const ids = args[0]; return [shapes.paint(ids, args[1], 7), shapes.paint(ids, args[1], 7), ids]", ids, mask
    )
    assert (changed, again) == (True, False)
    assert np.array_equal(painted, np.where(mask, 7, ids))


@pytest.mark.parametrize("step", [(0, 0), (3, -2), (-5, 1), (12, 0), (0, -40)])
def test_a_region_moves_and_leaves_the_base(modules, step):
    rng = np.random.default_rng(6)
    ids, mask = rng.integers(0, 5, (10, 12), np.uint8), np.zeros((10, 12), np.uint8)
    mask[3:6, 5:8] = rng.integers(0, 2, (3, 3))
    moved, kept = modules.run(
        "return [shapes.moveRegion(args[0], 12, 10, args[1], ...args[2], 9), args[0]]", ids, mask, step
    )
    expected = np.where(mask, 9, ids)
    for y, x in np.argwhere(mask):
        if 0 <= y + step[1] < 10 and 0 <= x + step[0] < 12:
            expected[y + step[1], x + step[0]] = ids[y, x]
    assert np.array_equal(moved.reshape(10, 12), expected) and np.array_equal(kept.reshape(10, 12), ids)
