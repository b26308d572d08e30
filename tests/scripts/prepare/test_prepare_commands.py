"""The table of subcommands: each is listed and has complete help."""

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.prepare.__main__ import COMMANDS, main

pytestmark = pytest.mark.tools
ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("words, status, stream", [([], 2, "err"), (["--help"], 0, "out")])
def test_without_a_command_all_of_them_are_listed(words, status, stream, capsys):
    assert main(words) == status
    printed = getattr(capsys.readouterr(), stream)
    for name, purpose in COMMANDS.items():
        assert f"    {name} " in printed and purpose in printed


def test_the_table_has_every_module_of_commands():
    modules = {path.stem for path in (ROOT / "scripts" / "prepare").glob("*.py")}
    assert modules - {"__init__", "__main__", "arguments", "write_data"} == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_names_it_and_holds_its_whole_docstring(name, capsys):
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"usage: python -m scripts.prepare {name} ")
    assert sys.modules[f"scripts.prepare.{name}"].__doc__.strip() in printed


@pytest.mark.parametrize(
    ("word", "hint"), [("chek", "did you mean check?"), ("zzz", "use one of bank, check, convert_labels")]
)
def test_an_unknown_command_is_one_line_and_status_2(word, hint, capsys):
    assert main([word]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"python -m scripts.prepare: error: {word}: no such command; {hint}")
    assert said.count("\n") == 1


def test_the_list_is_printed_without_the_libraries_of_the_commands():
    code = "import sys; from scripts.prepare.__main__ import main; main([]); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
