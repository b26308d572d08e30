"""Writes the stand-ins that tests put in place of programs the scripts start."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from data import PRESETS, create_dataset
from options import TestOptions, TrainOptions, parse_options

ROOT = Path(__file__).parents[2]
CHECK = "-m scripts.prepare check"
PREPARE = "-m scripts.prepare instances"
OUTDOOR = "-m scripts.prepare outdoor"


def write_program(path: Path, body: str) -> Path:
    """An executable bash script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/usr/bin/env bash\nset -euo pipefail\n{body}\n")
    path.chmod(0o755)
    return path


class Scripts:
    """Runs scripts of the project with this interpreter instead of `.venv`, and with stand-ins on PATH.

    Calls that begin with words in `stubbed` are not run, only noted, as is every other call of Python: see `calls`.
    """

    def __init__(self, folder: Path):
        self.folder, self.log = folder, folder / "calls.log"
        self.stubbed: set[str] = set()
        folder.mkdir()
        self.log.touch()

    def stub(self, name: str, body: str) -> None:
        write_program(self.folder / "bin" / name, body)

    def run(self, script: str, *args, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess:
        noted = " | ".join(f'"{words}"*' for words in sorted(self.stubbed)) or "-"
        python = write_program(
            self.folder / "interpreter" / "python",
            f'printf "%s\\n" "$*" >>{self.log}\ncase "$*" in {noted}) exit 0 ;; esac\nexec {sys.executable} "$@"',
        )
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "SPADE_PYTHON": str(python), "OMP_NUM_THREADS": "1", **variables}
        command = ["bash", str(ROOT / "scripts" / script), *map(str, args)]
        return subprocess.run(
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
        )

    def calls(self, program: str) -> list[str]:
        """Arguments of every call of a program so far."""
        lines = self.log.read_text().splitlines()
        return [line.removeprefix(program).strip() for line in lines if line.startswith(program)]


def is_missing(module: str) -> str | None:
    """Why what needs a module of others cannot be tested; None if it can."""
    return None if importlib.util.find_spec(module) else f"{module} is not installed"


def checks(mode: str, root: Path) -> list[str]:
    """How scripts.prepare check is called for a new data set."""
    return [f"--dataset_mode {mode} --dataroot {root} --phase {phase}" for phase in ("train", "test")]


def samples(mode: str, root: Path) -> tuple[int, int]:
    """How many samples training and testing find; each is read."""
    flags = ["--dataset_mode", mode, "--dataroot", str(root)]
    counts = []
    for program in (TrainOptions, TestOptions):
        dataset = create_dataset(parse_options(program, flags, PRESETS))
        counts.append(len([dataset[index] for index in range(len(dataset))]))
    return counts[0], counts[1]
