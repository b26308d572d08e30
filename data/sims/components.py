"""Connected components of label maps: the segments of SIMS; and square neighborhoods of masks."""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import scipy

SMALLEST_FRACTION = 1000 / (256 * 512)
"""Of an image: SIMS uses components of more than 1000 pixels of 256x512."""
EIGHT_NEIGHBORS = np.ones((3, 3), dtype=bool)


class Component(NamedTuple):
    """A connected component of one class."""

    label: int
    mask: np.ndarray  # (H, W) bool, of the whole frame

    @property
    def area(self) -> int:
        """Pixels."""
        return int(np.count_nonzero(self.mask))

    @property
    def box(self) -> tuple[int, int, int, int]:
        """(top, left, bottom, right), the last two exclusive."""
        return box_of(self.mask)


def box_of(mask: np.ndarray) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) of a mask (H, W) that is not empty; bottom and right are exclusive."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def components(labels: np.ndarray, ignored: Collection[int], smallest: float) -> list[Component]:
    """The 8-connected components of a label map (H, W), by class, then from the top left.

    Args:
        ignored: ids that are no class.
        smallest: fraction of the image; components are larger.
    """
    found = []
    for label in np.unique(labels):
        if label in ignored:
            continue
        numbered = np.empty(labels.shape, dtype=np.int32)
        scipy.ndimage.label(labels == label, EIGHT_NEIGHBORS, output=numbered)
        areas = np.bincount(numbered.ravel())[1:]
        large = np.flatnonzero(areas > smallest * labels.size) + 1
        found += [Component(int(label), numbered == number) for number in large]
    return found


def dilate(mask: np.ndarray, reach: int) -> np.ndarray:
    """Add all pixels at most `reach` rows and columns from the mask (H, W) bool."""
    return np.asarray(scipy.ndimage.maximum_filter(mask, size=2 * reach + 1, mode="nearest"))


def border(mask: np.ndarray, reach: int) -> np.ndarray:
    """The pixels of a mask (H, W) bool at most `reach` from one outside it; the frame of the image is no border."""
    return mask > scipy.ndimage.minimum_filter(mask, size=2 * reach + 1, mode="nearest")


def pixels(fraction: float, height: int) -> int:
    """A width that SIMS gives as a fraction of the image's height, in pixels, at least 1."""
    return max(1, round(fraction * height))
