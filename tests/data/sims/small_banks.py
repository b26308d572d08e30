"""A bank of a few small label maps."""

import numpy as np

from data.sims.bank import Bank
from data.sims.cut import cut, gather

UNKNOWN = 3


def make_bank(*maps, names=None, smallest: float = 0, **options) -> Bank:
    """The bank of label maps (H, W), named 0, 1, ..., whose id 3 is unknown."""
    maps = [np.asarray(labels, dtype=np.uint8) for labels in maps]
    height, width = maps[0].shape
    names = names or [str(place) for place in range(len(maps))]
    images = [cut(name, labels, {UNKNOWN}, smallest) for name, labels in zip(names, maps)]
    of_data = {
        "dataset_mode": "custom", "label_nc": 3, "contain_dontcare_label": True, "phase": "train",
        "crop_size": width, "aspect_ratio": width / height,
    }  # fmt: skip
    return gather(images, of_data | options, smallest)


def rectangle(top: int, left: int, bottom: int, right: int, size=(8, 16), label: int = 1) -> np.ndarray:
    """A label map of zeros with a rectangle of a class."""
    labels = np.zeros(size, dtype=np.uint8)
    labels[top:bottom, left:right] = label
    return labels
