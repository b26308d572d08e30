"""The README's promises about files and commands."""

import re
from pathlib import Path

import pytest

from data import PRESETS
from options import EvaluateOptions, TestOptions, TrainOptions
from options.field import declared_options

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
TRAINING = (ROOT / "docs" / "training.md").read_text()
CODE_MAP = (ROOT / "docs" / "code_map.md").read_text()
ROOMS = ("data", "evaluation", "models", "options", "scripts", "trainers", "util")


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_every_link_to_a_file_works(page):
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)]+)\)", page.read_text())]
    assert [link for link in links if not link.startswith("http") and not (page.parent / link).exists()] == []


def test_the_code_map_has_every_file():
    files = {path for room in ROOMS for path in (ROOT / room).rglob("*.py") if path.read_text().strip()}
    files |= {*ROOT.glob("*.py"), *(ROOT / "scripts").glob("*.sh")}
    missing = sorted(str(path.relative_to(ROOT)) for path in files if f"](../{path.relative_to(ROOT)})" not in CODE_MAP)
    assert missing == []


def test_every_flag_and_data_set_it_names_exists():
    spellings = {
        spelling
        for program in (TrainOptions, TestOptions, EvaluateOptions)
        for option in declared_options(program).values()
        for spelling in option.spellings
    }
    program = r"(?:python|torchrun .*?)\s(?:train|test|evaluate)\.py"
    commands = re.findall(rf"(?<=`){program}[^`]*|^{program}.*$", README + TRAINING, re.MULTILINE)
    assert len(commands) > 5
    after_program = [re.split(r"(?:train|test|evaluate)\.py", command)[1] for command in commands]
    flags = {flag for words in after_program for flag in re.findall(r"--\w+", words)} - {"--help"}
    assert flags <= spellings
    assert set(re.findall(r"--dataset_mode ([a-z]\w+)", README)) == set(PRESETS)
