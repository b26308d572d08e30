"""Scores on other data have another protocol: training and validation parts can never be taken for each other."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import evaluate as program
from tests.evaluation.folders import NAMES, noise, save, write_segmenter, write_set

RANDOM = ("--features", "random", "--gpu_ids", "-1")


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """train/ and val/ with real photos and label maps of the same names, and a run `x` with images of these names."""
    root = tmp_path_factory.mktemp("world")
    for seed, part in enumerate(("train", "val")):
        write_set(root / part, seed=seed)
    for test in ("test_latest", "train_latest"):
        shutil.copytree(root / "val" / "fake", root / "results" / "x" / test / "images" / "synthesized_image")
    write_segmenter(root / "segmenter.pt")
    return root


def of_run(world: Path, data: Path, *more: object) -> dict:
    """scores.json of the run on photos and label maps in `data`."""
    argv = ["--name", "x", "--results_dir", world / "results", "--checkpoints_dir", world / "checkpoints"]
    argv += ["--dataset_mode", "custom", "--label_nc", 4, "--contain_dontcare_label", "--crop_size", 64]
    argv += ["--label_dir", data / "labels", "--image_dir", data / "real", "--output", world / "scores.json"]
    program.main([str(word) for word in (*argv, *RANDOM, *more)])
    return json.loads((world / "scores.json").read_text())


def of_folders(data: Path, *more: object) -> dict:
    argv = ["--fake", data / "fake", "--real", data / "real", *RANDOM, *more]
    program.main([str(word) for word in argv])
    return json.loads((data / "fake" / "scores.json").read_text())


def test_training_and_validation_parts_have_different_hashes(world):
    segmented = ("--segmenter", world / "segmenter.pt")
    for more in ((), (*segmented, "--features", "none"), segmented):
        train, val = (of_run(world, world / part, *more) for part in ("train", "val"))
        assert train["protocol_hash"] != val["protocol_hash"]
        assert val["protocol_hash"] == of_run(world, world / "val", *more)["protocol_hash"]
    assert of_folders(world / "train")["protocol_hash"] != of_folders(world / "val")["protocol_hash"]


def test_the_same_data_elsewhere_has_the_same_hash_and_its_folders_are_recorded(world, tmp_path):
    here = of_run(world, world / "val")
    shutil.copytree(world / "val", tmp_path / "copy")
    there = of_run(world, tmp_path / "copy")
    assert there["protocol"] == here["protocol"] and there["protocol_hash"] == here["protocol_hash"]
    assert there["folders"] == {
        "generated": str(world / "results" / "x" / "test_latest" / "images" / "synthesized_image"),
        "label_maps": str(tmp_path / "copy" / "labels"),
        "photos": str(tmp_path / "copy" / "real"),
    }
    assert there["real"] == str(tmp_path / "copy" / "real") and there["labels"] is None


@pytest.mark.parametrize("kind, shape", [("labels", (64, 64)), ("real", (64, 64, 3))], ids=["label map", "photo"])
def test_one_file_that_changes_changes_the_hash(world, tmp_path, kind, shape):
    shutil.copytree(world / "val", tmp_path / "copy")
    before = of_run(world, tmp_path / "copy")
    save(np.zeros(shape, dtype=np.uint8), tmp_path / "copy" / kind / f"{NAMES[1]}.png")
    assert of_run(world, tmp_path / "copy")["protocol_hash"] != before["protocol_hash"]


def test_label_maps_that_are_given_count_without_a_segmenter_too(world, tmp_path):
    shutil.copytree(world / "val", tmp_path / "copy")
    labels = ("--labels", tmp_path / "copy" / "labels")
    without, before = of_folders(tmp_path / "copy"), of_folders(tmp_path / "copy", *labels)
    save(np.zeros((64, 64), dtype=np.uint8), tmp_path / "copy" / "labels" / "c.png")
    after = of_folders(tmp_path / "copy", *labels)
    assert len({content["protocol_hash"] for content in (without, before, after)}) == 3
    assert without["protocol"]["images"]["photos"] == after["protocol"]["images"]["photos"]
    # Scores of a run and of a folder against the same references are comparable.
    sized = of_run(world, world / "val")["protocol"]["images"]
    assert sized == before["protocol"]["images"]


def test_statistics_of_other_photos_are_told_apart(world, tmp_path):
    files = [tmp_path / f"{part}.npz" for part in ("train", "val")]
    for part, file in zip(("train", "val"), files):
        of_run(world, world / part, "--save_real_statistics", file)
    one, other = (of_run(world, world / "val", "--real_statistics", file) for file in files)
    assert one["protocol_hash"] != other["protocol_hash"] and one["real"] == str(files[0])
    assert of_run(world, world / "val", "--real_statistics", files[0])["protocol_hash"] == one["protocol_hash"]
    # Images of training label maps against the statistics of validation are neither.
    assert of_run(world, world / "train", "--real_statistics", files[0])["protocol_hash"] != one["protocol_hash"]


def test_a_cut_and_another_way_of_reading_are_told_apart(world):
    ways = [(), ("--how_many", 3), ("--load_size", 72), ("--preprocess_mode", "none"), ("--fast_decode",)]
    hashes = [of_run(world, world / "val", *more)["protocol_hash"] for more in ways]
    assert len(set(hashes)) == len(ways), hashes


def test_a_run_whose_data_has_no_photos_is_told_what_to_give(world, capsys):
    with pytest.raises(SystemExit):
        of_run(world, world / "val", "--image_dir", "")
    assert "has no photo in the data set; give --real_statistics FILE" in capsys.readouterr().err


def test_drawn_scenes_are_told_apart_by_what_they_show(tmp_path):
    fake = noise(tmp_path, "fake", (32, 32), ("00000", "00001"))
    hashes = {}
    for phase in ("train", "val", "test"):
        argv = ["--fake", fake, "--dataset_mode", "landscapes", "--phase", phase, "--how_many", 2, *RANDOM]
        program.main([str(word) for word in argv])
        content = json.loads((fake / "scores.json").read_text())
        hashes[phase] = content["protocol_hash"]
        assert content["real"] == "landscapes, drawn in memory" and set(content["folders"]) == {"generated"}
    assert hashes["val"] == hashes["test"] != hashes["train"]
    segmented = (*argv, "--segmenter", write_segmenter(tmp_path / "segmenter.pt", classes=18))
    program.main([str(word) for word in segmented])
    again = json.loads((fake / "scores.json").read_text())["protocol"]
    assert again["images"] == content["protocol"]["images"] and "segmentation" in again
