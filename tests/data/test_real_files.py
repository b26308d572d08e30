"""Every loader on real files of its data set, as the programs read them: command line, options, data set, sample.

Skipped where the files are not beside the repository; `test_datasets.py` has generated trees of the same form.
"""

import json

import numpy as np
import torch
from PIL import Image

from data import PRESETS, create_dataset
from options import TestOptions, TrainOptions, parse_options


def read(program, command: str):
    """The options and the data set of a command line, and all its samples."""
    opt = parse_options(program, command.split(), PRESETS)
    dataset = create_dataset(opt)
    return opt, dataset, list(dataset)


def check(opt, dataset, samples, count: int, keys: set[str]) -> None:
    """Number, keys, sizes, value ranges and types of real samples."""
    assert len(dataset) == len(samples) == count
    assert len(dataset.class_names) == len(dataset.class_colors) == opt.num_labels
    shape = (round(opt.crop_size / opt.aspect_ratio), opt.crop_size)
    for sample in samples:
        assert set(sample) == {"name", "labels"} | keys
        assert sample["labels"].shape == shape and not sample["labels"].is_floating_point()
        assert sample["labels"].min() >= 0 and sample["labels"].max() < opt.num_labels
        assert len(sample["labels"].unique()) > 1
        if "image" in keys:
            assert sample["image"].shape == (3, *shape) and sample["image"].dtype == torch.float32
            assert -1 <= sample["image"].min() < -0.5 and 0.5 < sample["image"].max() <= 1
        if "instances" in keys:
            assert sample["instances"].shape == shape and sample["instances"].min() >= 0


def ids_in_files(folder) -> set[int]:
    return {int(value) for path in folder.rglob("*.png") for value in np.unique(np.asarray(Image.open(path)))}


def test_coco(shared_data):
    root = shared_data / "coco_stuff"
    training = read(TrainOptions, f"--dataset_mode coco --dataroot {root}")
    check(*training, count=13, keys={"image", "instances"})
    testing = read(TestOptions, f"--dataset_mode coco --dataroot {root}")
    check(*testing, count=4, keys={"image", "instances"})
    assert [sample["name"] for sample in testing[2]] == ["000000000139", "000000001268", "000000001503", "000000001818"]
    assert 255 in ids_in_files(root / "train_label")
    seen = set().union(*(sample["labels"].unique().tolist() for sample in training[2]))
    assert 182 in seen and 255 not in seen  # unknown is the last channel
    names = [training[1].class_names[index] for index in seen]
    assert "unknown" in names and "person" in names


def test_cityscapes(shared_data):
    root = shared_data / "cityscapes"
    training = read(TrainOptions, f"--dataset_mode cityscapes --dataroot {root}")
    check(*training, count=2, keys={"image", "instances"})
    for sample in training[2]:
        assert sample["labels"].shape == (256, 512)
        assert 7 in sample["labels"]  # road, in the raw ids
        ids = set(np.unique(np.asarray(Image.open(root / f"gtFine/train/{sample['name']}_gtFine_instanceIds.png"))))
        found = set(sample["instances"].unique().tolist())
        assert max(found) > 24_000 and found <= ids  # class * 1000 + number, in 16 bits, nothing wrapped


def test_cityscapes_without_photos(shared_data):
    testing = read(TestOptions, f"--dataset_mode cityscapes --dataroot {shared_data / 'cityscapes'}")
    check(*testing, count=3, keys={"instances"})
    assert testing[2][0]["name"] == "frankfurt/frankfurt_000000_003357"


def test_ade20k(shared_data):
    root = shared_data / "ADEChallengeData2016"
    opt, dataset, samples = read(TestOptions, f"--dataset_mode ade20k --dataroot {root}")
    check(opt, dataset, samples, count=2, keys={"image"})
    for sample in samples:
        raw = set(np.unique(np.asarray(Image.open(root / "annotations" / "validation" / f"{sample['name']}.png"))))
        assert set(sample["labels"].unique().tolist()) <= raw  # not shifted
        assert {"unknown", "sky", "building"} <= {dataset.class_names[index] for index in raw}


def test_facade_photos_through_custom(shared_data):
    root = shared_data / "facade_photos"
    classes = len(json.loads((root / "classes.json").read_text())["names"])
    command = f"--dataset_mode custom --no_instance --label_nc {classes} --contain_dontcare_label"
    opt, dataset, samples = read(
        TrainOptions, f"{command} --label_dir {root}/train_label --image_dir {root}/train_img --max_dataset_size 40"
    )
    assert opt.num_labels == 9 and len(dataset) == 40
    check(opt, dataset, samples, count=40, keys={"image"})
    everything = create_dataset(parse_options(
        TrainOptions, f"{command} --label_dir {root}/train_label --image_dir {root}/train_img".split(), PRESETS
    ))  # fmt: skip
    assert len(everything) == 751
    maps_alone = read(TestOptions, f"{command} --label_dir {root}/val_label --max_dataset_size 20")
    check(*maps_alone, count=20, keys=set())
    assert (
        len(create_dataset(parse_options(TestOptions, f"{command} --label_dir {root}/val_label".split(), PRESETS)))
        == 119
    )


def test_a_list_selects_real_files(shared_data, tmp_path):
    (tmp_path / "list.txt").write_text("# two, by name and by file\n000000001818\nval_img/000000000139.jpg\n")
    command = f"--dataset_mode coco --dataroot {shared_data / 'coco_stuff'} --file_list {tmp_path / 'list.txt'}"
    _, _, samples = read(TestOptions, command)
    assert [sample["name"] for sample in samples] == ["000000000139", "000000001818"]
