import numpy as np
import pytest

from data.coco import CocoDataset
from data.flickr import FlickrDataset
from util.errors import InputError


@pytest.fixture
def tree(tmp_path, save_ids, save_photo):
    """Photos with label maps in ids of COCO-Stuff, below folders of their own."""
    for split, name, value in [("train", "b/10", 156), ("train", "b/2", 255), ("train", "a", 0), ("val", "c", 181)]:
        save_ids(tmp_path / f"{split}_label" / f"{name}.png", value)
        save_photo(tmp_path / f"{split}_img" / f"{name}.jpg")
    save_ids(tmp_path / "train_portrait_label" / "p.png")
    return tmp_path


@pytest.fixture
def options(tree, make_options):
    def make(**given):
        values = {"dataset_mode": "flickr", "dataroot": str(tree), "label_nc": 182, "contain_dontcare_label": True}
        return make_options(**values | given)

    return make


def test_ids_and_names_are_those_of_coco_stuff(options):
    dataset = FlickrDataset(options())
    assert [sample["name"] for sample in dataset] == ["a", "b/2", "b/10"]  # no portraits
    assert [dataset.class_names[sample["labels"][0, 0]] for sample in dataset] == ["person", "unknown", "sky-other"]
    assert set(dataset[0]) == {"name", "labels", "image"}
    assert len(dataset.class_names) == len(dataset.class_colors) == 183


def test_it_tests_on_label_maps_alone(tree, options):
    (tree / "val_img" / "c.jpg").unlink()
    (sample,) = FlickrDataset(options(is_train=False, phase="test"))
    assert sample["name"] == "c" and set(sample) == {"name", "labels"}


def test_instance_maps_on_demand(tree, options, save):
    with pytest.raises(InputError, match=r"train_inst: no such folder; .*--no_instance"):
        FlickrDataset(options(instance=True))
    for name in ("a", "b/2", "b/10"):
        save(tree / "train_inst" / f"{name}.png", np.full((16, 16), 300, dtype=np.uint16))
    assert (FlickrDataset(options(instance=True))[0]["instances"] == 300).all()


def test_preset_is_that_of_coco_without_instances():
    assert FlickrDataset.preset.both == CocoDataset.preset.both | {"instance": False}
    assert FlickrDataset.preset.test == CocoDataset.preset.test
