from util.console import exit_statuses

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import Dataset, default_collate

from data import DATASETS, PRESETS, create_dataset, create_loader
from data.sampler import EpochSampler
from options import TestOptions, TrainOptions, parse_options
from util.errors import InputError

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


class Noise(Dataset):
    """Twelve images of one draw each, as crops and flips are drawn."""

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> dict:
        return {"name": str(index), "drawn": torch.rand(4)}


@pytest.fixture
def read(make_options):
    """Read an epoch, or what is left of it after `first` samples: (name, draw) of every sample, in order."""

    def of(num_workers=0, world_size=1, epoch=1, first=0, seed=7, warm_up=()) -> list[tuple[str, list[float]]]:
        opt = make_options(batch_size=4, num_workers=num_workers, seed=seed)
        found = {}
        for rank in range(world_size):
            loader = create_loader(opt, Noise(), rank, world_size)
            for earlier in warm_up:
                loader.sampler.set_epoch(earlier)
                list(loader)
            loader.sampler.set_epoch(epoch, first=first)
            for step, batch in enumerate(loader):
                for i, name in enumerate(batch["name"]):
                    found[step, i, rank] = (name, batch["drawn"][i].tolist())
        return [found[place] for place in sorted(found)]

    return of


@pytest.mark.parametrize("num_workers", [0, 1, 2])
@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_samples_do_not_depend_on_workers_processes_or_what_came_before(read, num_workers, world_size):
    torch.manual_seed(0)
    expected = read()
    torch.manual_seed(num_workers)
    assert read(num_workers, world_size) == expected
    assert read(num_workers, world_size, first=4) == expected[4:]
    assert read(num_workers, world_size, warm_up=(1, 2)) == expected


def test_draws_follow_seed_epoch_and_index(read):
    def draws(**options) -> dict[str, list[float]]:
        return dict(read(**options))

    every = [*draws().values(), *draws(epoch=2).values(), *draws(seed=8).values(), *draws(seed=8, epoch=2).values()]
    assert len({tuple(draw) for draw in every}) == 4 * 12


def test_reading_here_leaves_the_generators_alone(read, monkeypatch):
    """Latents are drawn from them: a sample that began them anew would give each step the same noise."""
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: pytest.fail("generators of GPUs began anew"))
    before = torch.get_rng_state()
    read()
    assert torch.equal(torch.get_rng_state(), before)


def test_crops_and_flips_differ_from_epoch_to_epoch_and_come_again(tree, make_options):
    def crops(epoch: int, num_workers: int = 0) -> dict[str, torch.Tensor]:
        opt = make_options(**tree | {"load_size": 40, "flip": True}, batch_size=5, num_workers=num_workers)
        loader = create_loader(opt, create_dataset(opt))
        loader.sampler.set_epoch(epoch)
        return {name: image for batch in loader for name, image in zip(batch["name"], batch["image"])}

    for value in range(10):
        noise = np.random.default_rng(value).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(noise).save(Path(tree["image_dir"]) / f"{value}.png")
        Image.new("L", (40, 40), value).save(Path(tree["label_dir"]) / f"{value}.png")
    first, again, second = crops(1), crops(1, num_workers=2), crops(2)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert sum(torch.equal(first[name], second[name]) for name in first) <= 1  # of 1250 crops each


