from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import default_collate

import data
from data import DATASETS, PRESETS, create_dataset, create_loader
from data.sampler import EpochSampler
from options import TestOptions, TrainOptions, parse_options
from util.errors import InputError, report_input_errors

FILE_MODES = ("coco", "ade20k", "cityscapes", "facades", "custom")


@pytest.fixture
def tree(tmp_path, save_ids, save_photo):
    """Ten pairs for `custom`, "0" to "9"."""
    for value in range(10):
        save_ids(tmp_path / "maps" / f"{value}.png", value)
        save_photo(tmp_path / "photos" / f"{value}.png")
    return {"label_dir": str(tmp_path / "maps"), "image_dir": str(tmp_path / "photos"), "label_nc": 10}


def order(loader, epoch: int) -> list[str]:
    loader.sampler.set_epoch(epoch)
    return [name for batch in loader for name in batch["name"]]


def test_order_of_an_epoch_depends_on_seed_and_epoch_alone(tree, make_options):
    opt = make_options(**tree, seed=5)
    dataset = create_dataset(opt)
    loader = create_loader(opt, dataset)
    orders = [order(loader, epoch) for epoch in (1, 2, 3)]
    assert order(create_loader(opt, dataset), 3) == orders[2]  # as a resumed run
    assert all(sorted(names) == [str(i) for i in range(10)] for names in orders)
    assert orders[0] != orders[1] != orders[2]
    assert order(create_loader(make_options(**tree, seed=6), dataset), 3) != orders[2]


def test_serial_batches_keep_the_order(tree, make_options):
    opt = make_options(**tree, serial_batches=True)
    assert order(create_loader(opt, create_dataset(opt)), 4) == [str(i) for i in range(10)]


def test_training_drops_the_incomplete_batch_and_testing_keeps_it(tree, make_options):
    for is_train, sizes in [(True, [4, 4]), (False, [4, 4, 2])]:
        opt = make_options(**tree, is_train=is_train, batch_size=4)
        assert [len(batch["labels"]) for batch in create_loader(opt, create_dataset(opt))] == sizes


def test_fewer_samples_than_a_batch_cannot_train(tree, make_options):
    opt = make_options(**tree, batch_size=11)
    with pytest.raises(InputError, match=r"--batch_size 11: the data set has only 10 samples.*--batch_size 10"):
        create_loader(opt, create_dataset(opt))
    opt = make_options(**tree, batch_size=11, is_train=False)
    assert len(create_loader(opt, create_dataset(opt))) == 1


def test_batches_stack_what_samples_have(tree, make_options):
    opt = make_options(**tree, batch_size=2)
    batch = next(iter(create_loader(opt, create_dataset(opt))))
    assert set(batch) == {"name", "labels", "image"}
    assert batch["labels"].shape == (2, 16, 16) and batch["labels"].dtype == torch.uint8
    assert batch["image"].shape == (2, 3, 16, 16)


def test_workers_read_the_same_batches(tree, make_options):
    batches = []
    for num_workers in (0, 1):
        opt = make_options(**tree, batch_size=5, num_workers=num_workers)
        batches.append(list(create_loader(opt, create_dataset(opt))))
    for here, there in zip(*batches, strict=True):
        assert here["name"] == there["name"] and (here["labels"] == there["labels"]).all()


