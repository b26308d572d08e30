"""Scores while a model is trained: those that evaluate.py gives for the same images, and the best networks kept."""

import json
import os
import re
import shlex
import shutil
import signal
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image

import evaluate
import test as test_program
from data.landscape import CLASS_NAMES
from tests.runs import TINY, contents, differences, train
from tests.worlds import run_together
from util.image import to_uint8

pytestmark = pytest.mark.system

pytest.importorskip("torch_fidelity")
SHORT = "--max_dataset_size 4 --no_html --ema 0.5 --eval_freq 1"


def command(folder, name: str, *more: str) -> list[str]:
    flags = shlex.split(f"{TINY} {SHORT} --auto_resume --eval_flags '--features random --how_many 4'")
    return [*flags, "--checkpoints_dir", str(folder), "--name", name, *more]


@pytest.fixture(scope="module")
def whole(folder) -> str:
    """What a run of three epochs prints."""
    ((status, printed),) = run_together(1, train, command(folder, "whole", "--niter", "3"))
    assert status == 0
    return printed


def scores_in(printed: str) -> list[float]:
    return [float(value) for value in re.findall(r"epoch \d+: random_feature_distance ([\d.]+)", printed)]


def test_every_epoch_is_scored_and_the_best_networks_are_kept(folder, whole):
    scores = scores_in(whole)
    assert len(scores) == 3
    state = contents(folder / "whole")["training_state.pth"]
    assert state["best"]["name"] == "random_feature_distance"
    assert state["best"]["value"] == pytest.approx(min(scores), rel=1e-3)
    assert (folder / "whole" / "best_net_G_ema.pth").exists()


def test_a_run_that_stopped_in_between_scores_the_same(folder, whole):
    printed = ""
    for niter in ("1", "3"):
        ((status, text),) = run_together(1, train, command(folder, "halves", "--niter", niter))
        assert status == 0
        printed += text
    assert scores_in(printed) == scores_in(whole)
    state, expected = (contents(folder / name)["best_net_G_ema.pth"] for name in ("halves", "whole"))
    assert differences(expected, state) == []


def lines_of(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "scores.jsonl").read_text().splitlines()]


def test_scores_are_in_both_logs_and_on_the_page(folder, whole):
    run = folder / "whole"
    lines = lines_of(run)
    assert [(line["epoch"], line["images_seen"], line["generator"]) for line in lines] == [
        ("1", 4, "average"),
        ("2", 8, "average"),
        ("3", 12, "average"),
    ]
    values = [line["scores"]["random_feature_distance"] for line in lines]
    assert values == pytest.approx(scores_in(whole), rel=1e-3)
    assert [line["best_so_far"] for line in lines] == [value == min(values[: i + 1]) for i, value in enumerate(values)]
    assert {(line["phase"], line["images"], line["program"]) for line in lines} == {("test", 4, "train.py")}
    logged = re.findall(r"\(epoch: (\d), iters: 4, scores: average\) random_feature_distance: ([\d.]+)", log_of(run))
    assert [(int(epoch), float(value)) for epoch, value in logged] == [
        (epoch, pytest.approx(value, rel=1e-5)) for epoch, value in enumerate(values, 1)
    ]


def log_of(run: Path) -> str:
    return (run / "loss_log.txt").read_text()


def test_a_training_that_repeats_epochs_has_one_line_for_each(folder, whole):
    """Without the newest save it goes on from the one before."""
    run = folder / "repeated"
    ((status, _),) = run_together(1, train, command(folder, "repeated", "--niter", "2", "--keep_checkpoints", "9"))
    assert status == 0
    saves = sorted((run / "saves").iterdir())
    states = [torch.load(save / "training_state.pth", weights_only=True) for save in saves]
    for save, state in zip(saves, states):
        if state["progress"]["images_seen"] > 4:
            shutil.rmtree(save)
    ((status, _),) = run_together(1, train, command(folder, "repeated", "--niter", "3"))
    assert status == 0
    repeated, undisturbed = lines_of(run), lines_of(folder / "whole")
    for line in (*repeated, *undisturbed):
        line.pop("date")
    assert repeated == undisturbed
    expected = contents(folder / "whole")["training_state.pth"]["best"]
    assert contents(run)["training_state.pth"]["best"] == expected


def end_while_scoring(argv: list[str]) -> tuple[int, str]:
    """A job: train, and get SIGTERM as soon as an image is generated to be scored."""

    def as_pixels(images: torch.Tensor):
        os.kill(os.getpid(), signal.SIGTERM)
        return to_uint8(images)

    with mock.patch("evaluation.generation.to_uint8", as_pixels):
        return train(argv)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_training_that_is_ended_while_it_scores_saves_at_once_and_scores_later(folder, processes):
    names = (f"undisturbed {processes}", f"ended {processes}")
    flags = ["--niter", "2", "--eval_freq", "2", "--eval_flags", "--features random --how_many 4 --batch_size 1"]
    undisturbed, ended = ([*command(folder, name), *flags] for name in names)
    assert [status for status, _ in run_together(processes, train, undisturbed)] == [0] * processes
    done = run_together(processes, end_while_scoring, ended)
    assert [status for status, _ in done] == [143] * processes, done
    assert "saved and ended by SIGTERM" in done[0][1]
    assert contents(folder / names[1])["training_state.pth"]["progress"]["images_seen"] == 8
    assert not (folder / names[1] / "scores.jsonl").exists()
    done = run_together(processes, train, ended)
    assert [status for status, _ in done] == [0] * processes, done
    (one,), (other,) = (lines_of(folder / name) for name in names)
    assert other["epoch"] == "2" and other["images_seen"] == 8
    assert other["scores"] == pytest.approx(one["scores"], rel=1e-3)
    assert (folder / names[1] / "best_net_G.pth").exists()