def test_landscapes_are_flipped_anew_each_epoch(make_options):
    opt = make_options(
        dataset_mode="landscapes", label_nc=18, contain_dontcare_label=True, max_dataset_size=24, flip=True
    )  # fmt: skip
    loader = create_loader(opt, create_dataset(opt))

    def epoch(number: int) -> list[torch.Tensor]:
        loader.sampler.set_epoch(number)
        return [image for _, image in sorted((batch["name"][0], batch["image"]) for batch in loader)]

    first, second, again = epoch(1), epoch(2), epoch(1)
    same = [torch.equal(one, other) for one, other in zip(first, second)]
    mirrored = [torch.equal(one, other.flip(3)) for one, other in zip(first, second)]
    assert all(a or b for a, b in zip(same, mirrored)) and 4 <= sum(same) <= 20
    assert all(torch.equal(one, other) for one, other in zip(first, again))


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_processes_of_a_machine_share_its_cores(make_options, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("data.create.usable_cores", lambda: 12)
    opt = make_options(num_workers=None, gpu_ids="auto", batch_size=16)
    loaders = [create_loader(opt, range(16), 0, 16, local_world_size=local) for local in (1, 2, 4, 16)]
    assert [loader.num_workers for loader in loaders] == [8, 6, 3, 1]


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
    monkeypatch.setattr("data.create.usable_cores", lambda: cores)
    opt = make_options(**tree, num_workers=given, gpu_ids=gpu_ids)
    loader = create_loader(opt, create_dataset(opt))
    assert (loader.num_workers, loader.pin_memory, loader.persistent_workers) == (workers, pinned, workers > 0)


def test_bad_ids_are_one_line(tree, make_options, tmp_path, save_ids, capsys):
    path = save_ids(tmp_path / "maps" / "4.png", 12)
    opt = make_options(**tree)
    with pytest.raises(SystemExit) as caught, exit_statuses("train.py"):
        list(create_loader(opt, create_dataset(opt)))
    assert caught.value.code == 2
    expected = f"train.py: error: --label_nc 10: {path} holds label 12; ids must be 0..9 (add --label_nc 13?)\n"
    assert capsys.readouterr().err == expected


def test_cut_photo_is_one_line_from_a_worker(tree, make_options, tmp_path, capsys):
    """Takes 5 seconds: torch waits so long for a worker that has raised."""
    photo = tmp_path / "photos" / "4.png"
    photo.write_bytes(photo.read_bytes()[:60])
    opt = make_options(**tree, num_workers=1)
    with pytest.raises(SystemExit), exit_statuses("train.py"):
        list(create_loader(opt, create_dataset(opt)))
    error = capsys.readouterr().err
    assert error.startswith(f"train.py: error: {photo}: cannot be read as an image (") and error.count("\n") == 1


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
    assert sorted(sampler) == [(3, index) for index in range(10)]


def test_an_order_that_has_begun_keeps_its_epoch():
    sampler = EpochSampler(range(3), num_replicas=1, rank=0, shuffle=False)
    sampler.set_epoch(1)
    order = iter(sampler)
    sampler.set_epoch(2)
    assert list(order) == [(1, 0), (1, 1), (1, 2)]


@given(
    samples=st.integers(1, 60),
    each=st.integers(1, 4),
    world_size=st.sampled_from([1, 2, 3, 4]),
    epoch=st.integers(1, 9),
    draw=st.data(),
)
def test_batches_of_all_processes_together_are_those_of_one(samples, each, world_size, epoch, draw):
    batch_size = each * world_size
    if samples < batch_size:
        samples += batch_size
    first = batch_size * draw.draw(st.integers(0, samples // batch_size))
    opt = SimpleNamespace(
        is_train=True, batch_size=batch_size, gpu_ids="-1", num_workers=0, serial_batches=False, seed=3
    )  # fmt: skip

    def batches(rank: int, world_size: int) -> list[list[tuple[int, int]]]:
        loader = create_loader(opt, range(samples), rank, world_size)
        assert len(loader) == samples // batch_size
        loader.sampler.set_epoch(epoch, first=first)
        return list(loader.batch_sampler)

    alone = batches(0, 1)
    assert len(alone) == (samples - first) // batch_size
    assert len({index for batch in alone for _, index in batch}) == len(alone) * batch_size
    parts = [batches(rank, world_size) for rank in range(world_size)]
    assert [[place for places in zip(*shares, strict=True) for place in places] for shares in zip(*parts)] == alone
