"""Scores in the features of a network in a file: by hand, through the programs, and files that are no such network."""

import hashlib
import json
import shlex
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import evaluate as evaluate_program
import train as train_program
from evaluation.own_features import own_features
from tests.evaluation.folders import flags, save, write_segmenter, write_set
from tests.runs import TINY
from util.errors import InputError

PLAIN = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


class MeanColor(nn.Module):
    """Red, green and blue of an image, and the mean of them: four features."""

    def forward(self, photos):
        color = photos.mean(dim=(2, 3))
        return torch.cat([color, color.mean(dim=1, keepdim=True)], dim=1)


class ByPlaces(nn.Module):
    """A network that must know how many photos there are, as those that were traced for one photo."""

    def forward(self, photos):
        return photos.reshape(1, -1)[:, :4]


def write_program(path, network=None, example=(2, 3, 16, 16)):
    """A network as a TorchScript file, or as one of torch.export."""
    network, photos = (network or MeanColor()).eval(), torch.zeros(example)
    if path.suffix == ".pt2":
        torch.export.save(torch.export.export(network, (photos,)), path)
        return path
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and still what many have
        torch.jit.trace(network, photos).save(path)
    return path


def test_features_of_plain_images_are_worked_by_hand(tmp_path):
    path = write_program(tmp_path / "color.pt")
    images = torch.tensor([[255, 51, 0], [102, 0, 0]], dtype=torch.uint8)[:, :, None, None].expand(-1, -1, 20, 30)
    extractor = own_features(path, 16, (0.5, 0.0, 0.0), (0.25, 2.0, 1.0), "cpu")
    expected = [[2, 0.1, 0, 0.7], [-0.4, 0, 0, -0.4 / 3]]
    torch.testing.assert_close(extractor(images), torch.tensor(expected), rtol=0, atol=1e-5)
    assert (extractor.dim, extractor.score_name) == (4, "own_feature_distance")
    assert extractor.facts["file_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (extractor.facts["input"], extractor.facts["mean"]) == ("16x16", [0.5, 0.0, 0.0])


def test_an_exported_program_gives_what_a_traced_one_does(tmp_path):
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (5, 3, 24, 20), dtype=np.uint8))
    traced, exported = (own_features(write_program(tmp_path / f"x.{e}"), 16, *PLAIN, "cpu") for e in ("pt", "pt2"))
    torch.testing.assert_close(traced(images), exported(images))  # it was exported for two photos at once
    with pytest.raises(InputError, match=r"takes photos of 16x16, and gets 32x32; give the side .* as --features_size"):
        own_features(tmp_path / "x.pt2", 32, *PLAIN, "cpu")


def state_dict(path):
    torch.save({"weight": torch.zeros(2)}, path)


WRONG = {
    "text": (lambda path: path.write_text("no network"), "is neither a TorchScript file, nor a *.pt2"),
    "state dict": (state_dict, "is neither a TorchScript file"),
    "segmenter": (write_segmenter, "features (N, D); made of (2, 3, 16, 16): (2, 4, 16, 16)"),
    "of one photo": (lambda path: write_program(path, ByPlaces()), "features (N, D); made of (2, 3, 16, 16): (1, 4)"),
    "of other channels": (
        lambda path: write_program(path, nn.Conv2d(4, 2, 1), (2, 4, 8, 8)),
        "cannot compute features",
    ),
}


def test_more_features_than_a_covariance_can_hold_are_refused(tmp_path):
    write_program(tmp_path / "flat.pt", nn.Flatten())
    with pytest.raises(InputError, match=r"flat.pt: gives 30,000 features .* 16,384 at most"):
        own_features(tmp_path / "flat.pt", 100, *PLAIN, "cpu")


@pytest.mark.parametrize("write, words", WRONG.values(), ids=WRONG)
def test_files_that_are_no_such_network_are_refused(write, words, tmp_path):
    write(tmp_path / "wrong.pt")
    with pytest.raises(InputError) as caught:
        own_features(tmp_path / "wrong.pt", 16, *PLAIN, "cpu")
    assert words in str(caught.value) and str(tmp_path / "wrong.pt") in str(caught.value)