def test_both_generators_can_be_scored_and_the_better_one_is_the_best(folder, capsys):
    """A quick average is one with the weights; a slow one stays at the first step's, far behind or far ahead."""
    argv = [*command(folder, "both", "--niter", "3", "--lr", "0.02"), "--ema", "0.99", "--eval_generator", "both"]
    ((status, printed),) = run_together(1, train, argv)
    assert status == 0, printed
    lines = lines_of(folder / "both")
    assert [(line["epoch"], line["generator"]) for line in lines] == [
        (str(epoch), generator) for epoch in (1, 2, 3) for generator in ("average", "raw")
    ]
    assert all(line["scores"] != lines[i + 1]["scores"] for i, line in enumerate(lines[:-1]))
    best = min(lines, key=lambda line: line["scores"]["random_feature_distance"])
    assert [line for line in lines if line["best_so_far"]][-1] == best
    assert contents(folder / "both")["training_state.pth"]["best"]["place"] == {
        "epoch": int(best["epoch"]),
        "generator": best["generator"],
    }
    where = ["--name", "both", "--checkpoints_dir", str(folder), "--results_dir", str(folder / "results")]
    where += ["--which_epoch", "best", "--gpu_ids", "-1"]
    test_program.main([*where, "--how_many", "4", "--batch_size", "8"])
    file, words = {"average": ("G_ema", "average of the weights"), "raw": ("G", "trained weights")}[best["generator"]]
    assert f"Generator: best_net_{file}.pth, the {words}" in capsys.readouterr().out
    flags = ["--how_many", "4", "--features", "random", "--output", str(folder / "both.json")]
    evaluate.main([*where, *flags])
    scores = json.loads((folder / "both.json").read_text())["scores"]
    assert scores == pytest.approx(best["scores"], rel=1e-6)
    last = lines_of(folder / "both")[-1]
    assert last["program"] == "evaluate.py" and last["protocol_hash"] == best["protocol_hash"]
    assert last["generator"] == best["generator"]
    assert json.loads((folder / "both.json").read_text())["test"]["Generator"] == words


def test_the_raw_generator_alone_can_be_the_best(folder):
    """Then there is no average under the name of the best networks, so that test.py takes those that were scored."""
    run = folder / "raw"
    first = [*command(folder, "raw", "--niter", "1"), "--eval_generator", "average"]
    assert run_together(1, train, first)[0][0] == 0
    assert (run / "best_net_G_ema.pth").exists()
    flags = ["--eval_generator", "raw", "--eval_flags", "--features random --how_many 3"]
    ((status, printed),) = run_together(1, train, [*command(folder, "raw", "--niter", "2"), *flags])
    assert status == 0
    assert "the best so far is forgotten" in printed, "of other label maps"
    assert (run / "best_net_G.pth").exists() and not (run / "best_net_G_ema.pth").exists()
    assert (run / "latest_net_G_ema.pth").exists()


def test_scores_need_no_average_of_the_generator(folder):
    for epochs in "12":
        argv = [word for word in command(folder, "plain", "--niter", epochs) if word not in ("--ema", "0.5")]
        ((status, printed),) = run_together(1, train, argv)
        assert status == 0 and len(scores_in(printed)) == 1
    assert sorted(path.name for path in (folder / "plain").glob("best_net_*.pth")) == [
        "best_net_D.pth",
        "best_net_G.pth",
    ]


def test_a_training_shorter_than_the_interval_is_scored_at_its_end(folder):
    argv = [*command(folder, "short", "--niter", "2"), "--eval_freq", "100"]
    assert run_together(1, train, argv)[0][0] == 0
    assert [line["epoch"] for line in lines_of(folder / "short")] == ["2"]


def test_two_processes_score_like_one(folder, whole):
    (status, printed), (other_status, _) = run_together(2, train, command(folder, "two", "--niter", "1"))
    assert (status, other_status) == (0, 0)
    assert scores_in(printed) == pytest.approx(scores_in(whole)[:1], rel=0.02)


def refused(folder, *more: str) -> str:
    """The one line with which a training is refused."""
    status, printed = train(command(folder, "refused", "--niter", "1", *more))
    assert status == 2
    assert "Traceback" not in printed
    (line,) = [line for line in printed.splitlines() if "error: " in line]
    return line


