"""Text files are UTF-8, whatever the locale: every call that opens one says so."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("data", "evaluation", "models", "options", "scripts", "trainers", "util")


def opens_text(call: ast.Call) -> bool:
    """Whether a call opens a text file without naming its encoding. (Other things with an `open` take no mode.)"""
    function, named = call.func, {keyword.arg for keyword in call.keywords}
    if "encoding" in named:
        return False
    if isinstance(function, ast.Attribute) and function.attr in ("read_text", "write_text"):
        return True
    if isinstance(function, ast.Attribute) and function.attr == "open":
        mode = call.args[0] if call.args else None
    elif isinstance(function, ast.Name) and function.id == "open":
        mode = call.args[1] if len(call.args) > 1 else None
    else:
        return False
    return mode is None or (isinstance(mode, ast.Constant) and "b" not in mode.value)


def test_every_text_file_is_opened_as_utf8():
    files = [*ROOT.glob("*.py"), *(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))]
    assert len(files) > 100
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and opens_text(node)
    ]
    assert found == []
