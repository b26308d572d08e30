"""The cache gives what the files give, whatever happens to it, to them and to the disk."""

import errno
import multiprocessing
import os
import pickle
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from data import create_dataset, create_loader
from data.cache import HEAD
from util.errors import InputError


@pytest.fixture
def tree(tmp_path, save):
    """Six triples of 40x30 for `custom`, full of noise, and a place for the cache."""
    random = np.random.default_rng(0)
    for name in "abcdef":
        save(tmp_path / "maps" / f"{name}.png", random.choice([0, 1, 4, 255], (30, 40)).astype(np.uint8))
        save(tmp_path / "inst" / f"{name}.png", random.integers(0, 60000, (30, 40), dtype=np.uint16))
        save(tmp_path / "photos" / f"{name}.png", random.integers(0, 256, (30, 40, 3), dtype=np.uint8))
    return {"label_dir": str(tmp_path / "maps"), "image_dir": str(tmp_path / "photos"),
            "instance_dir": str(tmp_path / "inst"), "instance": True, "load_size": 24, "flip": True,
            "contain_dontcare_label": True, "cache_dir": str(tmp_path / "cache")}  # fmt: skip


def entries(tmp_path: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file()}


def samples(dataset, seed: int = 0) -> list[dict]:
    torch.manual_seed(seed)
    return list(dataset)


def assert_equal(one: list[dict], other: list[dict]) -> None:
    assert len(one) == len(other)
    for here, there in zip(one, other, strict=True):
        assert here.keys() == there.keys() and here["name"] == there["name"]
        for key in here.keys() - {"name"}:
            assert here[key].dtype == there[key].dtype and torch.equal(here[key], there[key])


@pytest.fixture
def spoil_files(tmp_path):
    """Make the files of all samples but one unreadable, of the same size and time: now only their entries serve."""

    def spoil(but: str = "") -> None:
        for path in [*tmp_path.glob("maps/*"), *tmp_path.glob("inst/*"), *tmp_path.glob("photos/*")]:
            if path.stem != but:
                stat = path.stat()
                header = path.read_bytes()[:41]  # up to the pixels: the sizes of label maps are looked up
                path.write_bytes(header.ljust(stat.st_size, b"\0"))
                os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    return spoil


CASES = {
    "all three": {},
    "no instances": {"instance": False},
    "no photos": {"image_dir": None, "is_train": False},
    "many classes": {"label_nc": 300},
    "sizes of the files": {"preprocess_mode": "crop"},
}


@pytest.mark.parametrize("case", CASES)
def test_first_and_later_readings_equal_those_without_cache(tree, make_options, spoil_files, case):
    options = tree | CASES[case]
    without = samples(create_dataset(make_options(**options | {"cache_dir": None})))
    dataset = create_dataset(make_options(**options))
    assert_equal(samples(dataset), without)
    spoil_files()
    assert_equal(samples(dataset), without)


def test_crops_and_flips_stay_fresh(tree, make_options):
    dataset = create_dataset(make_options(**tree))
    first, second = samples(dataset, seed=1), samples(dataset, seed=2)
    assert any(not torch.equal(one["image"], other["image"]) for one, other in zip(first, second))
    seen = {dataset[0]["image"].numpy().tobytes() for _ in range(40)}
    assert len(seen) > 30  # of 9 * 9 * 2 crops


def test_testing_finds_the_entries_of_training(tree, make_options, spoil_files):
    testing = make_options(**tree | {"is_train": False})
    expected = samples(create_dataset(make_options(**tree | {"is_train": False, "cache_dir": None})))
    samples(create_dataset(make_options(**tree)))
    spoil_files(but="a")  # which is read to know how large they are
    assert_equal(samples(create_dataset(testing)), expected)


def test_another_run_finds_the_entries(tree, make_options, spoil_files, capsys):
    list(create_dataset(make_options(**tree)))
    assert "6 of them not there yet" in capsys.readouterr().out
    spoil_files(but="a")  # which is read to know how large they are
    list(create_dataset(make_options(**tree, seed=3, batch_size=2)))
    assert "0 of them not there yet" in capsys.readouterr().out


