"""Every data set of files tests from label maps alone, below any folders, in natural order."""

import random

import pytest

from data import DATASETS
from data.ade20k_outdoor import Ade20kOutdoorDataset
from data.flickr import FlickrDataset
from data.paired import PairedDataset

ALL = {**DATASETS, "flickr": FlickrDataset, "ade20k_outdoor": Ade20kOutdoorDataset}
OF_FILES = sorted(mode for mode, dataset in ALL.items() if issubclass(dataset, PairedDataset))
LABEL_FILES = {
    "coco": "val_label/{}.png",
    "flickr": "val_label/{}.png",
    "facades": "val_label/{}.png",
    "custom": "maps/{}.png",
    "ade20k": "annotations/validation/{}.png",
    "ade20k_outdoor": "annotations/validation/{}.png",
    "cityscapes": "gtFine/val/{}_gtFine_labelIds.png",
}
NAMES = ["2", "10", "a/b/1", "a/b/02", "a/b/10", "ü"]


@pytest.mark.parametrize("mode", OF_FILES)
def test_label_maps_alone(mode, tmp_path, save_ids, make_options):
    for name in random.Random(0).sample(NAMES, len(NAMES)):
        save_ids(tmp_path / LABEL_FILES[mode].format(name), 2)
    (tmp_path / "outdoor_validation.txt").write_text("\n".join(reversed(NAMES)), encoding="utf-8")
    given = {"dataset_mode": mode, "dataroot": str(tmp_path), "is_train": False, "phase": "test"}
    given |= {"label_dir": str(tmp_path / "maps")} if mode == "custom" else {}

    dataset = ALL[mode](make_options(**given))
    assert [sample["name"] for sample in dataset] == NAMES
    assert all(set(sample) == {"name", "labels"} and (sample["labels"] == 2).all() for sample in dataset)

    (tmp_path / "mine.txt").write_text("a/b/10\n10\n2")
    listed = ALL[mode](make_options(**given, file_list=str(tmp_path / "mine.txt"), max_dataset_size=2))
    assert [paths.name for paths in listed.paths] == ["2", "10"]
