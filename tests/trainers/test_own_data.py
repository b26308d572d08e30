"""A run's own copy of the description of its data."""

import numpy as np
import pytest
from PIL import Image

from data import PRESETS, create_dataset
from options import TestOptions, TrainOptions, parse_options
from options.data_file import folders, read_data_file
from trainers.own_data import keep_data_file


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The options of a run whose folders were typed, saved with its copy."""
    monkeypatch.chdir(tmp_path)
    for folder in ("maps", "photos"):
        (tmp_path / folder).mkdir()
        Image.fromarray(np.zeros((32, 32), np.uint8)).save(tmp_path / folder / "a.png")
    flags = "--name run --dataset_mode custom --label_dir maps --image_dir photos --label_nc 3 --crop_size 32"
    opt = parse_options(TrainOptions, flags.split(), PRESETS)
    kept = keep_data_file(opt, create_dataset(opt))
    kept.save(kept.run_dir / "options.json")
    return kept


def test_typed_folders_are_the_training_part(run, tmp_path):
    description = read_data_file(run.data)
    assert [row.name for row in description.classes] == ["class 0", "class 1", "class 2"]
    assert (description.parts["train"].labels, description.unknown) == (str(tmp_path / "maps"), None)


def test_what_is_edited_in_the_copy_counts_from_then_on(run, tmp_path):
    path = tmp_path / run.data
    text = path.read_text().replace("/photos", "/others").replace('"class 1"', '"lake"')
    path.write_text(f'{text}[val]\nlabels = "v"\n')
    resumed = parse_options(TrainOptions, ["--name", "run", "--continue_train"], PRESETS)
    assert folders(resumed) == {"labels": str(tmp_path / "maps"), "photos": str(tmp_path / "others")}
    tested = parse_options(TestOptions, ["--name", "run"], PRESETS)
    assert folders(tested) == {"labels": "checkpoints/run/v"}
