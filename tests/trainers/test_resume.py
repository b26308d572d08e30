"""A training that is refused, for whatever reason, has changed nothing; nor has a test."""

import shlex
import shutil
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

import test as test_program
from tests.runs import TINY, train
from tests.util.test_wandb_log import FakeWandb

pytestmark = pytest.mark.system

FLAGS = f"{TINY} --max_dataset_size 2 --niter 1 --no_tensorboard"


@pytest.fixture(scope="module")
def finished(folder) -> Path:
    """A finished run, `run`, its results, networks that do not fit it, and files that are not what they should be."""
    for name, flags in (("run", ""), ("other", "--ngf 3")):
        status, printed = train([*shlex.split(f"{FLAGS} {flags} --no_html"), *where(folder, name)])
        assert status == 0, printed
    test_program.main([*where(folder, "run"), "--results_dir", str(folder / "results"), "--gpu_ids", "-1"])
    (folder / "nothing.pth").write_bytes(b"nothing")
    torch.save({"features.0.weight": torch.zeros(1)}, folder / "wrong.pth")
    (folder / "damaged").mkdir()
    shutil.copy(folder / "nothing.pth", folder / "damaged" / "latest_net_G.pth")
    for kind, ids in (("maps", 0), ("photos", 0), ("bad_photos", 0)):
        (folder / kind).mkdir()
        for name in ("a.png", "b.png"):
            Image.new("L" if kind == "maps" else "RGB", (64, 64), ids).save(folder / kind / name)
    photo = folder / "bad_photos" / "a.png"
    photo.write_bytes(photo.read_bytes()[:60])
    return folder


def where(folder: Path, name: str) -> list[str]:
    return ["--checkpoints_dir", str(folder), "--name", name]


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder but the lock beside a run, which says who holds it."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
        if path.suffix != ".lock"
    }


OWN_DATA = "--dataset_mode custom --label_nc 3 --preprocess_mode none --label_dir FOLDER/maps"
SCORED = "--eval_freq 1 --eval_flags"
REFUSALS = {
    "options": ("--batchSize 4 --accumulate 3", "--accumulate 3"),
    "data that are not there": ("--dataset_mode coco --dataroot FOLDER/absent", "absent"),
    "photos that are not there": (f"{OWN_DATA} --image_dir FOLDER/absent", "absent"),
    "a photo that cannot be read": (f"{OWN_DATA} --image_dir FOLDER/bad_photos", "a.png: cannot be read"),
    "the model": ("--crop_size 32 --batchSize 1", "--crop_size 64"),
    "a norm": ("--norm_G spectralspadelayer3x3", "--norm_G spectralspadelayer3x3"),
    "VGG's weights": ("--vgg_loss --vgg_weights FOLDER/absent.pth", "absent.pth"),
    "other weights than VGG's": ("--vgg_loss --vgg_weights FOLDER/wrong.pth", "wrong.pth"),
    "networks to start from": ("--load_pretrained FOLDER/absent", "--load_pretrained"),
    "networks that do not fit": ("--load_pretrained FOLDER/other", "--ngf is 3 in the file and 2 here"),
    "networks that are damaged": ("--load_pretrained FOLDER/damaged", "not a readable PyTorch weight file"),
    "an epoch to start from": ("--load_pretrained FOLDER/other --which_epoch 7", "7_net_G.pth"),
    "an epoch to go on from": ("--continue_train --which_epoch 7", "7_net_G.pth"),
    "an architecture to go on with": ("--continue_train --ngf 3", "--ngf 3: the saved run has --ngf 2"),
    "a word for the evaluation": (f"{SCORED} '--feature random'", "--eval_flags: --feature: no such option"),
    "a word alone": (f"{SCORED} --no_kid", "write a value that begins with - as --eval_flags=VALUE"),
    "Inception's weights": (f"{SCORED} '--inception_weights FOLDER/absent'", "--eval_flags"),
    "other weights than Inception's": (f"{SCORED} '--inception_weights FOLDER/wrong.pth'", "--eval_flags"),
    "a segmenter": (f"{SCORED} '--features none --segmenter FOLDER/nothing.pth'", "--eval_flags"),
    "a style": (f"{SCORED} '--features random --style_image FOLDER/x.png'", "--eval_flags: --style_image"),
    "too few images": (f"{SCORED} '--features random --how_many 1'", "--eval_flags: 1 image cannot be scored"),
    "a score that is not measured": (f"{SCORED} '--features random' --best_score fid", "--best_score fid"),
    "scores to go on with": (f"--continue_train {SCORED}=--feature", "--eval_flags: --feature"),
}


@pytest.mark.parametrize("flags, named", REFUSALS.values(), ids=REFUSALS)
def test_what_is_refused_changes_nothing(finished, flags, named):
    before = tree(finished)
    status, printed = train(
        [*shlex.split(f"{FLAGS} {flags.replace('FOLDER', str(finished))}"), *where(finished, "run")]
    )
    assert status == 2, printed
    assert "Traceback" not in printed
    (line,) = [line for line in printed.splitlines() if "error: " in line]
    assert named in line
    assert tree(finished) == before


@pytest.mark.parametrize("name", ["run", "new"])
def test_a_site_that_refuses_to_begin_puts_back_what_was_moved(finished, monkeypatch, name):
    wandb = FakeWandb()
    wandb.init_error = wandb.Error("nobody has logged in")
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    before = tree(finished)
    status, printed = train([*shlex.split(f"{FLAGS} --wandb"), *where(finished, name)])
    assert status == 2
    assert "nobody has logged in" in printed
    assert tree(finished) == before


@pytest.mark.parametrize(
    "flags, named",
    {
        "an epoch": ("--which_epoch 7", "7_net_G.pth"),
        "networks that are damaged": ("--name damaged", "not a readable PyTorch weight file"),
        "a device": ("--gpu_ids 77", "--gpu_ids 77"),
        "a style of a network without": ("--style_image FOLDER/x.png", "--style_image"),
    }.values(),
)
def test_results_stay_when_a_test_is_refused(finished, flags, named, capsys):
    before = tree(finished)
    argv = [*where(finished, "run"), "--results_dir", str(finished / "results"), "--gpu_ids", "-1"]
    with pytest.raises(SystemExit) as stop:
        test_program.main([*argv, *shlex.split(flags.replace("FOLDER", str(finished)))])
    assert stop.value.code == 2
    assert named in capsys.readouterr().err
    assert tree(finished) == before
