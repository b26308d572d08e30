"""Who may import whom. Any other arrow between the rooms of the house is a mistake."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "options": set(),
    "util": {"torch", "torchvision", "numpy", "PIL", "dominate", "tqdm", "tensorboard", "wandb"},
    "data": {"options", "util", "torch", "torchvision", "numpy", "PIL", "scipy", "tqdm", "pycocotools"},
    "models": {"util", "torch", "torchvision", "triton"},
    "trainers": {"models", "data", "evaluation", "options", "util", "torch", "tqdm"},
    "evaluation": {"options", "models", "util", "data", "torch", "torchvision", "numpy", "PIL", "tqdm", "dominate"}
    | {"torch_fidelity", "lpips", "matplotlib"},
}


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            rooms |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            rooms.add(node.module.partition(".")[0])
    return rooms - set(sys.stdlib_module_names)


@pytest.mark.parametrize("room", ALLOWED)
def test_rooms_import_only_what_they_may(room):
    files = sorted((ROOT / room).rglob("*.py"))
    assert files
    for path in files:
        forbidden = imported_rooms(path) - ALLOWED[room] - {room}
        assert not forbidden, f"{path.relative_to(ROOT)} imports {', '.join(sorted(forbidden))}"


def test_nothing_imports_the_programs():
    for path in (path for room in ALLOWED for path in (ROOT / room).rglob("*.py")):
        assert not imported_rooms(path) & {"train", "test", "evaluate", "scripts"}, path
