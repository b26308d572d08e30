"""Names and colors of the classes: those of a data file, or numbered classes in the colors of PASCAL VOC."""

from collections.abc import Sequence

import numpy as np

from options.description import ClassRow
from util.colormap import voc_colors

UNKNOWN = ClassRow(-1, "unknown", (0, 0, 0))


def describe_classes(
    rows: Sequence[ClassRow], label_nc: int, contain_dontcare_label: bool
) -> tuple[tuple[str, ...], np.ndarray]:
    """Return one name and one color for every channel of the one-hot label map.

    Ids without a row are named "class 0", "class 1", ... in VOC colors, as are rows without a color. With
    `contain_dontcare_label`, a black "unknown" is appended, unless the last channel has a row.

    Returns:
        names and colors (num_labels, 3) uint8, num_labels = label_nc + contain_dontcare_label.
    """
    num_labels = label_nc + contain_dontcare_label
    by_id = {row.id: row for row in rows}
    if contain_dontcare_label:
        by_id.setdefault(label_nc, UNKNOWN)
    generic = [tuple(color) for color in voc_colors(num_labels).tolist()]
    found = [by_id.get(number) or ClassRow(number, f"class {number}") for number in range(num_labels)]
    colors = [row.color or color for row, color in zip(found, generic)]
    return tuple(row.name for row in found), np.array(colors, dtype=np.uint8).reshape(-1, 3)


def published_classes(rows: Sequence[ClassRow], label_nc: int, contain_dontcare_label: bool) -> Sequence[ClassRow]:
    """The rows of a published table if there is one for each channel; otherwise the options are for other data.

    That of ADE20K includes the unknown class, as id 0.
    """
    return rows if len(rows) in (label_nc, label_nc + contain_dontcare_label) else ()
