"""What a person should read once is said once, by one process."""

import contextlib
import io

import pytest
import torch
from PIL import Image

from data import PRESETS, create_dataset
from options import TrainOptions, parse_options
from tests.worlds import run_together
from util.distributed import World
from util.warn import SAMPLE_SKIPPED, warn, warn_once, warnings_given_to


def test_a_warning_is_said_once(capsys):
    for _ in range(2):
        warn_once("maps: 3 files\nare left out")
    assert capsys.readouterr().err == "warning: maps: 3 files\\nare left out\n"


def test_who_listens_gets_every_warning_with_its_kind(capsys):
    heard = []
    with warnings_given_to(lambda kind, text: heard.append((kind, text))):
        warn("a\nb", SAMPLE_SKIPPED)
        warn("c")
    warn("d")
    assert heard == [("sample skipped", "a\\nb"), ("warning", "c")]
    assert capsys.readouterr().err == "warning: a\\nb\nwarning: c\nwarning: d\n"


def said_by_a_data_set(words: list[str]) -> str:
    said = io.StringIO()
    world = World.from_environment().joined(torch.device("cpu"))
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), world:
        create_dataset(parse_options(TrainOptions, words, PRESETS))
    return said.getvalue()


@pytest.mark.system
def test_one_of_several_processes_says_what_a_data_set_says(tmp_path):
    for folder, mode in (("maps", "L"), ("photos", "RGB")):
        (tmp_path / folder).mkdir()
        Image.new(mode, (32, 32)).save(tmp_path / folder / "a.png")
    (tmp_path / "photos" / "b.heic").touch()
    words = ["--dataset_mode", "custom", "--no_instance", "--cache_dir", str(tmp_path / "cache")]
    words += ["--label_dir", str(tmp_path / "maps"), "--image_dir", str(tmp_path / "photos")]
    first, second = run_together(2, said_by_a_data_set, words)
    assert first.count("1 file is left out: 1 .heic (b.heic)") == 1
    assert first.count("cache: 1 samples") == 1
    assert second == ""
