import errno
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.utils.data import Dataset

from data import SkippedSamples, create_dataset, create_loader
from data.skipping import SkippingSamples
from util.distributed import World
from util.errors import InputError

BAD_LABELS = "--label_nc 10: {} holds label 12; ids must be 0..9 (add --label_nc 13?)"


@pytest.fixture
def tree(tmp_path, save_ids, save_photo):
    """Twelve pairs, of which the label maps "c", "d" and "l" hold a wrong id."""
    for value, name in enumerate("abcdefghijkl"):
        save_ids(tmp_path / "maps" / f"{name}.png", 12 if name in "cdl" else min(value, 9))
        save_photo(tmp_path / "photos" / f"{name}.png", value)
    return {"label_dir": str(tmp_path / "maps"), "image_dir": str(tmp_path / "photos"), "label_nc": 10}


@pytest.fixture
def load(tree, make_options):
    """A loader of the tree that skips up to `limit` bad samples."""

    def make(limit: int, rank: int = 0, world_size: int = 1, **given):
        opt = make_options(**tree | {"batch_size": 6, "serial_batches": True} | given)
        opt.skip_bad_samples = limit
        return create_loader(opt, create_dataset(opt), rank, world_size)

    return make


def test_bad_samples_are_replaced_by_the_next_good_ones_and_named(load, tree):
    maps = Path(tree["label_dir"])
    batches = list(load(3))
    assert [batch["name"] for batch in batches] == [[*"abeeef"], [*"ghijka"]]
    named = [[BAD_LABELS.format(maps / f"{name}.png") for name in names] for names in ("cdd", "l")]
    assert [batch["skipped"] for batch in batches] == named  # "d" came twice: as itself and as what follows "c"
    assert batches[1]["labels"][5].unique().tolist() == [0]


def test_the_entry_is_there_only_if_something_was_skipped(load, tmp_path):
    for name in "cd":
        (tmp_path / "maps" / f"{name}.png").write_bytes((tmp_path / "maps" / "a.png").read_bytes())
    assert ["skipped" in batch for batch in load(3)] == [False, True]


def test_without_the_option_the_first_bad_sample_ends_the_run(load, tree):
    with pytest.raises(InputError) as caught:
        list(load(0))
    assert str(caught.value) == BAD_LABELS.format(Path(tree["label_dir"]) / "c.png")


@pytest.mark.parametrize(("num_workers", "world_size"), [(2, 1), (0, 2), (1, 2)])
def test_what_is_skipped_does_not_depend_on_workers_and_processes(load, num_workers, world_size):
    def read(num_workers: int, world_size: int) -> list[tuple]:
        found = []
        for rank in range(world_size):
            loader = load(3, rank, world_size, num_workers=num_workers, load_size=40, serial_batches=False)
            loader.sampler.set_epoch(2)
            for step, batch in enumerate(loader):
                for i, name in enumerate(batch["name"]):
                    found.append((step, i * world_size + rank, name, batch["image"][i].flatten().tolist()))
        return sorted(found)

    assert read(num_workers, world_size) == read(0, 1)


class Faulty(Dataset):
    """Eight samples; `faults` are raised in place of some."""

    def __init__(self, faults: dict[int, Exception]):
        self.faults = faults

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict:
        if index in self.faults:
            raise self.faults[index]
        return {"index": index}


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (InputError("maps/3.png: cut\nshort"), "maps/3.png: cut\\nshort"),
        (OSError(errno.EACCES, os.strerror(errno.EACCES), "maps/3.png"), "sample 3: maps/3.png: Permission denied"),
        (OSError("broken\nstream"), "sample 3: broken\\nstream"),
    ],
)
def test_a_line_names_what_is_wrong_and_where(fault, line):
    assert SkippingSamples(Faulty({3: fault}), 1)[3] == {"index": 4, "skipped": [line]}


def test_a_mistake_in_code_is_not_skipped():
    with pytest.raises(TypeError):
        SkippingSamples(Faulty({3: TypeError()}), 1)[3]