WRONG_FLAGS = {
    "--features inception --inception_weights /absent": "/absent",
    "--features random --how_manny 4": "no such option; did you mean --how_many?",
    "--features random --how_many none_at_all": "--how_many none_at_all: must be an integer",
    "--features 'random": "no closing quotation",
    "--features random --lpips": "--lpips: leave it out; every label map gets one image",
    "--features random --bootstrap 20": "--bootstrap: leave it out; scores in training have no intervals",
    "--features random --use_raw_G": "--use_raw_G: leave it out; --eval_generator raw",
    "--features random --name another": "--name: leave it out; the run that is trained is scored",
    "--features random --ngf 4": "--ngf 4: the saved run has --ngf 2",
    "--features random --segmenter nobody": "--segmenter nobody",
    "--features random --max_dataset_size 1": "1 image cannot be scored",
}


@pytest.mark.parametrize("flags, named", WRONG_FLAGS.items(), ids=WRONG_FLAGS)
def test_flags_that_are_wrong_stop_before_the_training(tmp_path, flags, named):
    line = refused(tmp_path, "--eval_flags", flags)
    assert line.startswith("train.py: error: --eval_flags: ")
    assert named in line
    assert not (tmp_path / "refused").exists()


def test_a_best_score_that_is_not_measured_is_refused(tmp_path):
    line = refused(tmp_path, "--best_score", "fid")
    assert "--best_score fid: is not measured" in line and "measured are random_feature_distance" in line


def make_pairs(folder: Path, seed: int) -> tuple[str, str]:
    """Four label maps with photos; the two folders."""
    rng = np.random.default_rng(seed)
    for name in "abcd":
        for kind, shape in (("maps", (64, 64)), ("photos", (64, 64, 3))):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 3, shape, dtype=np.uint8)).save(folder / kind / f"{name}.png")
    return str(folder / "maps"), str(folder / "photos")


def test_a_data_set_of_ones_own_is_scored_on_its_validation_folders_alone(tmp_path):
    maps, photos = make_pairs(tmp_path / "train", 0)
    new_maps, new_photos = make_pairs(tmp_path / "val", 1)
    data = ["--dataset_mode", "custom", "--label_nc", "3", "--preprocess_mode", "none"]
    data += ["--label_dir", maps, "--image_dir", photos]
    line = refused(tmp_path, *data)
    assert '--eval_flags "--features random --how_many 4 --label_dir LABELS --image_dir PHOTOS"' in line
    line = refused(tmp_path, *data, "--eval_flags", f"--features random --label_dir {new_maps}")
    assert "--eval_flags: a: has no photo in the data set" in line and "--image_dir PHOTOS" in line

    for labels, images, warned in ((new_maps, new_photos, False), (maps, photos, True)):
        flags = shlex.join(["--features", "random", "--label_dir", labels, "--image_dir", images])
        argv = command(tmp_path, f"warned {warned}", "--niter", "1", *data, "--eval_flags", flags)
        status, printed = train(argv)
        assert status == 0
        assert ("4 of 4 label maps that are scored are also trained on" in printed) == warned
        assert len(scores_in(printed)) == 1


TEST_FLAGS = {
    "fp32": "",
    "bf16, and the second seed": "--precision bf16 --seed 1",
    "one style of a photo": "--style_image",
    "statistics of batch norm measured anew": "--recalibrate_bn 4",
}


@pytest.fixture(scope="module")
def segmenter(folder) -> Path:
    """A network that segments landscapes: its weights are random, and any will do."""
    torch.manual_seed(0)
    network = torch.jit.script(torch.nn.Conv2d(3, len(CLASS_NAMES), 1))
    torch.jit.save(network, folder / "segmenter.pt")
    return folder / "segmenter.pt"


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("flags", TEST_FLAGS.values(), ids=TEST_FLAGS)
def test_scores_are_those_of_test_and_evaluate(folder, segmenter, tmp_path, flags, capsys):
    """Up to rounding: the same latents, precision and statistics, also with an encoder."""
    if flags == "--style_image":
        Image.new("RGB", (70, 70), (200, 100, 0)).save(tmp_path / "style.png")
        flags += f" {tmp_path / 'style.png'}"
    both = f"{flags} --how_many 4 --batch_size 3"
    measured = f"--features random --segmenter {segmenter}"
    argv = [*command(tmp_path, "vae", "--niter", "1", "--use_vae", "--z_dim", "4", "--precision", "bf16")]
    status, printed = train([*argv, "--eval_flags", f"{both} {measured}"])
    assert status == 0, printed
    where = ["--name", "vae", "--checkpoints_dir", str(tmp_path), "--results_dir", str(tmp_path), "--gpu_ids", "-1"]
    test_program.main([*where, *both.split()])
    evaluate.main([*where, *both.split(), *measured.split(), "--output", str(tmp_path / "scores.json")])
    in_training, evaluated = lines_of(tmp_path / "vae")
    assert in_training["scores"].keys() >= {"random_feature_distance", "miou", "accuracy"}
    assert evaluated["scores"] == pytest.approx(in_training["scores"], rel=1e-6)
    for fact in ("phase", "images", "protocol_hash", "generator"):
        assert evaluated[fact] == in_training[fact]