@pytest.mark.parametrize("change", ["size", "time"])
@pytest.mark.parametrize("kind", ["maps", "inst", "photos"])
def test_changed_files_are_read_again(tree, make_options, tmp_path, save, spoil_files, change, kind):
    dataset = create_dataset(make_options(**tree))
    before, count = samples(dataset), len(entries(tmp_path))
    path = tmp_path / kind / "b.png"
    old = path.stat()
    random = np.random.default_rng(9)
    values = {"maps": random.choice([0, 1], (30, 40)).astype(np.uint8),
              "inst": random.integers(0, 9, (30, 40), dtype=np.uint16),
              "photos": random.integers(0, 30, (30, 40, 3), dtype=np.uint8)}[kind]  # fmt: skip
    save(path, values)
    if change == "size":
        assert path.stat().st_size != old.st_size
        os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
    else:
        path.write_bytes(path.read_bytes().ljust(old.st_size, b"\0"))
        os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns + 1))
        assert path.stat().st_size == old.st_size
    expected = samples(create_dataset(make_options(**tree | {"cache_dir": None})))
    assert_equal([expected[0], *expected[2:]], [before[0], *before[2:]])
    spoil_files(but="b")
    assert_equal(samples(dataset), expected)
    assert len(entries(tmp_path)) == count


@pytest.mark.parametrize(
    "spoil",
    [lambda entry: entry[:-1], lambda entry: entry[:20], lambda entry: b"", lambda entry: entry + b"x",
     lambda entry: entry[:-9] + bytes([entry[-9] ^ 1]) + entry[-8:],
     lambda entry: entry[:30] + bytes([entry[30] ^ 8]) + entry[31:]],
    ids=["one byte short", "head cut", "empty", "one byte long", "bit of a pixel", "bit of the size"],
)  # fmt: skip
def test_broken_entries_are_made_again(tree, make_options, tmp_path, spoil):
    dataset = create_dataset(make_options(**tree))
    before, whole = samples(dataset), entries(tmp_path)
    for path, entry in whole.items():
        path.write_bytes(spoil(entry))
    assert_equal(samples(dataset), before)
    assert entries(tmp_path) == whole


OTHERS = {"load_size": 20, "crop_size": 12, "preprocess_mode": "fixed", "aspect_ratio": 0.8, "label_nc": 6,
          "fast_decode": True, "instance": False}  # fmt: skip


@pytest.mark.parametrize("option", OTHERS)
def test_other_options_have_other_entries(tree, make_options, tmp_path, option):
    list(create_dataset(make_options(**tree)))
    list(create_dataset(make_options(**tree | {option: OTHERS[option]})))
    assert len(entries(tmp_path)) == 12


def test_labels_are_checked_again_when_fewer_are_allowed(tree, make_options):
    list(create_dataset(make_options(**tree)))
    with pytest.raises(InputError, match=r"--label_nc 4: .*maps/a\.png holds label 4; ids must be 0\.\.3, or 255"):
        list(create_dataset(make_options(**tree, label_nc=4)))
    with pytest.raises(InputError, match=r"a\.png holds label 255; ids must be 0\.\.4"):
        list(create_dataset(make_options(**tree | {"contain_dontcare_label": False})))


def test_files_that_are_gone_are_named(tree, make_options, tmp_path):
    dataset = create_dataset(make_options(**tree))
    list(dataset)
    (tmp_path / "photos" / "c.png").unlink()
    with pytest.raises(InputError, match=r"photos/c\.png"):
        dataset[2]


def _fill(dataset, barrier) -> None:
    barrier.wait()
    for _ in range(5):
        samples(dataset)


def test_processes_fill_one_cache_together(tree, make_options, tmp_path):
    expected = samples(create_dataset(make_options(**tree | {"cache_dir": None})))
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(3)
    datasets = [create_dataset(make_options(**tree)) for _ in range(3)]
    processes = [context.Process(target=_fill, args=(dataset, barrier)) for dataset in datasets]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert len(entries(tmp_path)) == 6  # and no temporary files
    assert_equal(samples(datasets[0]), expected)


