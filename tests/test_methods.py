"""Every method of `METHODS` trains, resumes to the same bits, generates images and is scored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import evaluate as evaluate_program
import test as test_program
from models import METHODS
from scripts.benchmark.switches import write_vgg_weights
from scripts.prepare.bank import main as make_bank
from tests.runs import contents, differences, train

pytestmark = pytest.mark.system

DATA = "--dataset_mode landscapes --crop_size 64 --load_size 64 --preprocess_mode resize_and_crop --gpu_ids -1"
SHORT = "--max_dataset_size 2 --batch_size 1 --save_epoch_freq 1 --no_html --no_tensorboard --seed 3"
AUGMENTED = "--diffaugment color,translation,cutout --warp 0.05 --D_warmup 3"
SMALL_DATA = f"{AUGMENTED} --r1_gamma 1 --r1_interval 2 --lambda_lecam 1 --lecam_start 1"
TINY = {
    "spade": f"--ngf 2 --ndf 2 --use_vae --z_dim 4 --norm_G spectralspadesyncbatch1x1 --no_vgg_loss {SMALL_DATA}",
    "pix2pix": "--ngf 2 --ndf 2 --niter_decay 0",
    "crn": "--crn_channels 4 --crn_images 2 --vgg_weights {vgg}",
    "pix2pixhd": "--netG local --ngf 2 --ndf 2 --n_downsample_global 1 --n_blocks_global 1 --n_blocks_local 1 "
    f"--niter_fix_global 1 --pool_size 1 --no_vgg_loss --niter_decay 0 {SMALL_DATA}",
    "oasis": f"--ngf 2 --ndf 1 --z_dim 4 --ema 0.9 {AUGMENTED}",
    "spade_plus": f"--ngf 2 --ndf 2 --use_vae --z_dim 4 --norm_G spectralspadesyncbatch1x1 --no_vgg_loss {SMALL_DATA}",
    "sims": "--sims_width 2 --bank {bank} --vgg_weights {vgg}",
}
"""Method -> flags of its small networks."""


def flags(method: str, files: dict[str, Path]) -> list[str]:
    return [word.format(**files) for word in f"--method {method} {TINY[method]} {DATA}".split()]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """Files that methods need, by name."""
    folder = tmp_path_factory.mktemp("files")
    make_bank([*DATA.split(), "--max_dataset_size", "4", "--output", str(folder / "bank.npz")])
    return {"vgg": write_vgg_weights(folder / "vgg19.pth"), "bank": folder / "bank.npz"}


@pytest.mark.parametrize("method", METHODS)
def test_a_method_trains_resumes_to_the_same_bits_generates_and_is_scored(method, files, tmp_path, capsys):
    def run(name: str, *more: str) -> None:
        words = [*flags(method, files), *SHORT.split(), "--checkpoints_dir", str(tmp_path), "--name", name, *more]
        status, said = train(words)
        assert status == 0, said

    run("whole", "--niter", "2")  # four steps
    run("parts", "--niter", "1")
    run("parts", "--niter", "2", "--continue_train")
    assert differences(contents(tmp_path / "whole"), contents(tmp_path / "parts")) == []

    where = ["--checkpoints_dir", str(tmp_path), "--results_dir", str(tmp_path / "results"), "--name", "whole"]
    only_two = ["--max_dataset_size", "2", "--gpu_ids", "-1", "--batch_size", "2"]
    assert test_program.main([*where, *only_two]) == 0
    assert (tmp_path / "results/whole/test_latest/index.html").exists()
    assert evaluate_program.main([*where, *only_two, "--features", "random"]) == 0
    (scores,) = (tmp_path / "results").rglob("scores.json")
    assert json.loads(scores.read_text())["scores"]["random_feature_distance"] > 0, capsys.readouterr()
