import json

import numpy as np
import pytest

from data.classes import TABLES, describe_classes, read_table
from util.colormap import voc_colors


@pytest.mark.parametrize("table", sorted(path.stem for path in TABLES.glob("*.txt")))
def test_tables_are_complete(table):
    names, colors = read_table(table)
    assert len(set(names)) == len(names) == len(colors)
    assert colors.dtype == np.uint8 and colors.shape[1] == 3


@pytest.mark.parametrize(
    ("table", "label_nc", "dontcare", "names"),
    [
        ("coco", 182, True, {0: "person", 156: "sky-other", 154: "sea", 168: "tree", 181: "wood", 182: "unknown"}),
        ("ade20k", 150, True, {0: "unknown", 1: "wall", 3: "sky", 150: "flag"}),
        ("facades", 13, False, {1: "background", 2: "facade", 3: "window", 12: "shop"}),
        ("cityscapes", 35, False, {0: "unlabeled", 7: "road", 26: "car", 33: "bicycle"}),
    ],
)
def test_names_of_the_published_channels(table, label_nc, dontcare, names):
    found, colors = describe_classes(table, label_nc, dontcare)
    assert len(found) == len(colors) == label_nc + dontcare
    assert {index: found[index] for index in names} == names


@pytest.mark.parametrize("table", [None, "coco"])
def test_other_numbers_of_classes_are_numbered_in_voc_colors(table):
    names, colors = describe_classes(table, 3, contain_dontcare_label=True)
    assert names == ("class 0", "class 1", "class 2", "unknown")
    assert (colors[:3] == voc_colors(3)).all()
    assert colors[3].tolist() == [0, 0, 0]


def test_coco_colors_tell_classes_apart():
    assert len(np.unique(read_table("coco")[1], axis=0)) == 182


@pytest.mark.parametrize(
    ("table", "file"), [("coco", "cocostuff_182"), ("ade20k", "ade20k_150"), ("cityscapes", "cityscapes_35")]
)
def test_tables_agree_with_the_data_sets(shared_data, table, file):
    names, colors = read_table(table)
    for row in json.loads((shared_data / "meta" / f"{file}.json").read_text()):
        index = row["id"] if row["id"] >= 0 else 34
        assert row["name"].replace(";", " ").startswith(names[index])
        assert row.get("color", colors[index].tolist()) == colors[index].tolist()
