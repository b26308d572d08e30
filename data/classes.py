"""Names and colors of the classes: published tables, or numbered classes in the colors of PASCAL VOC."""

from pathlib import Path

import numpy as np

from util.colormap import voc_colors

TABLES = Path(__file__).with_name("class_tables")
UNKNOWN = ("unknown", (0, 0, 0))


def read_table(name: str) -> tuple[tuple[str, ...], np.ndarray]:
    """Read class_tables/<name>.txt, lines of `id r g b name` in order of id: names, and colors (n, 3) uint8."""
    lines = (TABLES / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.split(maxsplit=4) for line in lines if not line.startswith("#")]
    assert [int(row[0]) for row in rows] == list(range(len(rows))), f"{name}.txt: ids are not 0, 1, 2, ..."
    return tuple(row[4] for row in rows), np.array([row[1:4] for row in rows], dtype=np.uint8)


def describe_classes(
    table: str | None, label_nc: int, contain_dontcare_label: bool
) -> tuple[tuple[str, ...], np.ndarray]:
    """Return one name and one color for every channel of the one-hot label map.

    The published table is used if its length fits `label_nc` (that of ADE20K includes the unknown class, as id 0);
    otherwise the classes are named "class 0", "class 1", ... A black "unknown" is appended if one channel is left.

    Returns:
        names and colors (num_labels, 3) uint8, num_labels = label_nc + contain_dontcare_label.
    """
    num_labels = label_nc + contain_dontcare_label
    names, colors = read_table(table) if table else ((), np.zeros((0, 3), dtype=np.uint8))
    if len(names) not in (label_nc, num_labels):
        names, colors = tuple(f"class {i}" for i in range(label_nc)), voc_colors(label_nc)
    if len(names) < num_labels:
        name, color = UNKNOWN
        names, colors = (*names, name), np.vstack([colors, np.array([color], dtype=np.uint8)])
    return names, colors
