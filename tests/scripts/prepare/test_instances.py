import builtins
import json

import numpy as np
import pytest
from PIL import Image

from data.id_maps import read_ids
from scripts.prepare.instances import main
from util.errors import InputError

pytestmark = [pytest.mark.tools, pytest.mark.filterwarnings("ignore::DeprecationWarning:pycocotools")]
WIDTH, HEIGHT = 12, 8


def box(x: float, y: float, width: float, height: float) -> list[float]:
    """A box as a polygon of COCO."""
    return [x, y, x + width, y, x + width, y + height, x, y + height]


def crowd(pixels: np.ndarray) -> dict:
    """A mask as uncompressed run lengths, column by column, zeros first."""
    column_by_column = pixels.T.ravel().astype(np.int8)
    changes = np.flatnonzero(np.diff(column_by_column, prepend=0)).tolist()
    ends = [0, *changes, column_by_column.size]
    return {"size": list(pixels.shape), "counts": np.diff(ends).tolist()}


CROWD = np.zeros((HEIGHT, WIDTH), dtype=bool)
CROWD[:, 9:] = True
CROWD[0, 10] = False

# Image 1: small 7 lies on large 5 though it comes first, in two parts; a crowd; a polygon of nothing. Image 2: nothing.
CONTENT = {
    "images": [
        {"id": 1, "file_name": "000000000001.jpg", "width": WIDTH, "height": HEIGHT},
        {"id": 2, "file_name": "000000000002.jpg", "width": WIDTH, "height": HEIGHT},
        {"id": 3, "file_name": "000000000003.jpg", "width": 640, "height": 480},
    ],
    "annotations": [
        {"id": 7, "image_id": 1, "iscrowd": 0, "segmentation": [box(1, 1, 2, 2), box(5, 3, 1, 1)]},
        {"id": 5, "image_id": 1, "iscrowd": 0, "segmentation": [box(0, 0, 8, 6)]},
        {"id": 6, "image_id": 1, "iscrowd": 1, "segmentation": crowd(CROWD)},
        {"id": 8, "image_id": 1, "iscrowd": 0, "segmentation": [[1.0, 1.0, 5.0, 5.0]]},
    ],
}
EXPECTED = np.zeros((HEIGHT, WIDTH), dtype=int)
EXPECTED[:6, :8] = 1
EXPECTED[CROWD] = 2
EXPECTED[1:3, 1:3] = EXPECTED[3, 5] = 3


@pytest.fixture
def tree(tmp_path):
    """Annotations of three images and label maps of two; a function changes the first and runs the script."""
    pytest.importorskip("pycocotools", reason="pycocotools, which COCO's instance maps need, is not installed")
    (tmp_path / "labels").mkdir()
    for number in (1, 2):
        Image.new("L", (WIDTH, HEIGHT)).save(tmp_path / "labels" / f"{number:012d}.png")

    def run(content=CONTENT):
        (tmp_path / "annotations.json").write_text(content if isinstance(content, str) else json.dumps(content))
        return run_on(tmp_path)

    return run


def run_on(folder):
    main(["--annotations", f"{folder}/annotations.json", "--label_dir", f"{folder}/labels",
          "--output", f"{folder}/inst", "--workers", "1"])  # fmt: skip
    return sorted((folder / "inst").iterdir())


def test_objects_by_falling_area_crowds_too(tree):
    first, second = tree()
    assert [path.name for path in (first, second)] == ["000000000001.png", "000000000002.png"]
    assert read_ids(first).tolist() == EXPECTED.tolist()
    assert not read_ids(second).any() and read_ids(second).shape == (HEIGHT, WIDTH)


def test_packed_run_lengths_are_the_same_mask(tree):
    from pycocotools import mask

    packed = mask.encode(np.asfortranarray(CROWD.astype(np.uint8)))
    packed["counts"] = packed["counts"].decode()
    content = json.loads(json.dumps(CONTENT))
    content["annotations"][2]["segmentation"] = packed
    assert read_ids(tree(content)[0]).tolist() == EXPECTED.tolist()


def test_more_than_255_objects_do_not_wrap(tree):
    content = {
        "images": CONTENT["images"],
        "annotations": [
            {"id": i, "image_id": 1, "segmentation": [box(i % WIDTH, i // WIDTH % HEIGHT, 1, 1)]} for i in range(300)
        ],
    }
    ids = read_ids(tree(content)[0])
    assert ids.max() == 300 and len(np.unique(ids)) == WIDTH * HEIGHT
    with Image.open(tree(content)[0]) as picture:
        assert picture.mode == "I;16"


def test_a_second_run_makes_only_what_is_missing(tree, capsys):
    first, second = tree()
    content, made = first.read_bytes(), second.stat().st_mtime_ns
    first.write_bytes(content[: len(content) // 2])
    assert tree() == [first, second]
    assert first.read_bytes() == content and second.stat().st_mtime_ns == made
    assert capsys.readouterr().out.endswith("1 instance maps made, 1 were there\n")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", r"annotations\.json: is not a file of COCO's instance annotations \(JSONDecodeError"),
        ({"images": []}, r"is not a file of COCO's instance annotations \(KeyError: 'annotations'\)"),
        ({"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": []}, r"\(KeyError: 'width'\)"),
        ([1], "is not a file of COCO's instance annotations"),
        ({"images": [], "annotations": []}, r"2 of 2 label maps are not in the annotations \(000000000001, 000"),
    ],
)
def test_wrong_annotations_are_named(tree, content, words):
    with pytest.raises(InputError, match=words) as caught:
        tree(content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("segmentation", [{"size": [2, 2], "counts": [4]}, {"size": [2, 2]}, [["a"] * 6], 3])
def test_a_wrong_annotation_is_named_by_its_id(tree, segmentation):
    content = {"images": CONTENT["images"], "annotations": [{"id": 99, "image_id": 1, "segmentation": segmentation}]}
    if segmentation == {"size": [2, 2], "counts": [4]}:
        content["images"] = [{**content["images"][0], "width": 3}, *content["images"][1:]]
        content["annotations"][0]["segmentation"] = {"size": [2, 2], "counts": "4"}
    with pytest.raises(InputError, match="annotation 99: "):
        tree(content)


def test_missing_files_are_named(tmp_path):
    pytest.importorskip("pycocotools", reason="pycocotools, which COCO's instance maps need, is not installed")
    with pytest.raises(InputError, match=r"annotations\.json: cannot be read \(No such file"):
        run_on(tmp_path)


def test_without_pycocotools_one_line_says_what_to_install(tmp_path, monkeypatch):
    original = builtins.__import__

    def refuse(name, *args):
        if name.startswith("pycocotools"):
            raise ImportError(f"No module named {name!r}")
        return original(name, *args)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(InputError, match="run: pip install pycocotools"):
        run_on(tmp_path)
