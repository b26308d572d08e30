"""The README's promises about files and commands."""

import re
from pathlib import Path

from data import PRESETS
from options import TestOptions, TrainOptions
from options.field import declared_options

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
ROOMS = ("data", "models", "options", "scripts", "trainers", "util")


def test_every_link_to_a_file_works():
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_code_map_has_every_file():
    files = {path for room in ROOMS for path in (ROOT / room).rglob("*.py") if path.read_text().strip()}
    files |= {*ROOT.glob("*.py"), *(ROOT / "scripts").glob("*.sh")}
    missing = sorted(str(path.relative_to(ROOT)) for path in files if f"]({path.relative_to(ROOT)})" not in README)
    assert missing == []


def test_every_flag_and_data_set_it_names_exists():
    spellings = {
        spelling
        for program in (TrainOptions, TestOptions)
        for option in declared_options(program).values()
        for spelling in option.spellings
    }
    commands = re.findall(r"(?<=`)python (?:train|test)\.py[^`]*|^python (?:train|test)\.py.*$", README, re.MULTILINE)
    assert len(commands) > 5
    flags = {flag for command in commands for flag in re.findall(r"--\w+", command)} - {"--help"}
    assert flags <= spellings
    assert set(re.findall(r"--dataset_mode ([a-z]\w+)", README)) == set(PRESETS)
