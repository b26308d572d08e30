"""Label maps as shown to participants: colored, with class names if they are known."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from data import DATASETS, PRESETS
from data.id_maps import NEVER_COLORED
from data.opening import opened
from data.read import LabelIds, read_image, read_labels
from util import html
from util.colormap import colorize

MOST_CLASSES = 1 << 16
"""Number of ids for a data set of unknown classes: all 16-bit values; 255 is unknown."""
SHOWN_FRACTION = 0.005
"""Classes with fewer pixels are not named: they are hard to find in the image."""

Classes = list[tuple[str, str]]


class LabelMapReader:
    """Reads label maps for display: id maps in the class colors of a data set, colored images as they are.

    Args:
        dataset_mode: the data set of the classes. Without it, ids have no names and get generic colors.
        known: names and colors of the classes in colored label maps, if it is not given.
    """

    def __init__(self, dataset_mode: str | None, known: Classes | None = None):
        self.ids, names, self.colors = class_table(dataset_mode or "custom")
        self.table = [(name, "#" + bytes(color).hex()) for name, color in zip(names, self.colors)]
        of_colors = known if known and not dataset_mode else self.table
        # If classes have the same color, the first one, which is the common one in the published tables.
        self._of_color = {int(color[1:], 16): (name, color) for name, color in reversed(of_colors)}

    def read(self, path: Path, size: tuple[int, int]) -> tuple[np.ndarray, Classes]:
        """Read one label map.

        Args:
            size: (width, height) of the results, which may differ from that of the label map.

        Returns:
            colors (height, width, 3) uint8, and name and color `#rrggbb` of its classes, the largest first.
        """
        if _mode(path) not in NEVER_COLORED:
            pixels = np.asarray(read_image(path).resize(size, Image.Resampling.NEAREST))
            return pixels, _named([self._of_color.get(color) for color in _visible(_packed(pixels))])
        labels = np.asarray(read_labels(path, self.ids).resize(size, Image.Resampling.NEAREST))
        return colorize(labels, self.colors), _named([self.table[i] for i in _visible(labels)])


def _named(found: Sequence[tuple[str, str] | None]) -> Classes:
    # A color without a class may mean that the maps are of another data set: no names are better than wrong ones.
    known = [one for one in found if one is not None]
    return [] if len(known) < len(found) or any(name.startswith("class ") for name, _ in known) else known


def class_table(dataset_mode: str) -> tuple[LabelIds, tuple[str, ...], np.ndarray]:
    """The ids that label files of a data set may hold, and names and colors (n, 3) uint8 of its classes."""
    dataset, preset = DATASETS[dataset_mode], PRESETS[dataset_mode].values(is_train=False)
    fixed = f"--dataset_mode {dataset_mode} has no others: name the data set of these label maps, or none"
    label_nc = MOST_CLASSES if dataset_mode == "custom" else preset["label_nc"]
    # Unknown pixels are shown black whether or not a network was trained to see them.
    return LabelIds(label_nc, True, dataset.unknown_value, fixed), *dataset.classes(label_nc, True)


def _mode(path: Path) -> str:
    with opened(path) as image:
        return image.mode


def _visible(values: np.ndarray) -> list[int]:
    return [value for value, fraction in html.class_fractions(values).items() if fraction >= SHOWN_FRACTION]


def _packed(pixels: np.ndarray) -> np.ndarray:
    """Pack colors (..., 3) uint8 into one integer each."""
    return pixels.astype(np.int64) @ (1 << 16, 1 << 8, 1)
