"""The benchmark runs, compares equal work, and counts right."""

import re

import numpy as np
import pytest
import torch

from data import PRESETS, create_dataset
from options import TrainOptions, parse_options
from scripts.benchmark import data, made_up_data, plain_reading, timing
from scripts.benchmark.__main__ import main

pytestmark = pytest.mark.tools


def test_data_prints_a_table_for_each_number_of_workers(capsys, monkeypatch):
    monkeypatch.setitem(data.MADE, "coco", 2)
    main(["data", "--only", "coco", "--samples", "24", "--workers", "1"])
    out = capsys.readouterr().out
    assert "coco, 640x480 JPEG photos, 8-bit PNG maps, 2 samples (files made up for this)" in out
    assert out.count("\n| plain | ") == out.count("\n| this project | ") == out.count("\n| --cache_dir, filled | ") == 2
    assert out.count("\n| --shards | ") == 2
    cached = re.search(r"--cache_dir, filled \| \S+ \(\S+\) \| (\S+) ", out)
    assert float(cached[1]) > 2


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--samples", "3"], "--samples 3: must be 24 or more"),
        (["--data", "nowhere"], "--dataroot nowhere/coco_stuff: no such folder"),
    ],
)
def test_bad_input_is_one_line(argv, words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["data", *argv])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("python -m scripts.benchmark: error: ") and words in error and error.count("\n") == 1


@pytest.mark.parametrize("mode", ["coco", "cityscapes"])
def test_plain_code_and_the_project_make_the_same_samples(tmp_path, monkeypatch, mode):
    monkeypatch.setattr(made_up_data, "CITYSCAPES_SIZE", (512, 256))  # as large as the preset's, so nothing is resized
    (case,) = (case for case in data.CASES if case.mode == mode)
    case.make(tmp_path, 1)
    flags = ["--dataset_mode", mode, "--dataroot", str(tmp_path), "--load_size", "256", "--no_flip"]
    dataset = create_dataset(parse_options(TrainOptions, flags, PRESETS))
    size = dataset.preprocess.output_size
    unknown = dataset.ids.label_nc if mode == "coco" else None
    other = plain_reading.PlainPairs(dataset.paths, size, size, unknown)
    monkeypatch.setattr(torch, "rand", lambda *shape: torch.ones(*shape))  # no flip
    ours, theirs = dataset[0], other[0]
    for key in ("labels", "instances"):
        assert torch.equal(ours[key].long(), theirs[key])
    assert (ours["image"] - theirs["image"]).abs().max() < 1e-6


def test_made_images_have_the_sizes_of_published_ones(tmp_path):
    made_up_data.make_coco_like(tmp_path, 1)
    (photo,) = (tmp_path / "train_img").iterdir()
    assert 80_000 < photo.stat().st_size < 250_000
    labels = np.unique(made_up_data.draw_regions(np.random.default_rng(0), (64, 48), 24))
    assert labels.tolist() == list(range(24))


def test_jobs_take_turns_after_one_warm_up():
    calls = []
    jobs = {"a": lambda i: calls.append(("a", i)), "b": lambda i: calls.append(("b", i))}
    times = timing.take_turns(jobs, 2, "test")
    assert calls == [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 2), ("b", 2)]
    assert {name: len(seconds) for name, seconds in times.seconds.items()} == {"a": 2, "b": 2}


def test_ratios_are_of_neighbors():
    times = timing.Times({"plain": [2.0, 4.0, 8.0], "ours": [1.0, 2.0, 4.0]})
    assert times.ratio("ours", "plain") == (2.0, 2.0, 2.0)
    assert times.rate("ours", 10)[0] == 5.0
    assert "| ours | 5 (2.5..10) | 2.00 (2.00..2.00) |" in times.table("plain", "samples/s", 10)
