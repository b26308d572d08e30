"""PSNR and SSIM of images in the style of their own photos: by hand, by definition, and as a user gets them."""

import itertools
import json
import math
import shlex
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import evaluate as evaluate_program
import test as test_program
import train as train_program
from data import PRESETS, create_dataset
from evaluation.reconstruction import OWN_PHOTO, SCORED, ReconstructionCounter, psnr, ssim
from evaluation.report import create_report
from evaluation.scoring import Evaluation
from models import create_model
from options import TestOptions, parse_options
from tests.evaluation.folders import Squares, as_inception, flags, generated, write_set
from tests.runs import TINY
from tests.util.pages import Page
from trainers.loading import load_networks
from util.errors import InputError
from util.image import to_uint8


def noise(seed: int, n=2, side=24) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (n, 3, side, side), dtype=np.uint8))


def test_a_constant_difference_is_worked_by_hand():
    """Of plain images variances are 0: SSIM is (2ab + C1) / (a^2 + b^2 + C1), with C1 = (0.01 * 255)^2."""
    plain = torch.full((2, 3, 16, 16), 100, dtype=torch.uint8)
    plain[1] = 40
    assert psnr(plain + 5, plain).tolist() == pytest.approx([10 * math.log10(255**2 / 25)] * 2)
    assert ssim(plain + 5, plain).tolist() == pytest.approx(
        [(2 * a * (a + 5) + 6.5025) / (a**2 + (a + 5) ** 2 + 6.5025) for a in (100, 40)]
    )
    assert psnr(plain, plain).tolist() == [math.inf] * 2 and ssim(plain, plain).tolist() == [1, 1]


def test_noise_has_the_scores_that_torchmetrics_gives():
    """Recorded from version 1.9.0 in 64 bits; for SSIM, of its image of all windows, those inside."""
    x, y = noise(0), noise(1) // 2 + noise(0) // 2
    assert psnr(y, x).tolist() == pytest.approx([13.73746721350043, 13.771758990251556])
    assert ssim(y, x).tolist() == pytest.approx([0.66572581568795, 0.6720381853273565])


def test_ssim_is_the_mean_over_windows_inside_the_image():
    x, y = noise(2, n=1, side=13), noise(3, n=1, side=13)
    weights = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    weights = np.outer(weights, weights) / weights.sum() ** 2
    found = []
    for channel, top, left in itertools.product(range(3), range(3), range(3)):
        a, b = (image[0, channel, top : top + 11, left : left + 11].double().numpy() for image in (x, y))
        mu_a, mu_b = (weights * a).sum(), (weights * b).sum()
        variances = (weights * (a - mu_a) ** 2).sum() + (weights * (b - mu_b) ** 2).sum()
        covariance = (weights * (a - mu_a) * (b - mu_b)).sum()
        above = (2 * mu_a * mu_b + 2.55**2) * (2 * covariance + 7.65**2)
        found.append(above / ((mu_a**2 + mu_b**2 + 2.55**2) * (variances + 7.65**2)))
    assert ssim(x, y).tolist() == pytest.approx([np.mean(found)])


def test_an_evaluation_has_the_means_over_images_and_their_intervals():
    truth = Squares()
    evaluation = Evaluation(truth, reconstructions=True, bootstrap=50)
    measured = evaluation.measure(generated(truth, range(7), shade=9))
    pairs = [(image, truth[i]["photo"][None]) for [i], image in generated(truth, range(7), shade=9)]
    for name in ("psnr", "ssim"):
        values = [float(SCORED[name](*pair)) for pair in pairs]
        assert measured.scores[name] == pytest.approx(np.mean(values))
        assert [measured.per_image[sample][name] for sample in "abcdefg"] == pytest.approx(values)
        low, high = measured.intervals[name]
        assert min(values) <= low < measured.scores[name] < high <= max(values)
    assert measured.scores.keys() == {"psnr", "ssim"}
    assert evaluation.protocol["reconstruction"].keys() == {"compared", "psnr", "ssim"}


def test_processes_put_their_values_together():
    truth = Squares()
    counters = [ReconstructionCounter(truth) for _ in range(3)]
    for counter, shard in zip(counters, (range(1, 7, 2), range(0, 7, 2), range(7))):
        for indices, image in generated(truth, shard, shade=9):
            counter.add(indices, image)
    first, second, alone = counters
    first.gather(SimpleNamespace(all_gather=lambda mine: [mine, second.values]))
    assert first.scores == alone.scores and list(first.per_image) == list("abcdefg")
    assert first.per_image == alone.per_image


def test_a_copy_of_the_photo_has_no_psnr_and_the_report_says_why(tmp_path):
    truth = Squares()
    evaluation = Evaluation(truth, reconstructions=True)
    measured = evaluation.measure(generated(truth, range(7)))
    assert measured.per_image["a"] == {"psnr": None, "ssim": 1}
    given = {"run": None, "dataset_mode": "coco", "class_names": [], "left_out": {}}
    sources = SimpleNamespace(folder="fake", real=None, labels=None, truth=truth)
    report = create_report(measured, sources, protocol=evaluation.protocol, **given)
    assert report.content["scores"] == {"ssim": 1} and "equal to its photo" in report.left_out["psnr"]
    json.loads(report.save(tmp_path / "scores.json").read_text())


