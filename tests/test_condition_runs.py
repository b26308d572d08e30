"""A run from gray photos to colored ones: it resumes, trains in several processes, and has pages and scores."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import evaluate as evaluate_program
import spade
import test as test_program
from data import PRESETS
from data.landscape import draw_scene
from models import METHODS
from options import TestOptions, parse_options
from options.saved import load_saved
from scripts.compare.colors import ColorOptions
from scripts.export.options import ExportOptions
from scripts.prepare.features import FeatureOptions
from tests.runs import contents, differences, finish, train, train_in_float64
from tests.util.pages import Page

pytestmark = pytest.mark.system

TINY = (
    "--crop_size 64 --load_size 68 --ngf 2 --ndf 2 --norm_G spectralspadeinstance1x1 --no_vgg_loss --gpu_ids -1 "
    "--batch_size 4 --ema 0.9 --diffaugment color,translation,cutout --warp 0.1 --label_nc 0 --input_nc 1 --niter 2"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Eight landscapes, and the same in gray."""
    folder = tmp_path_factory.mktemp("data")
    for kind in ("photos", "gray"):
        (folder / kind).mkdir()
    for number in range(8):
        photo = Image.fromarray(draw_scene(0, number, 72, 72).image)
        photo.save(folder / "photos" / f"{number}.png")
        photo.convert("L").save(folder / "gray" / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def command(data, folder):
    """The flags of a training on them, with its name and further flags."""

    def of(name: str, *more: str) -> list[str]:
        folders = ["--label_dir", str(data / "gray"), "--image_dir", str(data / "photos")]
        return [*shlex.split(TINY), *folders, "--checkpoints_dir", str(folder), "--name", name, *more]

    return of


@pytest.fixture(scope="module")
def whole(command, folder) -> Path:
    """The run of both epochs, with its page; and what it printed, in the file `printed`."""
    (printed,) = finish(1, [*command("whole", "--dataset_mode", "custom"), "--display_freq", "4", "--no_tensorboard"])
    (folder / "printed").write_text(printed, encoding="utf-8")
    return folder / "whole"


def test_the_next_command_that_training_prints_is_accepted(whole, data):
    (line,) = [
        line for line in (whole.parent / "printed").read_text(encoding="utf-8").splitlines() if line.startswith("Next:")
    ]
    python, program, *words = shlex.split(line.removeprefix("Next:"))
    assert (python, program) == ("python", "test.py") and "FOLDER" in words
    given = [str(data / "gray") if word == "FOLDER" else word for word in words]
    assert parse_options(TestOptions, given, PRESETS, METHODS).input_nc == 1


def test_a_run_that_goes_on_after_an_epoch_ends_in_the_same_bits(whole, command, folder):
    quiet = ("--dataset_mode", "custom", "--no_html", "--no_tensorboard", "--auto_resume")
    finish(1, command("parts", *quiet, "--niter", "1"))
    finish(1, command("parts", *quiet))
    at_once, parts = contents(whole), contents(folder / "parts")
    assert differences(at_once, {name: parts[name] for name in at_once}) == []  # it also keeps its first epoch


def test_two_processes_that_accumulate_and_recompute_equal_one(command, folder):
    quiet = ("--dataset_mode", "custom", "--no_html", "--no_tensorboard", "--niter", "1")
    finish(1, command("one", *quiet), train_in_float64)
    finish(2, command("two", *quiet, "--accumulate", "2", "--checkpoint_activations"), train_in_float64)
    for letter in "GD":
        one, other = (
            torch.cat([t.flatten() for t in contents(folder / name)[f"latest_net_{letter}.pth"].values()])
            for name in ("one", "two")
        )
        assert one.dtype == torch.float64
        assert (one - other).norm() < 1e-9 * one.norm()


def test_pages_show_what_the_images_were_generated_from(whole, data, tmp_path, capsys):
    page = (whole / "web" / "index.html").read_text(encoding="utf-8")
    assert "--label_dir FOLDER" in page  # of the command that tests the run
    assert ">condition<" in page and "label map" not in page and "Classes in" not in page
    shown = np.asarray(Image.open(whole / "web" / "fixed" / "label_map_1.png").convert("RGB"))
    assert shown.shape == (64, 64, 3) and len(np.unique(shown)) > 20
    assert (shown == shown[..., :1]).all()  # gray
    places = ["--name", "whole", "--checkpoints_dir", str(whole.parent), "--results_dir", str(tmp_path)]
    folders = ["--label_dir", str(data / "gray"), "--image_dir", str(data / "photos")]
    assert test_program.main([*places, *folders, "--gpu_ids", "-1"]) == 0
    results = tmp_path / "whole" / "test_latest"
    expected = np.asarray(Image.open(data / "gray" / "3.png").resize((64, 64), Image.Resampling.BICUBIC), dtype=int)
    given = np.asarray(Image.open(results / "images" / "input_label" / "3.png"), dtype=int)
    assert np.abs(given - expected[..., None]).max() <= 1
    assert [target for target in Page(results / "index.html").targets() if not target.exists()] == []
    assert evaluate_program.main([*places, *folders, "--features", "random", "--gpu_ids", "-1"]) == 0
    assert "random_feature_distance" in json.loads((results / "scores.json").read_text(encoding="utf-8"))["scores"]
    generated = np.asarray(Image.open(results / "images" / "synthesized_image" / "3.png"))
    network = spade.load(whole, device="cpu")
    gray = np.asarray(Image.open(data / "gray" / "3.png"))
    image = network.generate(gray)
    assert np.abs(image.astype(int) - generated).max() <= 1
    assert np.array_equal(network.generate(np.stack([gray, gray])[..., None])[1], image)
    assert np.array_equal(network.generate(data / "gray" / "3.png"), image)


@pytest.mark.parametrize("program", [ExportOptions, FeatureOptions, ColorOptions])
def test_programs_of_label_maps_say_so(whole, program, capsys):
    with pytest.raises(SystemExit) as end:
        parse_options(program, ["--name", "whole", "--checkpoints_dir", str(whole.parent)], PRESETS, METHODS)
    said = capsys.readouterr().err.strip()
    assert end.value.code == 2 and "\n" not in said
    assert f"--input_nc 1: {program.program} works with label maps alone" in said


def test_arrays_train_too_and_bad_ones_are_named(tmp_path):
    random = np.random.default_rng(0)
    items = [(random.random((64, 64, 2), dtype=np.float32), np.full((64, 64, 3), 90, np.uint8)) for _ in range(4)]
    options = {"input_nc": 2, "label_nc": 0, "crop_size": 64, "load_size": 64, "ngf": 2, "ndf": 2, "niter": 1}
    options |= {"vgg_loss": False, "html": False, "tensorboard": False, "batch_size": 2, "init_gain": 1.0}
    options |= {"norm_G": "spectralspadeinstance1x1", "checkpoints_dir": str(tmp_path), "device": "cpu"}
    generator = spade.train(items, name="own", **options)
    assert load_saved(tmp_path / "own" / "options.json")["input_nc"] == 2
    maps = np.stack([items[0][0], items[1][0]])
    assert generator.generate(maps).shape == (2, 64, 64, 3)
    with pytest.raises(ValueError, match="instances: these networks take conditioning images alone"):
        generator.generate(maps, instances=maps)
    with pytest.raises(ValueError, match=r"sample 0, labels has the shape \(64, 64\)"):
        spade.train([(np.zeros((64, 64)), items[0][1])] * 4, name="wrong", **options)


def test_wrong_command_lines_are_one_line(command):
    for more, said in (
        (("--dataset_mode", "custom", "--label_nc", "3"), "add --label_nc 0"),
        (("--dataset_mode", "custom", "--input_nc", "0"), "--label_nc 0: label maps have at least one class"),
    ):
        status, printed = train([*command("refused"), *more])
        assert status == 2 and said in printed, printed
        assert "Traceback" not in printed
