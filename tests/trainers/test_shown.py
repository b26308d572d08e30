"""What a training shows over and over, and what its page says of the run."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image

from data import PRESETS, create_dataset
from models import METHODS
from options import TrainOptions, parse_options
from trainers.facts import command_line, device_in_words, run_facts
from trainers.shown import shown_samples
from util.distributed import World
from util.progress import Progress

DATA_FILE = """
name = "squares"
classes = [{ id = 0, name = "road" }, { id = 1, name = "sky" }]

[train]
labels = "train"
photos = "train_photos"

[val]
labels = "val"
photos = "val_photos"
"""


@pytest.fixture
def data_file(tmp_path):
    """Five samples of training whose pixels are class 0, and three of validation of class 1."""
    for name, class_id, count in (("train", 0, 5), ("val", 1, 3)):
        for folder, image in (
            (name, Image.fromarray(np.full((32, 32), class_id, np.uint8))),
            (f"{name}_photos", Image.new("RGB", (32, 32))),
        ):
            (tmp_path / folder).mkdir()
            for i in range(count):
                image.save(tmp_path / folder / f"{i}.png")
    (tmp_path / "data.toml").write_text(DATA_FILE, encoding="utf-8")
    return tmp_path / "data.toml"


def options(*flags):
    return parse_options(TrainOptions, [*flags, "--crop_size", "32", "--gpu_ids", "-1"], PRESETS, METHODS)


def test_the_validation_data_of_a_data_file_are_shown(data_file):
    opt = options("--data", str(data_file))
    shown = shown_samples(opt, create_dataset(opt), None)
    assert not shown.of_training
    assert shown.batch["labels"].shape == (3, 32, 32)
    assert set(shown.batch["labels"].unique().tolist()) == {1}


def test_training_data_are_shown_where_there_are_no_others(data_file, capsys):
    (data_file.parent / "val_photos" / "2.png").unlink()
    opt = options("--data", str(data_file))
    shown = shown_samples(opt, create_dataset(opt), None)
    assert shown.of_training
    assert shown.batch["labels"].shape == (4, 32, 32)
    assert "warning: samples of the training data are shown, as those of [val] cannot be: " in capsys.readouterr().err
    landscapes = options("--dataset_mode", "landscapes", "--max_dataset_size", "2")
    assert shown_samples(landscapes, create_dataset(landscapes), None).of_training


def test_samples_are_shown_whatever_the_parts_of_a_batch():
    opt = options("--dataset_mode", "landscapes", "--batch_size", "8", "--accumulate", "8")
    assert len(shown_samples(opt, create_dataset(opt), None).batch["labels"]) == 4


def test_the_facts_of_a_run(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/train.py", "--name", "a b"])
    opt = options("--name", "a b", "--dataset_mode", "landscapes", "--ngf", "16")
    facts = run_facts(opt, torch.device("cpu"), World(), Progress(3, images_per_epoch=40), of_training=True)
    assert facts.command == "python train.py --name 'a b'"
    assert [" ".join(text.split()) for text in facts.options if "ngf" in text] == ["--ngf 16 [default: 64]"]
    assert (facts.epochs, facts.images_per_epoch, facts.samples) == (3, 40, "of the training data")
    assert command_line(["pytest", "-q"]) == ""
    assert device_in_words(torch.device("cpu"), World(), "bf16").endswith(", bf16")
