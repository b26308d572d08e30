"""What datasets/README.md promises: a section for every data set, scripts that exist, command lines that parse."""

import re
import shlex
from pathlib import Path

import pytest

from data import DATASETS, PRESETS
from options import TestOptions, TrainOptions, parse_options

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "datasets" / "README.md").read_text(encoding="utf-8")
BLOCKS = "\n".join(re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)).replace("\\\n", " ")
COMMANDS = [line.partition("  #")[0].strip() for line in BLOCKS.splitlines() if re.match(r"(python|bash) \S+\.", line)]


@pytest.mark.parametrize("mode", DATASETS)
def test_every_data_set_has_a_section(mode):
    assert f"\n## {mode}\n" in TEXT and f"](#{mode})" in TEXT


@pytest.mark.parametrize("script", sorted(set(re.findall(r"scripts/\w+\.(?:py|sh)", TEXT))))
def test_scripts_exist(script):
    assert (ROOT / script).is_file()


@pytest.mark.parametrize("command", [one for one in COMMANDS if re.match(r"python (train|test)\.py", one)])
def test_training_and_testing_commands_parse(command):
    words = shlex.split(command)[1:]
    program = {"train.py": TrainOptions, "test.py": TestOptions}[words[0]]
    given = words[1:]
    if program is TestOptions:  # the rest comes from the saved run
        given += ["--dataset_mode", "custom", "--no_instance"]
    assert parse_options(program, given, PRESETS).name == "demo"


def test_own_data_goes_from_masks_to_images():
    scripts = [Path(shlex.split(command)[1]).name for command in COMMANDS]
    steps = ["make_landscapes.py", "check_dataset.py", "convert_labels.py", "check_dataset.py", "train.py", "test.py"]
    at = scripts.index("make_landscapes.py")
    for step in steps:
        at = scripts.index(step, at)
