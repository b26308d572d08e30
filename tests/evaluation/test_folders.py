"""evaluate.py on folders that somebody names: their images have a size, and neither a network nor a data set."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import evaluate as program
from data import PRESETS
from evaluation.sources import find_images, style_folders
from evaluation.sources import test_command as command_for_images
from options import EvaluateOptions, TestOptions, TrainOptions, parse_options
from tests.evaluation.folders import noise, save
from util.errors import InputError

RANDOM = ("--features", "random", "--gpu_ids", "-1")


def evaluate(*argv: object) -> dict:
    words = [str(word) for word in argv]
    program.main([*words, *RANDOM])
    return json.loads((Path(words[words.index("--fake") + 1]) / "scores.json").read_text())


def refused(capsys, *argv: object) -> str:
    """The one line with which the program ends."""
    with pytest.raises(SystemExit) as stop:
        program.main([*map(str, argv), *RANDOM])
    assert stop.value.code == 2
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "error" in line)  # the rest is progress
    assert line.startswith("evaluate.py: error: ")
    return line


@pytest.mark.parametrize("size", [(128, 128), (64, 64), (16, 16), (50, 34), (96, 48)], ids=str)
def test_two_folders_are_compared_at_the_size_of_the_generated_images(tmp_path, size):
    fake, real = noise(tmp_path, "fake", size), noise(tmp_path, "real", size, seed=1)
    content = evaluate("--fake", fake, "--real", real)
    assert content["scores"]["random_feature_distance"] > 0
    assert content["protocol"]["images"]["size"] == "{}x{}".format(*size)


def test_photos_of_any_size_come_to_that_of_the_images(tmp_path):
    fake = noise(tmp_path, "fake", (64, 32))
    noise(tmp_path, "real", (90, 70), "ab")
    real = noise(tmp_path, "real", (40, 200), "c")
    argv = ["--fake", str(fake), "--real", str(real), *RANDOM]
    truth = find_images(parse_options(EvaluateOptions, argv, PRESETS), whole_labels=False).truth
    for index, name in enumerate("abc"):
        by_hand = Image.open(real / f"{name}.png").resize((64, 32), Image.Resampling.BICUBIC)
        assert np.array_equal(truth[index]["photo"].permute(1, 2, 0).numpy(), np.asarray(by_hand))


def test_label_maps_of_any_size_come_to_that_of_the_images_by_nearest_pixels(tmp_path):
    fake = noise(tmp_path, "fake", (64, 32))
    labels = np.random.default_rng(0).integers(0, 4, (70, 90), dtype=np.uint8)
    for name in "abc":
        save(labels, tmp_path / "labels" / f"{name}.png")
    argv = ["--fake", fake, "--labels", tmp_path / "labels", "--label_nc", 4, "--features", "none", "--segmenter", "x"]
    truth = find_images(parse_options(EvaluateOptions, list(map(str, argv)), PRESETS), whole_labels=False).truth
    by_hand = Image.fromarray(labels).resize((64, 32), Image.Resampling.NEAREST)
    assert np.array_equal(truth[0]["labels"].numpy(), np.asarray(by_hand))


def test_equal_ways_to_that_size_have_one_protocol(tmp_path):
    fake, real = noise(tmp_path, "fake", (64, 64)), noise(tmp_path, "real", (90, 70), seed=1)
    folders = ("--fake", fake, "--real", real)
    first, *others = [
        evaluate(*folders, *more)
        for more in (
            (),
            ("--crop_size", 64),
            ("--dataset_mode", "coco"),
            ("--dataset_mode", "cityscapes"),
            ("--preprocess_mode", "fixed"),
        )
    ]
    assert all(other["protocol"] == first["protocol"] and other["scores"] == first["scores"] for other in others)
    cut = evaluate(*folders, "--preprocess_mode", "scale_shortside_and_crop")
    larger = evaluate(*folders, "--preprocess_mode", "resize_and_crop", "--load_size", 72)
    protocols = [content["protocol"]["images"]["real"] for content in (first, cut, larger)]
    assert len(set(protocols)) == 3, protocols


def test_a_folder_alone_decides_the_size_of_the_data_set_and_needs_none_of_its_networks(tmp_path):
    fake = noise(tmp_path, "fake", (50, 40), ("00000", "00001"))
    content = evaluate("--fake", fake, "--dataset_mode", "landscapes", "--how_many", 2)
    assert content["protocol"]["images"]["size"] == "50x40"
    noise(tmp_path, "photos", (90, 70))
    for name in "abc":
        save(np.zeros((70, 90), dtype=np.uint8), tmp_path / "maps" / f"{name}.png")
    data = ("--dataset_mode", "custom", "--label_dir", tmp_path / "maps", "--image_dir", tmp_path / "photos")
    content = evaluate("--fake", noise(tmp_path, "other", (50, 40)), *data, "--instance")
    assert content["images"] == 3 and content["protocol"]["images"]["size"] == "50x40"


def test_images_of_two_sizes_are_both_named(tmp_path, capsys):
    fake, real = noise(tmp_path, "fake", (64, 64), "abd"), noise(tmp_path, "real", (64, 64), "abcd")
    noise(tmp_path, "fake", (32, 64), "c")
    line = refused(capsys, "--fake", fake, "--real", real)
    assert f"{fake}/c.png is 32x64" in line and f"{fake}/a.png 64x64" in line and "one size" in line


def test_a_photo_too_small_to_be_cut_is_told_by_the_size_of_the_images(tmp_path, capsys):
    fake, real = noise(tmp_path, "fake", (64, 64)), noise(tmp_path, "real", (90, 40))
    crops = ("--preprocess_mode", "crop"), ("--preprocess_mode", "scale_width_and_crop", "--load_size", 70)
    for more in crops:
        line = refused(capsys, "--fake", fake, "--real", real, *more)
        assert "real/a.png (90x40)" in line and "generated images are 64x64" in line and "network" not in line


VALUES = {"batch_size": 0, "how_many": 0, "num_workers": -1, "label_nc": 0}


@pytest.mark.parametrize("flag, value", VALUES.items(), ids=VALUES)
def test_values_are_checked_for_folders_too(tmp_path, capsys, flag, value):
    fake, real = noise(tmp_path, "fake", (64, 64)), noise(tmp_path, "real", (64, 64))
    assert f"--{flag} {value}" in refused(capsys, "--fake", fake, "--real", real, f"--{flag}", value)


def test_a_folder_held_against_itself_is_said(tmp_path, capsys):
    fake = noise(tmp_path, "fake", (32, 32))
    (tmp_path / "link").symlink_to(fake, target_is_directory=True)
    for real in (fake, tmp_path / "link"):
        assert evaluate("--fake", fake, "--real", real)["scores"]["random_feature_distance"] == pytest.approx(0)
        assert f"warning: --fake {fake} and --real {real} are one folder" in capsys.readouterr().err
    evaluate("--fake", fake, "--real", noise(tmp_path, "real", (32, 32)))
    assert "warning" not in capsys.readouterr().err


def test_folders_that_cannot_be_meant_are_told_apart(tmp_path, capsys):
    fake, real = noise(tmp_path, "fake", (32, 32)), noise(tmp_path, "real", (32, 32))
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "readme.txt").write_text("nothing")
    statistics = tmp_path / "real.npz"
    statistics.write_bytes(b"")
    wrong = {
        (empty, real): [f"--fake {empty}", "holds no generated images", ".png"],
        (fake, empty): [f"--real {empty}", "holds no real photos"],
        (fake / "a.png", real): [
            f"--fake {fake}/a.png: is a file; give the folder; it should hold the generated images"
        ],
        (fake, real / "a.png"): [f"--real {real}/a.png: is a file; give the folder; it should hold the real photos"],
        (fake, statistics): [f"--real {statistics}", "--real_statistics"],
        (tmp_path / "absent", real): [f"--fake {tmp_path}/absent: no such folder"],
        (fake, tmp_path / "absent"): [f"--real {tmp_path}/absent: no such folder"],
    }
    for (one, other), words in wrong.items():
        line = refused(capsys, "--fake", one, "--real", other)
        assert all(word in line for word in words) and "datasets/README.md" not in line, line
    test = tmp_path / "test_latest"
    noise(test / "images", "synthesized_image", (32, 32))
    assert f"{test}/images/synthesized_image" in refused(capsys, "--fake", test, "--real", real)
    assert f"--output {empty}: is a folder" in refused(capsys, "--fake", fake, "--real", real, "--output", empty)
    assert not (fake / "scores.json").exists()


def test_counts_that_differ_say_how_many(tmp_path, capsys):
    three, five = noise(tmp_path, "three", (32, 32)), noise(tmp_path, "five", (32, 32), "abcde")
    assert "for 2 of the 5 names" in (line := refused(capsys, "--fake", three, "--real", five)) and "(d, e)" in line
    assert "holds 2 of 5 generated images" in refused(capsys, "--fake", five, "--real", three)


def test_a_folder_alone_that_is_not_of_the_data_set_is_told_of_the_flag_that_is_missing(tmp_path, capsys):
    line = refused(capsys, "--fake", noise(tmp_path, "fake", (32, 32)))
    assert "if these are no images of --dataset_mode landscapes, add --real DIR" in line


def test_the_command_that_makes_images_of_ones_own_data_is_whole(tmp_path):
    trained = TrainOptions(
        dataset_mode="custom", label_dir="l", image_dir="p", label_nc=3, instance=False, preprocess_mode="fixed"
    )
    trained.save(tmp_path / "run" / "options.json")
    told = ["--name", "run", "--checkpoints_dir", str(tmp_path), "--label_dir", "val maps", "--label_suffix", "_mask"]
    opt = parse_options(EvaluateOptions, [*told, "--features", "random", "--how_many", "7"], PRESETS)
    program, *words = shlex.split(command_for_images(opt))[1:]
    assert program == "test.py"
    test = parse_options(TestOptions, words, PRESETS)
    assert (test.label_dir, test.label_suffix, test.how_many, test.run_dir) == (
        "val maps",
        "_mask",
        7,
        tmp_path / "run",
    )


@pytest.mark.parametrize(
    "options, said",
    [
        ({}, "has one style, so there are none"),
        ({"use_vae": True}, "test.py .*--num_styles 2$"),
        ({"random_input": True}, "test.py .*--num_styles 2$"),
    ],
)
def test_styles_are_proposed_for_networks_that_have_them(tmp_path, options, said):
    trained = TrainOptions(name="run", checkpoints_dir=str(tmp_path), **options)
    trained.run_dir.mkdir()
    trained.save(trained.run_dir / "options.json")
    argv = ["--name", "run", "--checkpoints_dir", str(tmp_path), "--lpips"]
    with pytest.raises(InputError, match=said):
        style_folders(parse_options(EvaluateOptions, argv, PRESETS), tmp_path / "images")
