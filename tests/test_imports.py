"""Who may import whom. Any other arrow between the rooms of the house is a mistake."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
IMAGES = {"numpy", "PIL"}
TORCH = {"torch", "torchvision"}
# Files of a room, a package or a package in it, import the standard library, their own room, and these.
ALLOWED: dict[str, set[str]] = {
    "options": {"tomli"},
    "util": TORCH | IMAGES | {"dominate", "tqdm", "tensorboard", "wandb"},
    "data": {"options", "util", "scipy", "tqdm", "pycocotools"} | TORCH | IMAGES,
    # What the papers define, which knows nothing of faster ways to compute it, nor of training.
    "models.networks": {"util", "torch"},
    "models.tables": {"models.networks", "util", "torch", "triton"},
    "models.segmenters": {"models", "util"} | TORCH,
    "models.methods": {"models", "models.networks", "models.tables", "util", "torch"},
    "models": {"models.networks", "models.tables", "models.methods", "models.segmenters", "util"} | TORCH,
    "trainers": {"models", "data", "evaluation", "options", "util", "torch", "tqdm"},
    "evaluation": {"models", "data", "options", "util"}
    | {"scipy", "tqdm", "dominate", "torch_fidelity", "lpips", "matplotlib"}
    | TORCH
    | IMAGES,
}


def room_of(module: str) -> str:
    """The innermost room that a module belongs to; its top-level package where that is no room."""
    parts = module.split(".")
    names = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((name for name in names if name in ALLOWED), parts[0])


def imported_modules(path: Path) -> set[str]:
    """Dotted names of all modules that a file imports, wherever in it, but for those of the standard library."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            # `from models import tables` may mean a module, too.
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {module for module in modules if module.partition(".")[0] not in sys.stdlib_module_names}


SOURCES = [
    path for top in sorted({room.split(".")[0] for room in ALLOWED}) for path in sorted((ROOT / top).rglob("*.py"))
]


@pytest.mark.parametrize("room", ALLOWED)
def test_files_import_only_what_their_room_may(room):
    allowed = ALLOWED[room] | {room}
    if "models" in ALLOWED[room] and not room.startswith("models"):
        allowed |= {name for name in ALLOWED if name.startswith("models.")}
    for path, modules in imports_of_room(room).items():
        forbidden = sorted(module for module in modules if room_of(module) not in allowed)
        assert not forbidden, f"{path} imports {', '.join(forbidden)}"


def imports_of_room(room: str) -> dict[Path, set[str]]:
    """The modules that each file of a room imports."""
    paths = [path.relative_to(ROOT) for path in SOURCES]
    return {
        path: imported_modules(ROOT / path) for path in paths if room_of(".".join(path.with_suffix("").parts)) == room
    }


def test_every_room_is_there():
    assert {room_of(".".join(path.relative_to(ROOT).with_suffix("").parts)) for path in SOURCES} == set(ALLOWED)


@pytest.mark.parametrize("program", ["train", "test", "evaluate"])
def test_nothing_imports_the_programs(program):
    """Nor do the tools among themselves; rooms cannot, by the table above."""
    for path in (ROOT / "scripts").rglob("*.py"):
        assert program not in {module.split(".")[0] for module in imported_modules(path)}, path
