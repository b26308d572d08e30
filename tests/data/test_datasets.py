"""Each data set on a tiny tree of its own, and what all of them share on `custom`."""

import inspect
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from data import create_dataset
from data.ade20k import Ade20kDataset
from data.cityscapes import CityscapesDataset
from data.coco import CocoDataset
from data.custom import CustomDataset
from data.facades import FacadesDataset
from data.files import Files, find_image_files
from data.paired import PairedDataset
from options import Preset
from util.errors import InputError


def names(dataset) -> list[str]:
    return [sample["name"] for sample in dataset]


@pytest.fixture
def custom_tree(tmp_path, save_ids, save_photo):
    """Three triples, "a" to "c", for `custom`; returns the options that name them."""
    for value, name in enumerate("abc"):
        save_ids(tmp_path / "maps" / f"{name}.png", value)
        save_photo(tmp_path / "photos" / f"{name}.jpg", value * 100)
        save_ids(tmp_path / "inst" / f"{name}.png", value + 50)
    return {"label_dir": str(tmp_path / "maps"), "image_dir": str(tmp_path / "photos"),
            "instance_dir": str(tmp_path / "inst"), "instance": True}  # fmt: skip


# Each data set


@pytest.fixture
def coco_tree(tmp_path, save_ids, save_photo):
    for part, stems in {"train": ["2", "10"], "train_portrait": ["2"], "val": ["7"]}.items():
        for stem in stems:
            save_ids(tmp_path / f"{part}_label" / f"{stem}.png")
            save_photo(tmp_path / f"{part}_img" / f"{stem}.jpg")
            save_ids(tmp_path / f"{part}_inst" / f"{stem}.png")
    return {"dataset_mode": "coco", "dataroot": str(tmp_path), "instance": True}


def test_coco_reads_portraits_when_training(coco_tree, make_options):
    assert names(CocoDataset(make_options(**coco_tree))) == ["2", "10", "portrait/2"]
    assert names(CocoDataset(make_options(**coco_tree, coco_portraits=False))) == ["2", "10"]


def test_coco_tests_on_val_without_portraits(coco_tree, make_options):
    assert names(CocoDataset(make_options(**coco_tree, is_train=False, phase="test"))) == ["7"]
    assert names(CocoDataset(make_options(**coco_tree, is_train=False, phase="train"))) == ["2", "10"]


def test_coco_without_instance_maps_names_the_flag(tmp_path, save_ids, save_photo, make_options):
    save_ids(tmp_path / "train_label" / "1.png")
    save_photo(tmp_path / "train_img" / "1.jpg")
    options = {"dataset_mode": "coco", "dataroot": str(tmp_path)}
    with pytest.raises(InputError, match=r"train_inst: no such folder; .*--no_instance"):
        CocoDataset(make_options(**options, instance=True))
    with pytest.raises(InputError, match="no_instance for networks that were trained so"):
        CocoDataset(make_options(**options, instance=True, is_train=False, phase="train"))
    assert set(CocoDataset(make_options(**options))[0]) == {"name", "labels", "image"}


def test_facades_has_no_instances(tmp_path, save_ids, save_photo, make_options):
    save_ids(tmp_path / "val_label" / "b" / "1.png")
    save_photo(tmp_path / "val_img" / "b" / "1.JPG")
    options = {"dataset_mode": "facades", "dataroot": str(tmp_path), "is_train": False, "phase": "test"}
    (sample,) = FacadesDataset(make_options(**options))
    assert sample["name"] == "b/1" and "image" in sample
    with pytest.raises(
        InputError, match="found no instance maps for --dataset_mode facades; without them use --no_instance"
    ):
        FacadesDataset(make_options(**options, instance=True))


