"""Disparity maps are read, scaled and cropped like the label maps, and found beside them."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from data import PRESETS, create_dataset
from data.disparity import DisparityMaps
from data.sims.dataset import find_disparity
from models import METHODS
from options import TrainOptions, parse_options
from util.errors import InputError


def save(path, pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def parsed(words: str) -> TrainOptions:
    argv = f"{words} --method sims --no_vgg_loss --order_segments --gpu_ids -1"
    return parse_options(TrainOptions, argv.split(), PRESETS, METHODS)


@pytest.fixture
def opt(tmp_path, monkeypatch):
    """Of two label maps of 90x70 whose disparity is 300 times the id."""
    monkeypatch.chdir(tmp_path)  # away from saved runs
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        labels = random.integers(0, 100, (70, 90), dtype=np.uint8)
        save(tmp_path / f"labels/{name}.png", labels)
        save(tmp_path / f"photos/{name}.png", np.zeros((70, 90, 3), np.uint8))
        save(tmp_path / f"disparity/{name}.png", labels.astype(np.uint16) * 300)
    folders = "--label_dir labels --image_dir photos --disparity_dir disparity"
    return parsed(f"--dataset_mode custom --label_nc 100 --crop_size 64 --load_size 80 --flip {folders}")


def test_16_bits_are_scaled_cropped_and_mirrored_like_the_label_map(opt):
    dataset, plain = create_dataset(opt, maps=False), create_dataset(opt, maps=False)
    dataset.disparity = find_disparity(dataset, opt)
    for seed in range(4):
        torch.manual_seed(seed)
        sample = dataset[seed % 2]
        torch.manual_seed(seed)
        assert torch.equal(sample["labels"], plain[seed % 2]["labels"])
        assert sample["disparity"].dtype == torch.int32
        assert torch.equal(sample["disparity"], sample["labels"].int() * 300)


def test_a_map_of_another_size_is_refused(opt, tmp_path):
    save(tmp_path / "disparity/a.png", np.zeros((64, 64), np.uint16))
    dataset = create_dataset(opt, maps=False)
    dataset.disparity = find_disparity(dataset, opt)
    with pytest.raises(InputError, match=r"labels/a.png is 90x70 but disparity/a.png is 64x64"):
        dataset[0]


def test_a_map_of_negative_numbers_is_refused_and_an_empty_one_named(opt, tmp_path, capsys):
    save(tmp_path / "disparity/a.png", np.zeros((70, 90), np.uint16))
    (tmp_path / "disparity/b.png").unlink()
    save(tmp_path / "disparity/b.tif", np.full((70, 90), -1, np.int32))
    dataset = create_dataset(opt, maps=False)
    dataset.disparity = find_disparity(dataset, opt)
    assert (dataset[0]["disparity"] == 0).all()
    assert "disparity/a.png: nothing is measured in it (all pixels are 0)" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"disparity/b.tif: holds -1; disparity is larger where the scene is nearer"):
        dataset[1]


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        (None, "add --disparity_dir FOLDER, the folder of disparity maps, named like the label maps"),
        ("nothing", "nothing: no such folder"),
        ("others", r"labels and others: 1 of 2 label maps have no disparity map \(b\)"),
        ("suffixed", r".*names would pair without _disparity: rename the disparity maps$"),
    ],
)
def test_missing_maps_are_refused(opt, tmp_path, folder, message):
    for name in ("others/a", "suffixed/a_disparity", "suffixed/b_disparity"):
        save(tmp_path / f"{name}.png", np.zeros((70, 90), np.uint16))
    opt = dataclasses.replace(opt, disparity_dir=folder)
    with pytest.raises(InputError, match=f"^--order_segments: {message}"):
        find_disparity(create_dataset(opt, maps=False), opt)


def test_samples_drawn_in_memory_have_none():
    opt = parsed("--dataset_mode landscapes --crop_size 64")
    with pytest.raises(InputError, match="--order_segments: --dataset_mode landscapes is drawn in memory"):
        find_disparity(create_dataset(opt, maps=False), opt)


def test_cityscapes_has_a_folder_of_its_own(tmp_path):
    name = "aachen/aachen_000000_000019"
    for kind, pixels in (
        ("gtFine/train/{}_gtFine_labelIds.png", np.zeros((64, 128), np.uint8)),
        ("leftImg8bit/train/{}_leftImg8bit.png", np.zeros((64, 128, 3), np.uint8)),
        ("disparity/train/{}_disparity.png", np.full((64, 128), 3000, np.uint16)),
    ):
        save(tmp_path / kind.format(name), pixels)
    opt = parsed(f"--dataset_mode cityscapes --crop_size 128 --dataroot {tmp_path}")
    for folder in (None, str(tmp_path / "disparity" / "train")):
        dataset = create_dataset(opt, maps=False)
        dataset.disparity = find_disparity(dataset, dataclasses.replace(opt, disparity_dir=folder))
        assert isinstance(dataset.disparity, DisparityMaps)
        assert (dataset[0]["disparity"] == 3000).all()
