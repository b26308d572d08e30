"""Data sets in tars: equal samples, an order that visits each once, and faults that are named."""

import json
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
import zlib
from collections import Counter
from itertools import chain
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from PIL import Image

from data import PRESETS, Sample, create_dataset, create_loader
from data.sampler import EpochSampler
from data.shards.member import MemberPath, Place, Shard
from data.shards.order import SHARDS_AT_A_TIME, shard_numbers, shuffled_by_shards
from options import TestOptions, TrainOptions, parse_options
from scripts.prepare.landscapes import main as write_landscapes
from scripts.prepare.shards import main as pack
from util.errors import InputError

SAMPLES, OF_A_SHARD = 11, 4
DATA = """
name = "drawn"
unknown = 255
classes = [{}]
[train]
labels = "train_label"
photos = "train_img"
instances = "train_inst"
[val]
fraction = 0.2
[options]
crop_size = 32
load_size = 36
"""
FLAGS = ["--no_vgg_loss", "--gpu_ids", "-1"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """The data file of a few landscapes on disk."""
    folder = tmp_path_factory.mktemp("drawn")
    write_landscapes([str(folder), "--train", str(SAMPLES), "--val", "0", "--size", "48x40"])
    path = folder / "data.toml"
    path.write_text(DATA.format(", ".join(f'{{ id = {n}, name = "c{n}" }}' for n in range(18))), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def packed(drawn, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    assert pack([str(drawn), str(folder), "--samples", str(OF_A_SHARD), "--workers", "1"]) == 0
    return folder


@pytest.fixture
def copy(packed, tmp_path) -> Path:
    return shutil.copytree(packed, tmp_path / "copy")


def options(*words: str, program: type[TrainOptions | TestOptions] = TrainOptions):
    return parse_options(program, [*words, *(FLAGS if program is TrainOptions else FLAGS[1:])], PRESETS)


def samples(opt) -> list[Sample]:
    """All samples, with the same crops and flips each time."""
    torch.manual_seed(0)
    dataset = create_dataset(opt)
    return [dataset[index] for index in range(len(dataset))]


@pytest.mark.parametrize("program", [TrainOptions, TestOptions])
def test_samples_of_shards_are_those_of_the_files_to_the_bit(drawn, packed, program):
    of_files = samples(options("--data", str(drawn), program=program))
    of_shards = samples(options("--shards", str(packed), program=program))
    assert len(of_files) == len(of_shards) > 0
    for one, other in zip(of_files, of_shards, strict=True):
        assert one.keys() == other.keys() and one["name"] == other["name"]
        assert {"labels", "instances", "image"} <= one.keys()
        assert all(torch.equal(one[key], other[key]) for key in one if key != "name")


def test_shards_know_classes_and_options_of_the_data(drawn, packed):
    of_files, of_shards = options("--data", str(drawn)), options("--shards", str(packed))
    for name in ("label_nc", "contain_dontcare_label", "instance", "crop_size", "load_size", "preprocess_mode"):
        assert getattr(of_files, name) == getattr(of_shards, name), name
    one, other = create_dataset(of_files), create_dataset(of_shards)
    assert one.class_names == other.class_names and (one.class_colors == other.class_colors).all()


def test_photos_are_kept_byte_for_byte_and_plain_tar_reads_them(drawn, packed):
    found = {}
    for path in sorted(packed.glob("train-*.tar")):
        with tarfile.open(path) as tar:
            found |= {member.name: file.read() for member in tar if (file := tar.extractfile(member))}
    photos = {name: content for name, content in found.items() if name.count(".") == 1}
    assert photos and all(
        content == (drawn.parent / "train_img" / name).read_bytes() for name, content in photos.items()
    )


def test_paths_of_shards_reach_worker_processes(packed):
    path = create_dataset(options("--shards", str(packed))).paths[0].labels
    with pickle.loads(pickle.dumps(path)).open("rb") as file, path.open("rb") as same:
        assert file.read() == same.read()
    assert str(path).startswith(f"{packed}/train-000000.tar/")


def test_a_data_file_may_mix_folders_and_shards(drawn, packed):
    path = packed / "mixed.toml"
    text = (packed / "data.toml").read_text(encoding="utf-8")
    text = text.replace("[val]\nshards", f'[val]\nlabels = "{drawn.parent}/train_label"\n[test]\nshards')
    path.write_text(text, encoding="utf-8")
    assert (
        len(create_dataset(options("--data", str(path), "--no_instance", "--phase", "val", program=TestOptions)))
        == SAMPLES
    )


SHARD_NUMBERS = some.lists(some.integers(1, 9), min_size=1, max_size=40).map(
    lambda sizes: [number for number, size in enumerate(sizes) for _ in range(size)]
)


@given(SHARD_NUMBERS, some.integers(0, 2**31))
@settings(deadline=None)
def test_the_order_visits_every_sample_once_and_few_shards_at_a_time(numbers, seed):
    order = shuffled_by_shards(numbers, seed)
    assert sorted(order) == list(range(len(numbers)))
    assert order == shuffled_by_shards(numbers, seed)
    left = Counter(numbers)
    opened = set()
    for index in order:
        opened.add(numbers[index])
        assert len(opened) <= SHARDS_AT_A_TIME
        left[numbers[index]] -= 1
        if not any(left[shard] for shard in opened):  # all that were opened are read to their end
            opened = set()


@given(
    SHARD_NUMBERS, some.sampled_from([1, 2, 3, 4]), some.sampled_from([1, 2, 3, 4]), some.integers(0, 99), some.data()
)
@settings(deadline=None)
def test_a_resume_on_other_processes_loses_and_repeats_nothing(numbers, before, after, epoch, data):
    """Batches over all processes: those until a stop, and those of another number of processes from there on."""

    def read(world: int, first: int) -> list[int]:
        ranks = []
        for rank in range(world):
            sampler = EpochSampler(
                numbers, numbers, num_replicas=world, rank=rank, shuffle=True, seed=3, drop_last=True
            )
            sampler.set_epoch(epoch, first)
            ranks.append([index for _, index in sampler])
        return list(chain.from_iterable(zip(*ranks, strict=True)))

    step = 12  # a batch that every number of processes divides
    whole = read(1, 0)
    stop = step * data.draw(some.integers(0, len(numbers) // step))
    seen, rest = read(before, 0)[:stop], read(after, stop)
    assert seen + rest == whole[: len(seen + rest)]
    assert len(whole) - len(seen + rest) < after


def test_epochs_differ_and_files_keep_their_order(packed, drawn):
    numbers = shard_numbers(create_dataset(options("--shards", str(packed))))
    assert numbers is not None and sorted(numbers) == numbers and len({*numbers}) > 1
    assert shard_numbers(create_dataset(options("--data", str(drawn)))) is None
    assert shuffled_by_shards(range(50), 1) != shuffled_by_shards(range(50), 2)


def test_the_loader_reads_every_sample_once_for_any_number_of_workers(packed):
    opt = options("--shards", str(packed), "--batch_size", "1")
    names = []
    for workers in (0, 2):
        loader = create_loader(options("--shards", str(packed), "--num_workers", str(workers)), create_dataset(opt))
        loader.sampler.set_epoch(1)
        names.append([name for batch in loader for name in batch["name"]])
    assert names[0] == names[1] and len({*names[0]}) == len(names[0]) == len(create_dataset(opt))


def cut(folder: Path) -> None:
    path = folder / "train-000001.tar"
    os.truncate(path, path.stat().st_size - 20000)


def remove(folder: Path) -> None:
    (folder / "train-000001.tar").unlink()


def spoil(folder: Path) -> None:
    row = json.loads((folder / "train-index.json").read_text(encoding="utf-8"))["shards"][1]["samples"][0]
    with (folder / "train-000001.tar").open("r+b") as file:
        file.seek(row["photo"][1] + row["photo"][2] // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))


def swap(folder: Path) -> None:
    """Exchange two tars, each padded to the size of the other, so that sizes alone tell nothing."""
    one, other = folder / "train-000000.tar", folder / "train-000001.tar"
    contents = one.read_bytes(), other.read_bytes()
    for path, content, size in ((one, contents[1], len(contents[0])), (other, contents[0], len(contents[1]))):
        path.write_bytes(content[:size].ljust(size, b"\0"))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (cut, r"train-000001.tar: has \d+ bytes and not \d+"),
        (remove, "train-000001.tar: the shard is missing"),
        (
            lambda folder: (folder / "train-index.json").unlink(),
            "if they were moved, name their new folder by --shards FOLDER",
        ),
        (lambda folder: (folder / "train-index.json").write_text("{}"), "train-index.json: is no index of shards"),
    ],
    ids=["cut", "missing", "no index", "other index"],
)
def test_faults_of_shards_end_a_program_at_its_start(copy, harm, message):
    harm(copy)
    with pytest.raises(InputError, match=message):
        create_dataset(options("--shards", str(copy)))


@pytest.mark.parametrize(
    ("harm", "message"),
    [(spoil, "is damaged"), (swap, "is of another packing"), (cut, "cut short"), (remove, "cannot be read")],
    ids=["damaged", "reordered", "cut", "missing"],
)
def test_faults_of_samples_are_named_and_skipped_where_that_is_allowed(copy, harm, message):
    harm(copy)
    dataset = create_dataset(options("--shards", str(copy), "--skip_bad_samples", "8"))
    with pytest.raises(InputError, match=rf"train-00000\d.tar: .*{message}"):
        [dataset[index] for index in range(len(dataset))]
    loader = create_loader(options("--shards", str(copy), "--skip_bad_samples", "8"), dataset)
    batches = [*loader]
    assert len(batches) == len(dataset) and any("skipped" in batch for batch in batches)


@pytest.mark.system
def test_memory_does_not_grow_with_a_shard(tmp_path):
    """A sample in the middle of a tar of 1 GB is read by a process that may take 64 MB more than it has."""
    photo = tmp_path / "photo.png"
    Image.new("RGB", (8, 8)).save(photo)
    path, offset = tmp_path / "train-000000.tar", 10**9 // 512 * 512
    info = tarfile.TarInfo("a.png")
    info.size = photo.stat().st_size
    with path.open("wb") as file:
        file.seek(offset - 512)
        file.write(info.tobuf() + photo.read_bytes())
        file.truncate(2 * 10**9)  # sparse: takes no room
    place = Place("a.png", offset, info.size, zlib.crc32(photo.read_bytes()))
    member = MemberPath.of(Shard(path, 0, 2 * 10**9, ""), place)
    code = """if True:
        import pickle, resource, sys
        from PIL import Image
        import data.shards.member
        path = pickle.load(sys.stdin.buffer)
        with open("/proc/self/statm", encoding="ascii") as file:
            taken = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + 2**26, taken + 2**26))
        print(Image.open(path.open("rb")).size)
    """
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(member), capture_output=True, cwd=Path(__file__).parents[2]
    )
    assert (done.stdout.decode().strip(), done.returncode) == ("(8, 8)", 0), done.stderr.decode()
