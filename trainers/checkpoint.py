"""The files of a run: bare state dicts of the networks, and beside them what training needs to go on."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any, Protocol

import torch

from models.pix2pix_model import Pix2PixModel
from models.weights import load_network, read_weights
from trainers.pix2pix_trainer import Pix2PixTrainer
from util.errors import InputError
from util.files import replacing
from util.progress import Progress

LATEST = "latest"


class Stateful(Protocol):
    """Anything whose state is a dict of numbers and tensors."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


def network_path(run_dir: Path, label: str, letter: str) -> Path:
    """`latest_net_G.pth`, `20_net_D.pth`: the published names, holding bare state dicts."""
    return run_dir / f"{label}_net_{letter}.pth"


def load_networks(run_dir: Path, label: str, model: Pix2PixModel) -> None:
    """Load every network of `model` for testing.

    Raises:
        InputError: a file is missing (the message lists the labels there are), unreadable, or of another architecture.
    """
    for letter, network in model.networks.items():
        path = network_path(run_dir, label, letter)
        if not path.exists():
            raise InputError(f"{path}: no such file; {_what_there_is(run_dir, letter)}")
        load_network(network, path)


def save_checkpoint(run_dir: Path, label: str, trainer: Pix2PixTrainer, progress: Stateful) -> None:
    """Save the networks under `label`; with the label `latest` also the state behind them.

    Raises:
        NonFiniteLossError: training has gone wrong, so the files of the last good state are kept as they are.
    """
    trainer.finite.check()
    for letter, network in trainer.model.networks.items():
        state = {name: tensor.cpu() for name, tensor in network.state_dict().items()}
        _save(state, network_path(run_dir, label, letter))
    if label == LATEST:
        _save(training_state(trainer, progress), run_dir / f"{LATEST}_training_state.pth")


def set_aside(run_dir: Path) -> Path | None:
    """Move an earlier run of the same name out of the way, so that a new one cannot overwrite its networks.

    Returns:
        its new folder, or None if there was nothing to lose.
    """
    if not any(run_dir.glob("*_net_*.pth")):
        return None
    numbers = itertools.count(1)
    aside = next(path for number in numbers if not (path := run_dir.with_name(f"{run_dir.name}.old{number}")).exists())
    return run_dir.rename(aside)


def training_state(trainer: Pix2PixTrainer, progress: Stateful) -> dict[str, Any]:
    """Everything but the networks that decides how training goes on. Saving and restoring read the same list."""
    return {name: part.state_dict() for name, part in _stateful_parts(trainer, progress).items()} | {
        "random": _random_state()
    }


def restore_checkpoint(run_dir: Path, label: str, trainer: Pix2PixTrainer, progress: Progress) -> None:
    """Bring trainer and progress to where a run stopped. Whatever is missing is named on standard error.

    Raises:
        InputError: there is no generator to go on from, or a file does not fit.
    """
    if not network_path(run_dir, label, "G").exists():
        raise InputError(
            f"--continue_train: {network_path(run_dir, label, 'G')} does not exist; {_what_there_is(run_dir, 'G')}"
        )
    for letter, network in trainer.model.networks.items():
        path = network_path(run_dir, label, letter)
        if path.exists():
            load_network(network, path)
        else:
            _warn(f"{path} is missing: net{letter} starts from new weights")

    path = run_dir / f"{LATEST}_training_state.pth"
    if label == LATEST and path.exists():
        _restore_state(read_weights(path), path, trainer, progress)
    else:
        _warn(f"{path} does not belong to {label} or is missing: optimisers start anew")
        progress.load_state_dict(_progress_of_label(run_dir, label, progress))


def _restore_state(state: dict[str, Any], path: Path, trainer: Pix2PixTrainer, progress: Stateful) -> None:
    try:
        for name, part in _stateful_parts(trainer, progress).items():
            part.load_state_dict(state[name])
        _set_random_state(state["random"])
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"{path}: does not fit this run ({error!r}); delete it to start the optimisers anew") from None


def _stateful_parts(trainer: Pix2PixTrainer, progress: Stateful) -> dict[str, Stateful]:
    return {**trainer.optimizers, "trainer": trainer, "progress": progress}


def _progress_of_label(run_dir: Path, label: str, progress: Progress) -> dict[str, int]:
    """Where to go on when only networks are there: after the epoch `label`, or at `iter.txt` of the published code."""
    if label.isdecimal():
        epoch, images_this_epoch = int(label) + 1, 0
    else:
        try:
            epoch, images_this_epoch = (int(line) for line in (run_dir / "iter.txt").read_text().split())
        except (OSError, ValueError):
            _warn(f"{run_dir / 'iter.txt'}: no epoch to read there either: counting starts from epoch 1")
            epoch, images_this_epoch = 1, 0
    images_seen = (epoch - 1) * progress.images_per_epoch + images_this_epoch
    return {"epoch": epoch, "images_this_epoch": images_this_epoch, "images_seen": images_seen}


def _random_state() -> dict[str, Any]:
    return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []}


def _set_random_state(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["cpu"])
    if len(state["cuda"]) == torch.cuda.device_count() > 0:
        torch.cuda.set_rng_state_all(state["cuda"])


def _save(content: dict[str, Any], path: Path) -> None:
    with replacing(path) as temporary:
        torch.save(content, temporary)


def _what_there_is(run_dir: Path, letter: str) -> str:
    suffix = f"_net_{letter}.pth"
    labels = sorted(path.name.removesuffix(suffix) for path in run_dir.glob(f"*{suffix}"))
    if labels:
        return f"--which_epoch may be {', '.join(labels)}"
    runs = sorted(path.name for path in run_dir.parent.glob("*/") if any(path.glob(f"*{suffix}")))
    return f"runs in {run_dir.parent}: {', '.join(runs) or 'none'} (--name, --checkpoints_dir)"


def _warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr)
