"""Samples with canvases: of drawn landscapes and of files, in training and testing; and banks that do not fit."""

import dataclasses
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from data import PRESETS, create_dataset, create_loader
from data.sims import dataset as dataset_module
from data.sims.bank import Bank
from data.sims.dataset import with_canvases
from options import TestOptions, TrainOptions, parse_options
from scripts.prepare import bank as bank_command
from util.errors import InputError

SIZE = "--crop_size 32 --max_dataset_size 12"
MAPS = {"canvas", "changed_labels"}


@pytest.fixture(scope="module")
def bank_file(tmp_path_factory):
    """A bank of twelve landscapes of 32x32."""
    path = tmp_path_factory.mktemp("bank") / "bank.npz"
    bank_command.main([*SIZE.split(), "--output", str(path), "--workers", "1"])
    return path


@pytest.fixture(autouse=True)
def _no_saved_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def options(program, words: str, bank):
    return parse_options(program, f"{words} --gpu_ids -1 --num_workers 0 --bank {bank}".split(), PRESETS)


def canvases_of(opt):
    return with_canvases(create_dataset(opt), opt, partial(create_dataset, maps=False))


def assert_equal_samples(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one if key != "name")


def test_training_shows_the_photo_itself_and_the_samples_of_the_data_set(bank_file, monkeypatch):
    monkeypatch.setattr(dataset_module, "RECOLORED", 0)
    opt = options(TrainOptions, f"{SIZE} --no_instance", bank_file)
    with_maps, plain = canvases_of(opt), create_dataset(opt)
    for index in range(3):
        torch.manual_seed(index)
        sample = with_maps[index]
        torch.manual_seed(index)
        expected = plain[index]  # the same flip
        assert_equal_samples({key: value for key, value in sample.items() if key not in MAPS}, expected)
        canvas, photo = sample["canvas"], (sample["image"] + 1) / 2
        assert canvas.shape == (3, 32, 32) and canvas.dtype == torch.float32
        filled = (canvas > 0).any(0) & (canvas < 1).any(0)
        assert filled.float().mean() > 0.1 and torch.equal(canvas[:, filled], photo[:, filled])
        assert sample["changed_labels"].dtype == torch.int16 and sample["changed_labels"].max() <= opt.num_labels


def test_training_draws_by_seed_epoch_and_sample(bank_file):
    opt = options(TrainOptions, "--crop_size 32 --max_dataset_size 4 --batch_size 2 --no_instance", bank_file)
    dataset = canvases_of(opt)

    def epoch(number: int):
        loader = create_loader(opt, dataset)
        loader.sampler.set_epoch(number)
        return {name: (canvas, labels) for batch in loader for name, canvas, labels in by_sample(batch)}

    def by_sample(batch):
        return zip(batch["name"], batch["canvas"], batch["changed_labels"])

    first, again, second = epoch(1), epoch(1), epoch(2)
    assert all(torch.equal(first[name][place], again[name][place]) for name in first for place in (0, 1))
    assert not all(torch.equal(first[name][0], second[name][0]) for name in first)


def test_testing_pastes_photos_of_the_bank_the_same_in_any_order(bank_file):
    opt = options(TestOptions, "--crop_size 32 --phase val --no_instance", bank_file)
    dataset = canvases_of(opt)
    sample = dataset[3]
    assert dataset[2].keys() == sample.keys()
    assert_equal_samples(sample, dataset[3])
    assert not torch.equal(canvases_of(dataclasses.replace(opt, seed=1))[3]["canvas"], sample["canvas"])
    bank = Bank.load(str(bank_file))
    images = create_dataset(dataclasses.replace(opt, **bank.options))
    photos = torch.stack([images[place]["image"] for place in range(12)])
    canvas = sample["canvas"] * 2 - 1
    filled = (sample["canvas"] > 0).any(0) & (sample["canvas"] < 1).any(0)
    from_a_photo = (photos == canvas).all(1).any(0)
    assert filled.float().mean() > 0.3 and from_a_photo[filled].all()


def test_segments_of_the_image_itself_do_not_count(bank_file):
    """Testing on the training images: each would be pasted as it is."""
    opt = options(TestOptions, f"{SIZE} --phase train --no_instance", bank_file)
    dataset = canvases_of(opt)
    for index in range(4):
        sample = dataset[index]
        filled = (sample["canvas"] > 0).any(0)
        own = ((sample["canvas"] * 2 - 1) == sample["image"]).all(0)
        assert (own & filled).float().mean() < 0.1


def test_maps_about_segments_change_nothing_else(bank_file):
    opt = options(TrainOptions, "--crop_size 32 --max_dataset_size 4 --no_instance", bank_file)
    plain, with_maps = canvases_of(opt), canvases_of(dataclasses.replace(opt, align_segments=True))
    counts = []
    for index in range(4):
        torch.manual_seed(index)
        expected = plain[index]
        torch.manual_seed(index)
        sample = with_maps[index]
        segments, masks = sample.pop("segments"), sample.pop("segment_masks")
        assert_equal_samples(sample, expected)
        assert segments.shape == (10, 3, 32, 32) and masks.shape == (10, 32, 32) and masks.dtype == torch.bool
        assert masks.sum(0).max() <= 1  # components do not overlap
        counts.append(int(masks.any(2).any(1).sum()))
        # Each has its own place, and moves by a few pixels at most.
        near = torch.nn.functional.max_pool2d(masks.float(), 9, 1, 4) > 0
        assert not (segments.any(1) & ~near).any()
    assert max(counts) > 1


