"""Instance maps from label maps alone, by connected regions of each class."""

import numpy as np
import scipy


def connected_regions(labels: np.ndarray, ignore: tuple[int, ...] = ()) -> np.ndarray:
    """Number the 4-connected regions of equal labels: (H, W) -> (H, W) int32.

    Ids are 1, 2, ... by label, then from the top left; pixels with a label in `ignore` get 0.
    """
    classes, places = np.unique(labels, return_inverse=True)
    places = places.reshape(labels.shape).astype(np.int32) + 1  # (H, W); 1, 2, ...: the numbers find_objects wants
    regions = np.zeros(labels.shape, dtype=np.int32)
    count = 0
    for place, box in enumerate(scipy.ndimage.find_objects(places), start=1):
        if classes[place - 1] in ignore:
            continue
        mask = places[box] == place
        numbered = np.empty(mask.shape, dtype=np.int32)
        scipy.ndimage.label(mask, output=numbered)
        regions[box] += np.where(numbered, numbered + count, 0)
        count += int(numbered.max())
    return regions
