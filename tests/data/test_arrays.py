"""Samples from arrays: those of files with the same pixels, and one line for what cannot be one."""

import numpy as np
import pytest
import torch
from PIL import Image

from data import create_dataset
from data.arrays import ArrayDataset, ids_of

LABELS = np.array([[0, 1], [2, 255]], dtype=np.uint8).repeat(20, 0).repeat(20, 1)  # (40, 40)
PHOTO = np.arange(40 * 40 * 3).reshape(40, 40, 3).astype(np.uint8)


@pytest.fixture
def options(make_options):
    """Options of a training with unknown pixels, random crops and flips."""

    def make(**given):
        values = {"label_nc": 3, "contain_dontcare_label": True, "load_size": 24, "flip": True}
        return make_options(**values | given)

    return make


def test_a_sample_is_that_of_files_with_the_same_pixels(options, tmp_path):
    maps = {"label_dir": LABELS, "image_dir": PHOTO, "instance_dir": LABELS // 2}
    for kind, pixels in maps.items():
        (tmp_path / kind).mkdir()
        Image.fromarray(pixels).save(tmp_path / kind / "00000.png")
    opt = options(instance=True)
    from_files = create_dataset(options(instance=True, **{kind: str(tmp_path / kind) for kind in maps}))
    item = {"labels": torch.from_numpy(LABELS), "image": Image.fromarray(PHOTO), "instances": (LABELS // 2).tolist()}
    samples = []
    for dataset in (ArrayDataset([item], opt), from_files):
        torch.manual_seed(1)
        samples.append(dataset[0])
    assert samples[0].keys() == samples[1].keys() and samples[0]["name"] == samples[1]["name"]
    assert all(torch.equal(samples[0][key], samples[1][key]) for key in ("labels", "instances", "image"))


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ((LABELS, PHOTO[:, :39]), "sample 0: labels and image are 40x40 and 39x40; they must have the same size"),
        ((LABELS + 3, PHOTO), "--label_nc 3: sample 0 holds label 3, 4, 5; ids must be 0..2"),
        ((LABELS / 2, PHOTO), "sample 0, labels float64: must be integers"),
        ((LABELS[None], PHOTO), r"sample 0, labels \(1, 40, 40\): must be \(H, W\)$"),
        ((LABELS, PHOTO.transpose(2, 0, 1) / 255), r"sample 0, image \(3, 40, 40\) float64: must be \(H, W, 3\) uint8"),
        ((LABELS, PHOTO, LABELS), r"sample 0: is tuple; must be \(labels, image\)"),
        ((LABELS, "none.png"), "none.png: "),
        ({"labels": LABELS, "photo": PHOTO}, "sample 0: is a dict of labels, photo; must be"),
        ({"labels": LABELS, "image": PHOTO}, "sample 0: has no instances"),
    ],
)
def test_an_item_that_cannot_be_a_sample_is_named_in_one_line(options, item, message):
    dataset = ArrayDataset([item], options(instance="no instances" in message))
    with pytest.raises(ValueError, match=message) as caught:
        dataset[0]
    assert "\n" not in str(caught.value)


def test_names_and_colors_are_given_or_those_of_the_data_file(options, tmp_path):
    classes = '{ id = 0, name = "sky", color = [0, 0, 255] }, { id = 1 }, { id = 2, name = "boat" }'
    (tmp_path / "data.toml").write_text(f"unknown = 9\nclasses = [{classes}]", encoding="utf-8")
    named = ArrayDataset([(np.where(LABELS == 255, 9, LABELS), PHOTO)], options(data=str(tmp_path / "data.toml")))
    assert named.class_names == ("sky", "class 1", "boat", "unknown")
    assert named.class_colors[0].tolist() == [0, 0, 255]
    assert named[0]["labels"].unique().tolist() == [0, 1, 2, 3]
    assert ArrayDataset([1], options()).class_names == ("class 0", "class 1", "class 2", "unknown")
    ours = ArrayDataset([1], options(), ["sky", "sea", "boat"], [[0, 0, 255], [0, 255, 0], [255, 0, 0]])
    assert ours.class_names == ("sky", "sea", "boat", "unknown")
    assert ours.class_colors.tolist() == [[0, 0, 255], [0, 255, 0], [255, 0, 0], [0, 0, 0]]
    with pytest.raises(ValueError, match="class_names: are 2, and label_nc is 3; name every class"):
        ArrayDataset([1], options(), ["sky", "sea"])
    with pytest.raises(ValueError, match="the data set: holds no samples"):
        ArrayDataset([], options())


def test_ids_keep_their_values():
    for dtype in (bool, np.uint8, np.int8, np.uint16, np.int64):
        ids = ids_of(np.array([[0, 1]], dtype=dtype), "ids")
        assert ids.tolist() == [[0, 1]] and ids.dtype in (np.uint8, np.int32)