def test_cityscapes_stock_tree(tmp_path, save, save_ids, save_photo, make_options):
    for split, city, frame in [("train", "bonn", 19), ("train", "aachen", 9), ("val", "lindau", 1)]:
        stem = f"{city}_000000_{frame:06d}"
        truth = tmp_path / "gtFine" / split / city
        save_ids(truth / f"{stem}_gtFine_labelIds.png", 26, (32, 16))
        save(truth / f"{stem}_gtFine_instanceIds.png", np.full((16, 32), 40000, dtype=np.uint16))
        save_photo(truth / f"{stem}_gtFine_color.png")
        save_photo(tmp_path / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png", size=(32, 16))
    options = {"dataset_mode": "cityscapes", "dataroot": str(tmp_path), "label_nc": 35, "instance": True,
               "preprocess_mode": "fixed", "crop_size": 16, "aspect_ratio": 2.0}  # fmt: skip
    dataset = CityscapesDataset(make_options(**options))
    assert names(dataset) == ["aachen/aachen_000000_000009", "bonn/bonn_000000_000019"]
    assert dataset[0]["labels"].shape == (8, 16)
    assert (dataset[0]["instances"] == 40000).all()
    assert dataset.class_names[dataset[0]["labels"][0, 0]] == "car"
    assert names(CityscapesDataset(make_options(**options, is_train=False, phase="test"))) == [
        "lindau/lindau_000000_000001"
    ]


@pytest.mark.parametrize("layout", ["stock", "flat", "above"])
def test_ade20k_trees_and_raw_ids(tmp_path, save, save_photo, make_options, layout):
    root = tmp_path / "data_val_1"  # a folder's name says nothing about the split
    for split, folder in [("train", "training"), ("val", "validation")]:
        photos, maps = root / "images" / folder, root / "annotations" / folder
        if layout == "flat":
            photos = maps = root / "b"
        save_photo(photos / f"ADE_{split}_00000001.jpg")
        save(maps / f"ADE_{split}_00000001.png", np.tile(np.array([0, 1, 150, 150], np.uint8), (16, 4)))
    dataroot = root.parent if layout == "above" else root
    options = {"dataset_mode": "ade20k", "dataroot": str(dataroot), "label_nc": 150, "contain_dontcare_label": True}
    for opt, name in [
        (make_options(**options), "ADE_train_00000001"),
        (make_options(**options, is_train=False, phase="val"), "ADE_val_00000001"),
        (make_options(**options, is_train=False, phase="test"), "ADE_val_00000001"),
    ]:
        dataset = Ade20kDataset(opt)
        (sample,) = dataset
        assert sample["name"] == name
        assert sample["labels"].unique().tolist() == [0, 1, 150]  # not shifted
        assert [dataset.class_names[i] for i in (0, 1, 150)] == ["unknown", "wall", "flag"]


def test_ade20k_refuses_255_and_says_where_it_looked(tmp_path, save_ids, save_photo, make_options):
    options = {"dataset_mode": "ade20k", "dataroot": str(tmp_path), "label_nc": 150, "contain_dontcare_label": True}
    with pytest.raises(InputError, match=r"neither annotations/training nor files \*_train_\*\.png; datasets/README"):
        Ade20kDataset(make_options(**options))
    save_ids(tmp_path / "ADE_train_1.png", 255)
    save_photo(tmp_path / "ADE_train_1.jpg")
    with pytest.raises(InputError, match=r"holds label 255; ids must be 0\.\.150"):
        Ade20kDataset(make_options(**options))[0]
    with pytest.raises(InputError, match="--phase demo"):
        Ade20kDataset(make_options(**options, is_train=False, phase="demo"))


def test_template_of_the_base_class_is_a_data_set(tmp_path, save_ids, save_photo, make_options):
    template = inspect.getdoc(PairedDataset).partition("::\n")[2].partition("\n\nand describe")[0]
    scope = {
        "PairedDataset": PairedDataset,
        "Preset": Preset,
        "Files": Files,
        "find_image_files": find_image_files,
        "Path": Path,
    }
    exec(inspect.cleandoc(template), scope)
    save_ids(tmp_path / "maps" / "train" / "1.png", 3)
    save_photo(tmp_path / "photos" / "train" / "1.jpg")
    (sample,) = scope["StreetsDataset"](make_options(dataset_mode="streets", dataroot=str(tmp_path)))
    assert sample["name"] == "1" and (sample["labels"] == 3).all()


# What all of them share


def test_samples_have_the_promised_form(custom_tree, make_options):
    dataset = create_dataset(make_options(**custom_tree))
    sample = dataset[2]
    assert len(dataset) == 3 and set(sample) == {"name", "labels", "instances", "image"}
    assert sample["name"] == "c"
    assert sample["labels"].dtype == torch.uint8 and sample["instances"].dtype == torch.int32
    assert sample["labels"].shape == sample["instances"].shape == (16, 16)
    assert sample["image"].dtype == torch.float32 and sample["image"].shape == (3, 16, 16)
    assert (sample["labels"] == 2).all() and (sample["instances"] == 52).all()
    assert sample["image"].sub(200 / 127.5 - 1).abs().max() < 0.02


def test_fast_decoding_is_opt_in_and_near(tmp_path, save, save_ids, make_options):
    small = np.random.default_rng(0).integers(0, 256, (10, 10, 3), dtype=np.uint8)
    photo = Image.fromarray(small).resize((80, 80), Image.Resampling.BICUBIC)
    save(tmp_path / "photos" / "a.jpg", photo, quality=95)
    save_ids(tmp_path / "maps" / "a.png", size=(80, 80))
    folders = {"label_dir": str(tmp_path / "maps"), "image_dir": str(tmp_path / "photos")}
    exact, fast = (CustomDataset(make_options(**folders, fast_decode=on))[0]["image"] for on in (False, True))
    with Image.open(tmp_path / "photos" / "a.jpg") as picture:
        plain = np.asarray(picture.resize((16, 16), Image.Resampling.BICUBIC))
    assert ((exact + 1) * 127.5).round().permute(1, 2, 0).tolist() == plain.tolist()
    assert 0 < (fast - exact).abs().mean() * 127.5 < 4
    save_ids(tmp_path / "maps" / "a.png", size=(40, 40))
    with pytest.raises(InputError, match=r"maps/a\.png is 40x40 but .*photos/a\.jpg is 80x80"):
        CustomDataset(make_options(**folders, fast_decode=True))[0]


@pytest.mark.parametrize("size", [(33, 40), (23, 57), (64, 31)])
def test_maps_of_8_and_16_bits_do_not_slip(tmp_path, save, save_photo, make_options, size):
    """The same ids in both maps are the same ids after resizing; 16 bits must not be resized by other rules."""
    ids = np.random.default_rng(0).integers(0, 200, size[::-1])
    save(tmp_path / "maps" / "a.png", ids.astype(np.uint8))
    save(tmp_path / "inst" / "a.png", ids.astype(np.uint16))
    save_photo(tmp_path / "photos" / "a.png", size=size)
    folders = {
        f"{kind}_dir": str(tmp_path / name)
        for kind, name in zip(("label", "image", "instance"), ("maps", "photos", "inst"))
    }
    for side in range(16, 64):
        opt = make_options(**folders, instance=True, label_nc=200, load_size=side, crop_size=16)
        (sample,) = CustomDataset(opt)
        assert (sample["labels"] == sample["instances"]).all()


def test_class_names_and_colors_cover_the_channels(custom_tree, make_options):
    dataset = create_dataset(make_options(**custom_tree, label_nc=7, contain_dontcare_label=True))
    assert dataset.class_names == (*(f"class {i}" for i in range(7)), "unknown")
    assert dataset.class_colors.shape == (8, 3) and dataset.class_colors.dtype == np.uint8


def test_testing_needs_no_photos(custom_tree, make_options):
    (sample, *_) = CustomDataset(make_options(**custom_tree | {"image_dir": None}, is_train=False, phase="test"))
    assert set(sample) == {"name", "labels", "instances"}


def test_max_dataset_size_keeps_the_first(custom_tree, make_options):
    assert names(CustomDataset(make_options(**custom_tree, max_dataset_size=2))) == ["a", "b"]


def test_missing_photos_are_named_also_when_testing_has_some(custom_tree, make_options, tmp_path):
    (tmp_path / "photos" / "b.jpg").unlink()
    for is_train in (True, False):
        with pytest.raises(InputError, match=r"1 of 3 label maps have no photo \(b\)"):
            CustomDataset(make_options(**custom_tree, is_train=is_train))


def test_names_that_differ_pair_by_position_on_demand(custom_tree, make_options, tmp_path):
    (tmp_path / "photos" / "b.jpg").rename(tmp_path / "photos" / "b_photo.jpg")
    with pytest.raises(InputError, match="no_pairing_check"):
        CustomDataset(make_options(**custom_tree))
    dataset = CustomDataset(make_options(**custom_tree, pairing_check=False))
    assert dataset[1]["image"].mean().item() == pytest.approx(100 / 127.5 - 1, abs=0.02)


def test_sizes_that_differ_are_refused_with_both(custom_tree, make_options, tmp_path, save_ids, save_photo):
    dataset = CustomDataset(make_options(**custom_tree))
    save_photo(tmp_path / "photos" / "a.jpg", size=(20, 16))
    with pytest.raises(InputError, match=r"maps/a\.png is 16x16 but .*photos/a\.jpg is 20x16"):
        dataset[0]
    save_ids(tmp_path / "inst" / "b.png", size=(16, 12))
    with pytest.raises(InputError, match=r"maps/b\.png is 16x16 but .*inst/b\.png is 16x12"):
        dataset[1]


def test_a_mode_that_does_not_suit_is_refused_before_training(custom_tree, make_options, tmp_path, save_ids):
    save_ids(tmp_path / "maps" / "a.png", size=(24, 16))
    with pytest.raises(InputError, match=r"maps/a\.png \(24x16\) becomes 32x32, but the network makes 16x16"):
        CustomDataset(make_options(**custom_tree, preprocess_mode="none"))


def test_a_later_file_that_does_not_suit_is_refused_when_read(custom_tree, make_options, tmp_path, save_ids):
    save_ids(tmp_path / "maps" / "b.png", size=(8, 8))
    dataset = CustomDataset(make_options(**custom_tree, preprocess_mode="crop"))
    with pytest.raises(InputError, match=r"maps/b\.png \(8x8\) becomes 8x8, too small to crop 16x16"):
        dataset[1]


@given(
    mode=st.sampled_from(["resize_and_crop", "crop", "scale_width_and_crop", "scale_shortside_and_crop", "fixed"]),
    size=st.tuples(st.integers(40, 90), st.integers(40, 90)),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_geometry_for_label_map_instances_and_photo(tmp_path, save, make_options, mode, size, seed):
    """A ramp from left to right and one from top to bottom end up at the same place in all three."""
    width, height = size
    x = np.linspace(0, 250, width).astype(np.uint8)[None].repeat(height, 0)
    y = np.linspace(0, 250, height).astype(np.uint8)[:, None].repeat(width, 1)
    save(tmp_path / "maps" / "a.png", x)
    save(tmp_path / "inst" / "a.png", y)
    save(tmp_path / "photos" / "a.png", np.stack([x, y, y], axis=-1))
    opt = make_options(
        label_dir=str(tmp_path / "maps"), image_dir=str(tmp_path / "photos"), instance_dir=str(tmp_path / "inst"),
        instance=True, preprocess_mode=mode, load_size=100, crop_size=32, label_nc=256, flip=True,
    )  # fmt: skip
    torch.manual_seed(seed)
    sample = CustomDataset(opt)[0]
    red, green, _ = (sample["image"] + 1) * 127.5
    step = 250 / 32  # nearest and bicubic differ by less than one pixel of the smallest image
    assert (red - sample["labels"]).abs().max() <= step
    assert (green - sample["instances"]).abs().max() <= step
    assert sample["labels"].float().std() > 10


def test_flip_is_for_training_only(tmp_path, save, make_options):
    ramp = np.arange(16, dtype=np.uint8)[None].repeat(16, 0)
    save(tmp_path / "a.png", ramp)
    save(tmp_path / "photos" / "a.png", ramp)
    options = {"label_dir": str(tmp_path), "label_nc": 16, "flip": True}

    def first_columns(**given) -> set[int]:
        return {int(dataset[0]["labels"][0, 0]) for dataset in [CustomDataset(make_options(**options | given))] * 30}

    (tmp_path / "maps").mkdir()
    (tmp_path / "a.png").rename(tmp_path / "maps" / "a.png")
    options |= {"label_dir": str(tmp_path / "maps"), "image_dir": str(tmp_path / "photos")}
    assert first_columns() == {0, 15}
    assert first_columns(flip=False) == {0}
    assert first_columns(is_train=False) == {0}