@pytest.fixture
def folders(tmp_path):
    """Two label maps and photos of 70x40, for a data set of files."""
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        labels = np.zeros((40, 70), dtype=np.uint8)
        labels[10:30, 20:50] = 1
        for kind, pixels in (("label", labels), ("photo", random.integers(0, 256, (40, 70, 3), dtype=np.uint8))):
            (tmp_path / kind).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / kind / f"{name}.png")
    return f"--dataset_mode custom --label_dir {tmp_path}/label --image_dir {tmp_path}/photo --label_nc 2"


def test_files_are_cut_as_testing_reads_them(folders, tmp_path):
    bank_command.main([*f"{folders} --crop_size 64 --load_size 80 --output bank.npz --workers 1".split()])
    bank = Bank.load("bank.npz")
    assert bank.names == ("a", "b") and bank.size == (64, 64) and bank.labels.tolist() == [0, 0, 1, 1]
    assert bank.boxes[2].tolist() == [16, 18, 48, 46]  # 10..30 of 40 rows and 20..50 of 70 columns, whole, at 64x64

    train = options(TrainOptions, f"{folders} --crop_size 64 --load_size 80", "bank.npz")
    assert canvases_of(train)[0]["canvas"].shape == (3, 64, 64)
    test = options(TestOptions, f"{folders} --crop_size 64 --load_size 64 --phase train", "bank.npz")
    dataset = canvases_of(test)
    canvas = dataset[0]["canvas"]
    both = ((canvas * 2 - 1) == dataset.images[1]["image"]).all(0)
    assert both.float().mean() > 0.5  # of b, whose segments are the same; the rest is white

    (tmp_path / "photo" / "b.png").rename(tmp_path / "photo" / "c.png")
    (tmp_path / "label" / "b.png").rename(tmp_path / "label" / "c.png")
    with pytest.raises(InputError, match=r"--bank bank.npz: the 2 photos that it was made of are not those"):
        canvases_of(test)
    (tmp_path / "photo").rename(tmp_path / "moved")
    with pytest.raises(InputError, match=r"--bank bank.npz: the photos that it was made of: .*/photo: no such f"):
        canvases_of(dataclasses.replace(test, image_dir=str(tmp_path / "moved")))


def test_pairs_come_from_disparity_maps(folders, tmp_path):
    """A rectangle of class 1 in front of class 0, and in the other photo behind it; and a third component."""
    bank_command.main([*f"{folders} --crop_size 64 --output bank.npz --workers 1".split()])
    (tmp_path / "disparity").mkdir()
    for name, inside in (("a", 2000), ("b", 500)):
        labels = np.asarray(Image.open(tmp_path / "label" / f"{name}.png")).copy()
        disparity = np.where(labels == 1, inside, 1000).astype(np.uint16)
        disparity[:, :12] = 30000  # another component of class 1, nearer than all
        labels[:, :12] = 1
        Image.fromarray(labels).save(tmp_path / "label" / f"{name}.png")
        Image.fromarray(disparity).save(tmp_path / "disparity" / f"{name}.png")
    dataset = canvases_of(options(TrainOptions, f"{folders} --crop_size 64 --load_size 64", "bank.npz"))
    assert "pair_labels" not in dataset[0]
    words = f"{folders} --crop_size 64 --load_size 64 --no_flip --disparity_dir {tmp_path}/disparity --order_segments"
    dataset = canvases_of(options(TrainOptions, words, "bank.npz"))
    for index, front in ((0, 1), (1, 0)):
        sample = dataset[index]
        assert "disparity" not in sample
        maps, fronts = sample["pair_labels"], sample["pair_fronts"]
        assert maps.shape == (10, 64, 64) and maps.dtype == torch.int16
        assert fronts.tolist() == [1, front, *[-1] * 8]  # class 0 with the left one, then with the rectangle
        left, right = maps[0], maps[1]
        assert (left[:, :10] == 1).all() and (left[20:40, 25:40] == -1).all() and left[0, 30] == 0
        assert (right[:, :10] == -1).all() and (right[20:40, 25:40] == 1).all() and right[0, 30] == 0


def test_a_test_with_networks_about_segments_leaves_the_canvas_to_them(bank_file):
    opt = options(TestOptions, "--crop_size 32 --phase val --no_instance", bank_file)
    sample, scene = (canvases_of(dataclasses.replace(opt, order_segments=on))[3] for on in (False, True))
    canvas, labels = scene.pop("scene").compose()
    assert_equal_samples({**scene, "canvas": canvas, "changed_labels": labels}, sample)


def test_banks_that_do_not_fit_are_refused(bank_file, folders):
    with pytest.raises(InputError, match=r"--bank .*: was made with --dataset_mode landscapes"):
        canvases_of(options(TrainOptions, f"{folders} --crop_size 32", bank_file))
    opt = dataclasses.replace(options(TrainOptions, SIZE, bank_file), bank=None)
    with pytest.raises(InputError, match=r"--method sims: add --bank FILE, the segments of the training photos; pyth"):
        canvases_of(opt)


def test_training_on_other_images_than_those_of_the_bank_is_refused(folders, tmp_path):
    bank_command.main([*f"{folders} --crop_size 64 --output bank.npz --workers 1".split()])
    for kind in ("label", "photo"):
        for name in ("a", "b"):
            (tmp_path / kind / f"{name}.png").rename(tmp_path / kind / f"other_{name}.png")
    with pytest.raises(InputError, match=r"--bank bank.npz: holds none of the training images; python -m scripts"):
        canvases_of(options(TrainOptions, f"{folders} --crop_size 64", "bank.npz"))