def test_crops_and_flips_of_workers_follow_the_seed(tree, make_options):
    def first_batches(seed: int) -> torch.Tensor:
        opt = make_options(**tree | {"load_size": 40, "flip": True, "serial_batches": True}, num_workers=2, seed=seed)
        return torch.cat([batch["labels"].float() + batch["image"].mean(1) for batch in create_loader(opt, dataset)])

    size = (40, 40)
    for value in range(10):
        noise = np.random.default_rng(value).integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(noise).save(Path(tree["image_dir"]) / f"{value}.png")
        Image.new("L", size, value).save(Path(tree["label_dir"]) / f"{value}.png")
    dataset = create_dataset(make_options(**tree | {"load_size": 40, "flip": True}))
    assert torch.equal(first_batches(1), first_batches(1))
    assert not torch.equal(first_batches(1), first_batches(2))


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than this machine has cores
@pytest.mark.parametrize(
    ("has_gpu", "gpu_ids", "cores", "given", "workers", "pinned"),
    [
        (True, "auto", 4, None, 4, True),
        (True, "0", 64, None, 8, True),
        (True, "0", 4, 0, 0, True),
        (True, "-1", 4, None, 0, False),
        (False, "auto", 4, None, 0, False),
        (False, "auto", 4, 3, 3, False),
    ],
)
def test_workers_and_pinned_memory_by_default_where_they_pay(
    tree, make_options, monkeypatch, has_gpu, gpu_ids, cores, given, workers, pinned
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    monkeypatch.setattr(data, "usable_cores", lambda: cores)
    opt = make_options(**tree, num_workers=given, gpu_ids=gpu_ids)
    loader = create_loader(opt, create_dataset(opt))
    assert (loader.num_workers, loader.pin_memory, loader.persistent_workers) == (workers, pinned, workers > 0)


def test_bad_ids_are_one_line(tree, make_options, tmp_path, save_ids, capsys):
    path = save_ids(tmp_path / "maps" / "4.png", 12)
    opt = make_options(**tree)
    with pytest.raises(SystemExit) as caught, report_input_errors("train.py"):
        list(create_loader(opt, create_dataset(opt)))
    assert caught.value.code == 2
    expected = f"train.py: error: --label_nc 10: {path} holds label 12; ids must be 0..9 (add --label_nc 13?)\n"
    assert capsys.readouterr().err == expected


def test_cut_photo_is_one_line_from_a_worker(tree, make_options, tmp_path, capsys):
    """Takes 5 seconds: torch waits so long for a worker that has raised."""
    photo = tmp_path / "photos" / "4.png"
    photo.write_bytes(photo.read_bytes()[:60])
    opt = make_options(**tree, num_workers=1)
    with pytest.raises(SystemExit), report_input_errors("train.py"):
        list(create_loader(opt, create_dataset(opt)))
    error = capsys.readouterr().err
    assert error.startswith(f"train.py: error: {photo}: cannot be read as a picture (") and error.count("\n") == 1


def argv_for(mode: str) -> list[str]:
    folders = ["--label_dir", "maps", "--image_dir", "photos", "--instance_dir", "inst"]
    return ["--dataset_mode", mode, *(folders if mode == "custom" else [])]


@pytest.mark.parametrize("mode", DATASETS)
@pytest.mark.parametrize("program", [TrainOptions, TestOptions])
def test_presets_make_valid_options(mode, program):
    opt = parse_options(program, argv_for(mode), PRESETS)
    preset = PRESETS[mode].values(program.is_train)
    assert {name: getattr(opt, name) for name in preset if preset[name] != ""} == {
        name: value for name, value in preset.items() if value != ""
    }


@pytest.mark.parametrize("mode", FILE_MODES)
def test_presets_are_the_published_defaults(mode):
    expected = {  # preprocess_mode, train and test load_size, crop_size, aspect_ratio, batch_size, channels
        "coco": ("resize_and_crop", 286, 256, 256, 1, 1, 184),
        "ade20k": ("resize_and_crop", 286, 256, 256, 1, 1, 151),
        "cityscapes": ("fixed", 512, 512, 512, 2, 16, 36),
        "facades": ("resize_and_crop", 286, 256, 256, 1, 1, 13),
        "custom": ("resize_and_crop", 286, 256, 256, 1, 1, 14),
    }[mode]
    train, test = (parse_options(program, argv_for(mode), PRESETS) for program in (TrainOptions, TestOptions))
    assert (
        train.preprocess_mode, train.load_size, test.load_size, train.crop_size, train.aspect_ratio, train.batch_size,
        train.semantic_nc,
    ) == expected  # fmt: skip
    assert test.crop_size == train.crop_size and test.display_winsize == train.display_winsize == train.crop_size
    assert test.semantic_nc == train.semantic_nc
    assert train.num_upsampling_layers == ("more" if mode == "cityscapes" else "normal")


REAL = {  # folder, data set, phase, samples
    "coco-train": ("coco_stuff", "coco", "train", 13),
    "coco-val": ("coco_stuff", "coco", "test", 4),
    "cityscapes-train": ("cityscapes", "cityscapes", "train", 2),
    "cityscapes-val": ("cityscapes", "cityscapes", "test", 3),
    "ade20k-val": ("ADEChallengeData2016", "ade20k", "test", 2),
}


@pytest.mark.parametrize("case", REAL)
def test_real_files_load(shared_data, case):
    folder, mode, phase, count = REAL[case]
    program = TrainOptions if phase == "train" else TestOptions
    opt = parse_options(program, ["--dataset_mode", mode, "--dataroot", str(shared_data / folder)], PRESETS)
    dataset = create_dataset(opt)
    assert len(dataset) == count
    batch = default_collate(list(dataset))
    height = round(opt.crop_size / opt.aspect_ratio)
    assert batch["labels"].shape == (count, height, opt.crop_size)
    assert batch["labels"].min() >= 0 and batch["labels"].max() < len(dataset.class_names) == opt.num_labels
    assert ("image" in batch) == (case != "cityscapes-val") and ("instances" in batch) == opt.instance
    if mode == "cityscapes":
        assert batch["instances"].max() > 255  # 16 bits, read whole


def test_an_epoch_can_begin_in_the_middle():
    sampler = EpochSampler(range(10), num_replicas=1, rank=0, seed=3)
    sampler.set_epoch(2)
    whole = list(sampler)
    sampler.set_epoch(2, first=4)
    assert list(sampler) == whole[4:]
    sampler.set_epoch(3)
    assert sorted(sampler) == list(range(10))
