import json

import pytest

from data.classes import describe_classes, published_classes
from options.data_file import SETS, read_data_file, shipped_set
from options.description import ClassRow
from util.colormap import voc_colors


@pytest.mark.parametrize("path", sorted(SETS.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_sets_are_complete(path):
    rows = read_data_file(path).classes
    assert [row.id for row in rows] == list(range(len(rows)))
    assert len({row.name for row in rows}) == len(rows) and all(row.color for row in rows)


def classes_of(table: str | None, label_nc: int, dontcare: bool):
    rows = published_classes(shipped_set(table).classes if table else (), label_nc, dontcare)
    return describe_classes(rows, label_nc, dontcare)


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
    found, colors = classes_of(table, label_nc, dontcare)
    assert len(found) == len(colors) == label_nc + dontcare
    assert {index: found[index] for index in names} == names


@pytest.mark.parametrize("table", [None, "coco"])
def test_other_numbers_of_classes_are_numbered_in_voc_colors(table):
    names, colors = classes_of(table, 3, True)
    assert names == ("class 0", "class 1", "class 2", "unknown")
    assert (colors[:3] == voc_colors(3)).all()
    assert colors[3].tolist() == [0, 0, 0]


def test_coco_colors_tell_classes_apart():
    assert len({row.color for row in shipped_set("coco").classes}) == 182


@pytest.mark.parametrize(
    ("table", "file"), [("coco", "cocostuff_182"), ("ade20k", "ade20k_150"), ("cityscapes", "cityscapes_35")]
)
def test_tables_agree_with_the_data_sets(shared_data, table, file):
    names, colors = describe_classes(shipped_set(table).classes, len(shipped_set(table).classes), False)
    for row in json.loads((shared_data / "meta" / f"{file}.json").read_text()):
        index = row["id"] if row["id"] >= 0 else 34
        assert row["name"].replace(";", " ").startswith(names[index])
        assert row.get("color", colors[index].tolist()) == colors[index].tolist()


def test_own_classes_have_their_names_and_colors_and_the_others_numbers():
    rows = (ClassRow(2, "lake", (1, 2, 3)), ClassRow(0, "shore"))
    names, colors = describe_classes(rows, 3, contain_dontcare_label=True)
    assert names == ("shore", "class 1", "lake", "unknown")
    assert colors.tolist() == [*voc_colors(2).tolist(), [1, 2, 3], [0, 0, 0]]