def test_images_smaller_than_the_window_are_refused(monkeypatch):
    monkeypatch.setattr(Squares, "size", (32, 10))
    with pytest.raises(InputError, match="11x11 or larger; these are 10x32"):
        Evaluation(Squares(), features=as_inception(), reconstructions=True)


# As a user gets them


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with checkpoints/tiny of a run with encoder, which was scored while it was trained."""
    folder = tmp_path_factory.mktemp("reconstruction")
    words = f"{TINY} --use_vae --z_dim 4 --max_dataset_size 4 --niter 1 --no_html --no_tensorboard --eval_freq 1"
    argv = [*shlex.split(words), "--eval_flags", "--features none --reconstruct --how_many 4", "--name", "tiny"]
    assert train_program.main([*argv, "--checkpoints_dir", str(folder / "checkpoints")]) == 0
    return folder


def of_run(run, *more: str) -> list[str]:
    places = ["--checkpoints_dir", str(run / "checkpoints"), "--results_dir", str(run / "results")]
    return ["--name", "tiny", *places, "--gpu_ids", "-1", "--how_many", "4", *more]


def refused(program, argv, capsys) -> str:
    with pytest.raises(SystemExit) as stop:
        program.main(argv)
    assert stop.value.code == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    return line


@pytest.mark.system
def test_each_image_has_the_style_of_its_own_photo_and_is_compared_with_it(run, capsys):
    results = run / "results" / "tiny" / "test_latest"
    assert test_program.main(of_run(run)) == 0
    line = refused(evaluate_program, of_run(run, "--features", "none", "--reconstruct"), capsys)
    assert line.endswith(shlex.join(["python", "test.py", *of_run(run)[:6], "--how_many", "4", "--reconstruct"]))

    assert test_program.main(of_run(run, "--reconstruct")) == 0
    assert OWN_PHOTO in results.joinpath("index.html").read_text() and "reconstruction" in Page(
        results / "index.html"
    ).words("figcaption")
    opt = parse_options(TestOptions, of_run(run, "--reconstruct"), PRESETS)
    dataset, model = create_dataset(opt), create_model(opt).eval()
    load_networks(opt.run_dir, "latest", model)
    batch = {name: dataset[2][name][None] for name in ("image", "labels", "instances")}
    with torch.no_grad():
        image = to_uint8(model.netG(model.layout(batch), model.netE(batch["image"])[0]))[0]
    written = np.asarray(Image.open(results / "images" / "synthesized_image" / "00002.png"))
    assert abs(written.astype(int) - image).max() <= 1

    assert evaluate_program.main(of_run(run, "--features", "random")) == 0
    printed = capsys.readouterr().out
    content = json.loads((results / "scores.json").read_text())
    assert content["test"]["Style"] == OWN_PHOTO
    assert content["scores"].keys() == {"random_feature_distance", "psnr", "ssim"}
    pair = (torch.from_numpy(x.copy()).permute(2, 0, 1)[None] for x in (written, to_uint8(batch["image"])[0]))
    assert content["per_image"]["00002"]["psnr"] == pytest.approx(float(psnr(*pair)), abs=0.05)
    assert "PSNR, dB" in printed and "SSIM" in printed and "in the style of its own photo" in printed
    assert "PSNR, dB" in (results / "index.html").read_text()

    in_training = json.loads((run / "checkpoints" / "tiny" / "scores.jsonl").read_text().splitlines()[0])
    assert in_training["scores"] == pytest.approx(
        {name: content["scores"][name] for name in ("psnr", "ssim")}, rel=0.01
    )


@pytest.mark.system
def test_a_folder_is_compared_when_the_command_says_so(tmp_path, capsys):
    root = write_set(tmp_path / "set")
    assert evaluate_program.main(flags(root, "--reconstruct")) == 0
    content = json.loads((root / "fake" / "scores.json").read_text())
    assert {"psnr", "ssim"} < content["scores"].keys()
    assert evaluate_program.main(flags(root)) == 0
    assert not {"psnr", "ssim"} & json.loads((root / "fake" / "scores.json").read_text())["scores"].keys()
    alone = ["--fake", str(root / "fake"), "--labels", str(root / "labels"), "--features", "none", "--reconstruct"]
    assert "--reconstruct: compares each image with the photo" in refused(evaluate_program, alone, capsys)


OF_TEST = {
    "no encoder": (["--reconstruct"], "a network without encoder takes no style from a photo; add --use_vae"),
    "a style": (["--use_vae", "--reconstruct", "--style_image", "x.png"], "leave out --style_image x.png"),
    "styles": (["--use_vae", "--reconstruct", "--num_styles", "2"], "leave out --num_styles 2"),
}


@pytest.mark.parametrize("argv, named", OF_TEST.values(), ids=OF_TEST)
def test_what_is_no_reconstruction_is_refused(argv, named, capsys):
    assert named in refused(test_program, ["--name", "absent", *argv], capsys)


@pytest.mark.system
def test_label_maps_without_photos_are_refused(run, tmp_path, capsys):
    root = write_set(tmp_path / "set")
    words = "--dataset_mode custom --label_nc 18 --contain_dontcare_label --label_dir LABELS --instance_dir LABELS"
    line = refused(
        test_program, of_run(run, "--reconstruct", *words.replace("LABELS", str(root / "labels")).split()), capsys
    )
    assert ": c has no photo whose style" in line and "--image_dir" in line