# Through the programs


def with_features(root, file, *more: str) -> list[str]:
    argv = flags(root, "--features_size", "16", *more)
    argv[argv.index("random")] = str(file)
    return argv


def refused(argv, capsys) -> str:
    with pytest.raises(SystemExit) as stop:
        evaluate_program.main(argv)
    assert stop.value.code == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    return line


@pytest.mark.system
def test_folders_are_scored_under_names_of_their_own(tmp_path, capsys):
    root, file = write_set(tmp_path / "set"), write_program(tmp_path / "color.pt")
    as_is = ["--features_mean", "0,0,0", "--features_std", "1,1,1"]
    for i, name in enumerate(("city/a", "city/b", "c", "d.v2", "e")):  # grays of which the second are 51 brighter
        save(np.full((64, 64, 3), 51 * (i % 2), np.uint8), root / "real" / f"{name}.png")
        save(np.full((64, 64, 3), 51 * (i % 2) + 51, np.uint8), root / "fake" / f"{name}.png")
    statistics = str(tmp_path / "real.npz")
    more = ["--kid", "--precision_recall", "--bootstrap", "20", "--save_real_statistics", statistics]
    assert evaluate_program.main(with_features(root, file, *as_is, *more)) == 0
    printed = capsys.readouterr().out
    content = json.loads((root / "fake" / "scores.json").read_text())
    names = {f"own_feature_{name}" for name in ("distance", "kernel_distance", "precision", "recall")}
    assert content["scores"].keys() == names | {"own_feature_kernel_distance_deviation"}
    # All four features are 0.2 more, with equal covariances.
    assert content["scores"]["own_feature_distance"] == pytest.approx(4 * 0.2**2, rel=1e-4)
    facts = content["protocol"]["own_feature_distance"]
    assert facts["file"] == "color.pt" and len(facts["file_sha256"]) == 64 and facts["resize"] == "antialiased bicubic"
    assert "features of color.pt (sha256 " in printed and "no FID" in printed and "FID, KID: left out" in printed
    assert "fid" not in content["protocol"] and "inception" not in content["protocol"]

    again = with_features(root, file, *as_is, "--real_statistics", statistics)
    del again[again.index("--real") : again.index("--real") + 2]
    assert evaluate_program.main(again) == 0
    capsys.readouterr()
    other = [word if word != "0,0,0" else "0.5,0,0" for word in again]
    assert f"--real_statistics {statistics}: were made with mean [0.0, 0.0, 0.0]" in refused(other, capsys)


@pytest.mark.system
def test_networks_are_scored_in_these_features_while_they_are_trained(tmp_path):
    file = write_program(tmp_path / "color.pt")
    words = f"{TINY} --max_dataset_size 4 --niter 1 --no_html --no_tensorboard --eval_freq 1 --name tiny"
    flags = f"--features {shlex.quote(str(file))} --features_size 16 --precision_recall --how_many 4"
    argv = [*words.split(), "--eval_flags", flags, "--checkpoints_dir", str(tmp_path)]
    assert train_program.main(argv) == 0
    line = json.loads((tmp_path / "tiny" / "scores.jsonl").read_text())
    assert line["scores"].keys() == {"own_feature_distance", "own_feature_precision", "own_feature_recall"}
    assert line["best_so_far"]


OPTIONS = {
    "typo": (["--features", "incepton"], "must be one of inception, random, none, or a file of your own network (did"),
    "no file": (["--features", "dino.pt"], "or a file of your own network (there is no such file)"),
    "no use": (["--features", "random", "--features_size", "16"], "--features_size 16: is for a network of your own"),
    "no numbers": (["--features_mean", "a,b,c"], "must be three numbers such as 0.5,0.5,0.5"),
    "zero": (["--features_std", "1,0,1"], "must be three numbers above 0"),
    "two": (["--features_std", "1,1"], "must be three numbers above 0"),
}


@pytest.mark.parametrize("argv, words", OPTIONS.values(), ids=OPTIONS)
def test_options_that_mean_nothing_are_refused(argv, words, capsys):
    assert words in refused(["--name", "x", *argv], capsys)
