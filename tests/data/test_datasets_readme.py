"""What datasets/README.md promises: a section for every data set, scripts that exist, command lines that parse."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from data import DATASETS, PRESETS
from options import TestOptions, TrainOptions, parse_options
from options.data_file import read_data_file
from scripts.prepare.__main__ import COMMANDS as COMMANDS_OF_PREPARE
from scripts.prepare.__main__ import main as prepare

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "datasets" / "README.md").read_text(encoding="utf-8")
BLOCKS = "\n".join(re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)).replace("\\\n", " ")
LINES = [line.partition("  #")[0].strip() for line in BLOCKS.splitlines()]
COMMANDS = [line for line in LINES if re.match(r"(python|bash) \S+\.|python -m", line)]


@pytest.mark.parametrize("mode", DATASETS)
def test_every_data_set_has_a_section(mode):
    assert f"\n## {mode}\n" in TEXT and f"](#{mode})" in TEXT


@pytest.mark.parametrize("script", sorted(set(re.findall(r"scripts/\w+\.(?:py|sh)", TEXT))))
def test_scripts_exist(script):
    assert (ROOT / script).is_file()


@pytest.mark.parametrize("command", sorted(set(re.findall(r"scripts\.prepare (\w+)", TEXT))))
def test_commands_exist(command):
    assert command in COMMANDS_OF_PREPARE


@pytest.fixture
def described(tmp_path):
    """The data file of the demo, which the run would have by then."""
    example = re.search(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    assert example
    (tmp_path / "data.toml").write_text(example[1].replace("256", "128"), encoding="utf-8")
    return tmp_path / "data.toml"


def test_the_data_file_that_is_shown_is_read(described):
    description = read_data_file(described)
    assert [row.name for row in description.classes] == ["road", "sky"]
    assert [*description.parts] == ["train", "val", "test"] and description.preset.both["crop_size"] == 128


@pytest.mark.parametrize("command", [one for one in COMMANDS if re.match(r"python (train|test)\.py", one)])
def test_training_and_testing_commands_parse(command, described):
    words = shlex.split(command)[1:]
    program = {"train.py": TrainOptions, "test.py": TestOptions}[words[0]]
    assert parse_options(program, [*words[1:], "--data", str(described)], PRESETS).name == "demo"


@pytest.mark.system
def test_every_step_before_the_training_of_own_data_ends_well(tmp_path, monkeypatch):
    """What the ten minutes say, smaller and in this process: each step exits 0, so that they can be chained."""
    monkeypatch.chdir(tmp_path)
    text = TEXT[TEXT.index("**0. The demo**") : TEXT.index("**3. Train.**")]
    done = []
    for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL):
        code = re.search(r"<<'END'\n(.*?)\nEND\n", block, re.DOTALL)
        for line in block.replace(code[0] if code else "\n", "\n").splitlines():
            words = shlex.split(line, comments=True)
            if words == ["python", "-"]:
                exec(code[1], {})
            elif words[0] in ("sed", "rm"):
                subprocess.run(["bash", "-c", line], check=True)
            else:
                assert words[:3] == ["python", "-m", "scripts.prepare"]
                small = ["--size", "48x48"] if words[3] == "landscapes" else ["--workers", "1"]
                assert not prepare(words[3:] + small), line
                done.append(words[3])
    assert done == ["landscapes", "check", "check"]


def test_own_data_goes_from_masks_to_images():
    steps = ["landscapes", "check", "check", "train.py", "test.py", "evaluate.py"]
    programs = [re.sub(r"^python (-m scripts\.(prepare )?)?", "", command).split()[0] for command in COMMANDS]
    remaining = iter(programs)
    assert [step for step in steps if step in remaining] == steps, "in this order, perhaps with others between"