def test_loader_workers_share_the_cache(tree, make_options, tmp_path, spoil_files):
    opt = make_options(**tree, num_workers=2)
    list(create_loader(opt, create_dataset(opt)))
    assert len(entries(tmp_path)) == 6
    expected = samples(create_dataset(make_options(**tree | {"cache_dir": None})))
    spoil_files(but="a")  # which is read to know how large they are
    assert_equal(samples(create_dataset(opt)), expected)


def test_datasets_with_a_cache_can_be_sent_to_spawned_workers(tree, make_options):
    dataset = create_dataset(make_options(**tree))
    assert_equal(samples(pickle.loads(pickle.dumps(dataset))), samples(dataset))


def test_a_full_disk_is_one_warning_and_no_harm(tree, make_options, tmp_path, monkeypatch, capsys):
    def write_bytes(path, content):
        with path.open("wb") as file:
            file.write(content[:50])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    dataset = create_dataset(make_options(**tree))
    without = samples(create_dataset(make_options(**tree | {"cache_dir": None})))
    capsys.readouterr()
    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    for _ in range(2):
        assert_equal(samples(dataset), without)
    opt = make_options(**tree, num_workers=2)
    list(create_loader(opt, dataset))
    assert capsys.readouterr().err == (
        f"warning: --cache_dir {tmp_path / 'cache'}: No space left on device; nothing more is kept in this run\n"
    )
    assert entries(tmp_path) == {}


@pytest.mark.parametrize(
    ("free", "said"),
    [(401_000, "401 kB"), (80 * 10**9, "80 GB"), (47_432_000_000, "47.4 GB"), (3.2e12, "3.2 TB"), (4e16, "4e+04 TB")],
)
def test_size_is_announced_first(tree, make_options, tmp_path, monkeypatch, capsys, free, said):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
    create_dataset(make_options(**tree))
    each = 24 * 24 * (1 + 2 + 3) + HEAD.size
    assert capsys.readouterr().out == (
        f"cache: 6 samples x {each / 1000:.3g} kB = {6 * each / 1000:.3g} kB in {tmp_path / 'cache'}, "
        f"6 of them not there yet; {said} free\n"
    )


def test_what_killed_processes_left_goes_and_what_others_write_stays(tree, make_options, tmp_path):
    samples(create_dataset(make_options(**tree)))
    written = entries(tmp_path)
    folder = next(iter(written)).parent
    abandoned, in_work = folder / f".{'a' * 32}.tmp", folder / f".{'b' * 32}.tmp"
    for path in (abandoned, in_work):
        path.write_bytes(b"half")
    yesterday = time.time() - 25 * 3600
    os.utime(abandoned, (yesterday, yesterday))
    create_dataset(make_options(**tree))
    assert entries(tmp_path) == written | {in_work: b"half"}


def test_size_is_a_mean_where_samples_differ(tree, make_options, tmp_path, save, capsys):
    for kind, dtype, depth in (("maps", np.uint8, ()), ("inst", np.uint16, ()), ("photos", np.uint8, (3,))):
        save(tmp_path / kind / "g.png", np.zeros((90, 80, *depth), dtype=dtype))
    dataset = create_dataset(make_options(**tree, preprocess_mode="crop"))
    samples(dataset)
    announced = float(capsys.readouterr().out.split(" = ")[1].split(" kB")[0])
    assert announced == pytest.approx(sum(map(len, entries(tmp_path).values())) / 1000, rel=0.02)


def test_a_disk_too_small_for_what_is_missing_is_refused(tree, make_options, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=15_000))
    with pytest.raises(InputError, match=r"6 samples of 3\.5 kB need 21 kB but 15 kB are free; name a folder on"):
        create_dataset(make_options(**tree))
    list(create_dataset(make_options(**tree, max_dataset_size=3)))
    list(create_dataset(make_options(**tree)))  # half of them are there already


def test_a_folder_that_cannot_be_is_refused(tree, make_options, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"--cache_dir .*file/cache: Not a directory; name a folder"):
        create_dataset(make_options(**tree | {"cache_dir": str(tmp_path / "file" / "cache")}))
