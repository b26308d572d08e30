"""Every test belongs to a tier, and what starts programs is not one of those that run while working."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


@pytest.mark.parametrize("path", sorted((TESTS / "scripts").rglob("test_*.py")), ids=lambda path: path.stem)
def test_tests_of_scripts_are_those_of_tools(path):
    assert re.search(r"^pytestmark = \[?\s*pytest\.mark\.tools\b", path.read_text(), re.MULTILINE)


def test_unit_tests_start_no_programs():
    starts = re.compile(r"^(import subprocess|from tests\.worlds import|from tests\.runs import)", re.MULTILINE)
    marked = re.compile(r"^(pytestmark = \[?|@)\s*pytest\.mark\.(system|tools)\b", re.MULTILINE)
    files = [(path.relative_to(TESTS), path.read_text()) for path in TESTS.rglob("test_*.py")]
    assert [str(path) for path, text in files if starts.search(text) and not marked.search(text)] == []
