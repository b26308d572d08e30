"""SIMS with networks about segments, from files with disparity maps: trained, resumed, scored and tested."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import test as test_program
from scripts.prepare.bank import main as make_bank
from tests.runs import contents, differences, train

pytestmark = pytest.mark.system

SIZE = "--dataset_mode custom --label_nc 3 --crop_size 64 --load_size 64"
SHORT = "--sims_width 2 --no_vgg_loss --save_epoch_freq 1 --no_html --no_tensorboard --gpu_ids -1"


def save_photos(folder: Path, count: int = 3) -> None:
    """Ground, sky and a square before them, with label maps and disparity maps."""
    random = np.random.default_rng(0)
    for kind in ("labels", "photos", "disparity"):
        (folder / kind).mkdir()
    for number in range(count):
        labels = np.zeros((64, 64), np.uint8)
        labels[40:] = 1
        top, left = random.integers(8, 30, 2)
        labels[top : top + 24, left : left + 24] = 2
        photo = (20 + 70 * labels[..., None] + random.integers(0, 60, (64, 64, 3))).astype(np.uint8)
        disparity = np.array([100, 20000, 30000], np.uint16)[labels]
        for kind, pixels in (("labels", labels), ("photos", photo), ("disparity", disparity)):
            Image.fromarray(pixels).save(folder / kind / f"{number}.png")


def test_networks_about_segments_are_trained_resumed_to_the_same_bits_and_used_in_tests(tmp_path):
    save_photos(tmp_path)
    folders = ["--label_dir", str(tmp_path / "labels"), "--image_dir", str(tmp_path / "photos")]
    bank = tmp_path / "bank.npz"
    make_bank([*SIZE.split(), *folders, "--output", str(bank), "--workers", "1"])

    def run(name: str, *more: str) -> None:
        files = [*folders, "--bank", str(bank), "--disparity_dir", str(tmp_path / "disparity")]
        networks = ["--method", "sims", "--align_segments", "--order_segments"]
        where = ["--checkpoints_dir", str(tmp_path), "--name", name]
        status, said = train([*SIZE.split(), *SHORT.split(), *files, *networks, *where, *more])
        assert status == 0, said
        assert "Align: " in said and "Order: " in said

    scored = ["--eval_freq", "1", "--eval_flags", f"--features random --how_many 2 {' '.join(folders)}"]
    run("whole", "--niter", "2", *scored)
    run("parts", "--niter", "1", *scored)
    run("parts", "--niter", "2", "--continue_train", *scored)
    assert differences(contents(tmp_path / "whole"), contents(tmp_path / "parts")) == []

    def test(*more: str) -> bytes:
        words = ["--name", "whole", *folders, "--phase", "train", "--gpu_ids", "-1", "--batch_size", "2", *more]
        place = ["--checkpoints_dir", str(tmp_path), "--results_dir", str(tmp_path / "results")]
        assert test_program.main([*words, *place]) == 0
        canvases = sorted((tmp_path / "results").rglob("input_canvas/*.png"))
        assert len(canvases) == 3
        return b"".join(path.read_bytes() for path in canvases)

    before = test()
    netA = tmp_path / "whole" / "latest_net_A.pth"
    weights = torch.load(netA)
    weights["fc.bias"] += torch.tensor([0, 0, 6.0, 0, 0, 6.0])
    torch.save(weights, netA)
    assert test() != before  # segments have moved
