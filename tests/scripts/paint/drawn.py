"""What the tools of the paint page draw, by definition: boolean arrays (height, width) over points (x, y)."""

import numpy as np


def dab(size: int, shape: str = "round") -> list[tuple[int, int]]:
    """Offsets of a brush: a disk of `size` pixels across, or a square, which reach further up and left if even."""
    first = -(size // 2)
    offsets = [(x, y) for y in range(size) for x in range(size)]
    center = (size - 1) / 2
    radius = max(size * size - 2, 0) / 4
    inside = [(x, y) for x, y in offsets if shape == "square" or (x - center) ** 2 + (y - center) ** 2 <= radius]
    return [(x + first, y + first) for x, y in inside]


def segment(start: tuple[int, int], end: tuple[int, int]) -> list[tuple[int, int]]:
    """Pixels of a line: a step of one along its longer side, the other coordinate rounded (.5 up, from the top)."""
    (x0, y0), (x1, y1) = sorted([start, end], key=lambda point: (point[1], point[0]))
    steps = max(abs(x1 - x0), abs(y1 - y0), 1)
    along = np.arange(steps + 1) / steps
    return list(
        zip(np.floor(x0 + along * (x1 - x0) + 0.5).astype(int), np.floor(y0 + along * (y1 - y0) + 0.5).astype(int))
    )


def stroke(shape: tuple[int, int], points: list[tuple[int, int]], size: int, brush: str = "round") -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    for start, end in zip(points, points[1:] or points):
        for x, y in segment(start, end):
            for dx, dy in dab(size, brush):
                if 0 <= x + dx < shape[1] and 0 <= y + dy < shape[0]:
                    mask[y + dy, x + dx] = True
    return mask


def rectangle(shape: tuple[int, int], corner: tuple[int, int], other: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    (left, right), (top, bottom) = sorted([corner[0], other[0]]), sorted([corner[1], other[1]])
    mask[top : bottom + 1, left : right + 1] = True
    return mask


def polygon(shape: tuple[int, int], points: list[tuple[int, int]]) -> np.ndarray:
    """Outline, and pixels from whose center a ray to the left crosses an odd number of edges."""
    mask = stroke(shape, [*points, points[0]], 1)
    y, x = np.indices(shape)
    inside = np.zeros(shape, dtype=bool)
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]]):
        if y0 != y1:
            inside ^= ((y0 <= y) != (y1 <= y)) & (x0 + (y - y0) * (x1 - x0) / (y1 - y0) <= x)
    return mask | inside
