"""Where a saved run decides, messages about data propose nothing that its networks forbid."""

import pytest

from data import PRESETS, create_dataset
from models import METHODS
from options import TestOptions, TrainOptions, parse_options
from util.errors import InputError


@pytest.fixture
def parse(tmp_path):
    """Options of test.py for a run that was trained on COCO-Stuff with instance maps."""
    words = f"--name run --dataset_mode coco --crop_size 64 --checkpoints_dir {tmp_path} --dataroot {tmp_path / 'coco'}"
    trained = parse_options(TrainOptions, words.split(), PRESETS, METHODS)
    trained.save(trained.run_dir / "options.json")
    return lambda line: parse_options(
        TestOptions, f"--name run --checkpoints_dir {tmp_path} {line}".split(), PRESETS, METHODS
    )


def test_a_run_is_not_advised_to_change_its_classes(parse):
    with pytest.raises(InputError, match="the saved run has others: leave out --dataset_mode, or name a run that"):
        create_dataset(parse("--dataset_mode landscapes"))
    assert parse("").dataset_mode == "coco"


def test_a_run_is_not_advised_to_go_without_its_instance_maps(parse, tmp_path):
    (tmp_path / "coco" / "val_label").mkdir(parents=True)
    with pytest.raises(InputError, match=r"val_inst.*the saved run was trained with them") as error:
        create_dataset(parse("--phase val"))
    assert "--no_instance" not in str(error.value)