def test_more_bad_samples_in_a_row_than_allowed_end_the_run_at_once():
    faults = {index: InputError(f"{index}.png is bad") for index in (6, 7, 0, 1)}
    assert SkippingSamples(Faulty(faults), 4)[6]["index"] == 2
    with pytest.raises(InputError, match=r"^--skip_bad_samples 2: 3 samples .*: 6.png is bad; 7.png is bad; 0.png is"):
        SkippingSamples(Faulty(faults), 2)[6]


def test_a_data_set_without_a_good_sample_ends_the_run():
    same = InputError("the one file of all is bad")
    with pytest.raises(InputError, match=r"^--skip_bad_samples 9: none of 8 samples .*: the one file of all is bad$"):
        SkippingSamples(Faulty(dict.fromkeys(range(8), same)), 9)[5]


def test_each_skipped_sample_is_counted_and_warned_of_once(capsys):
    skipped = SkippedSamples(5)
    batch = {"name": ["x"], "skipped": ["a is bad", "b is bad", "a is bad"]}
    skipped.note(batch)
    assert skipped.count == 2 and batch == {"name": ["x"]}
    skipped.note({"name": ["y"]})
    assert skipped.count == 2
    skipped.note({"skipped": ["b is bad", "c is bad"]})
    assert skipped.count == 3 and skipped.messages == ["a is bad", "b is bad", "c is bad"]
    captured = capsys.readouterr()
    assert captured.err == "".join(f"warning: sample skipped: {name} is bad\n" for name in "abc")
    assert captured.out == ""


def test_a_resumed_run_counts_nothing_twice(capsys):
    before, after = SkippedSamples(5), SkippedSamples(5)
    before.note({"skipped": ["a is bad"]})
    state = before.state_dict()
    after.load_state_dict(json.loads(json.dumps(state)))
    capsys.readouterr()
    after.note({"skipped": ["a is bad"]})
    assert after.count == 1 and capsys.readouterr().err == ""
    before.note({"skipped": ["b is bad"]})
    assert state == ["a is bad"]  # a copy


def test_too_many_are_one_line_with_the_fix():
    skipped = SkippedSamples(4)
    for name in "abcd":
        skipped.note({"skipped": [f"{name} is bad"]})
    with pytest.raises(InputError) as caught:
        skipped.note({"skipped": ["e is bad"]})
    assert str(caught.value) == (
        "--skip_bad_samples 4: 5 samples cannot be read; python -m scripts.prepare check names all, a higher "
        "--skip_bad_samples goes on: a is bad; b is bad; c is bad; ..."
    )


def test_samples_count_once_whichever_processes_skip_them(capsys):
    """With every process counting for itself, a file would count anew for each that comes across it."""

    class Two(World):
        def all_reduce_max(self, number: int) -> int:
            return max(number, 1)

        def all_gather(self, value: list[str]) -> list[list[str]]:
            return [value, theirs]

    skipped, theirs = SkippedSamples(2), ["b is bad"]
    skipped.note({"skipped": ["a is bad"]}, Two(0, 2))
    assert capsys.readouterr().err == "warning: sample skipped: a is bad\n"
    assert skipped.messages == ["a is bad", "b is bad"]
    skipped.note({"skipped": ["b is bad"]}, Two(0, 2))
    assert skipped.count == 2 and capsys.readouterr().err == ""
    theirs.append("c is bad")
    with pytest.raises(InputError, match=r"^--skip_bad_samples 2: 3 samples"):
        skipped.note({}, Two(0, 2))


def test_a_substitute_is_cropped_anew():
    """It is in the epoch twice, and twice the same crop would teach nothing."""

    class Noise(Faulty):
        def __getitem__(self, index: int) -> dict:
            return super().__getitem__(index) | {"drawn": torch.rand(())}

    opt = SimpleNamespace(is_train=True, batch_size=8, gpu_ids="-1", num_workers=0, serial_batches=True, seed=0)
    opt.skip_bad_samples = 1
    (batch,) = create_loader(opt, Noise({3: InputError("3.png is bad")}))
    assert batch["index"].tolist() == [0, 1, 2, 4, 4, 5, 6, 7]
    assert len(set(batch["drawn"].tolist())) == 8
