"""Short trainings for tests, and whether two of them ended the same."""

from __future__ import annotations

import contextlib
import io
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import torch

import train as train_program
from data.skipping import collate
from tests.worlds import run_together

TINY = (
    "--crop_size 64 --ngf 2 --ndf 2 --conditioning concat --norm_G spectralsyncbatch --no_vgg_loss --gpu_ids -1 "
    "--batchSize 2"
)
"""Small networks whose steps take little time: the label map is concatenated, as in a row of table 3."""
ALL_PARTS = f"{TINY} --use_vae --z_dim 4 --ema 0.9"
SHORT = "--max_dataset_size 8 --niter 3 --save_latest_freq 4 --save_epoch_freq 2 --no_html --no_tensorboard"


BY_TWO = ("--niter", "2")
"""Flags of a training by two processes, whose steps take longer: eight steps."""


def command(folder: Path, name: str, *more: str) -> list[str]:
    """Flags of a training of twelve steps, which saves in every second one and goes on where it stopped."""
    return [
        *shlex.split(f"{ALL_PARTS} {SHORT}"),
        "--checkpoints_dir",
        str(folder),
        "--name",
        name,
        "--auto_resume",
        *more,
    ]


def train(argv: list[str]) -> tuple[int, str]:
    """A job for another process: train; return the exit status and what was printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            status = train_program.main(argv)
        except SystemExit as stop:
            status = stop.code
    return status, printed.getvalue()


def finish(processes: int, argv: list[str], job: Callable = train) -> list[str]:
    """Train to the end in processes of their own; return what each printed."""
    done = run_together(processes, job, argv)
    assert [status for status, _ in done] == [0] * processes, done
    return [printed for _, printed in done]


def train_in_float64(argv: list[str]) -> tuple[int, str]:
    """The same in 64 bits, in which rounding, multiplied by the steps of a training, remains small."""
    torch.set_default_dtype(torch.float64)

    def collate_in_float64(samples: list[dict]) -> dict:
        batch = collate(samples)
        return {
            name: value.double() if torch.is_tensor(value) and value.is_floating_point() else value
            for name, value in batch.items()
        }

    with mock.patch("data.loader.collate", collate_in_float64):
        return train(argv)


def contents(run: Path) -> dict[str, dict]:
    """Everything that a finished run has to show for itself: networks under all names, and the state behind them."""
    newest = max((run / "saves").iterdir())
    files = {path.name: path for path in [*run.glob("*_net_*.pth"), newest / "training_state.pth"]}
    return {name: torch.load(path, weights_only=True) for name, path in files.items()}


def differences(one, other, path: str = "") -> list[str]:
    """Where two nested structures differ, in the last bit or more."""
    if isinstance(one, torch.Tensor):
        return [] if torch.equal(one, other) else [path]
    if isinstance(one, dict):
        if one.keys() != other.keys():
            return [f"{path}: {one.keys() ^ other.keys()}"]
        return [place for key in one for place in differences(one[key], other[key], f"{path}/{key}")]
    if isinstance(one, (list, tuple)):
        pairs = enumerate(zip(one, other, strict=True))
        return [place for i, pair in pairs for place in differences(*pair, f"{path}/{i}")]
    return [] if one == other else [f"{path}: {one} and {other}"]


def wait_for(happening: Callable[[], object], patience_seconds: float = 90) -> None:
    """Return as soon as something is so."""
    deadline = time.monotonic() + patience_seconds
    while not happening():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.0005)
