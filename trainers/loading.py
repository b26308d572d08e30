"""Loads the networks of a run for testing."""

from __future__ import annotations

from pathlib import Path

from models import METHODS
from models.pix2pix_model import Pix2PixModel
from models.weights import fit_network, read_weights
from options import TrainOptions
from options.model import ModelOptions
from trainers.published_names import EMA, LATEST, describe_available, find_network
from trainers.saves import Saves
from util.errors import InputError
from util.warn import warn


def check_label_maps_suffice(opt: ModelOptions | TrainOptions) -> None:
    """Raise an `InputError` for runs whose images need more than a label map, instances and a latent."""
    run = f"{opt.run_dir}: " if opt.is_saved else ""
    if not METHODS[opt.method].is_exported:
        raise InputError(f"{run}--method {opt.method} needs more than a label map; generate with test.py")
    if opt.instance_feat or opt.label_feat:
        flag = "instance_feat" if opt.instance_feat else "label_feat"
        raise InputError(f"{run}--{flag} needs features of photos; generate with test.py")


def load_networks(run_dir: Path, label: str, model: Pix2PixModel, averaged: bool = True) -> list[Path]:
    """Load every network of `model` for testing; return the files, the generator's first.

    Args:
        averaged: load the average of the generator if there is one.
    Raises:
        InputError: a file is missing (the message lists the available labels), unreadable, or of another architecture.
    """
    paths = {letter: find_network(run_dir, label, letter) for letter in model.networks}
    average = find_network(run_dir, label, EMA)
    if averaged and average.exists():
        paths["G"] = average
    for letter, path in paths.items():
        if not path.exists():
            raise InputError(f"{path}: no such file; {describe_available(run_dir, letter)}")
    paths, states = _read_all(run_dir, paths, fall_back=label == LATEST)
    for letter, path in paths.items():
        fit_network(model.networks[letter], states[letter], path)
    return list(paths.values())


def _read_all(run_dir: Path, paths: dict[str, Path], fall_back: bool) -> tuple[dict[str, Path], dict[str, dict]]:
    """Files and their contents by letter; with `fall_back`, those of an earlier save if one of the files is damaged."""
    try:
        return paths, {letter: read_weights(path) for letter, path in paths.items()}
    except InputError as error:
        wanted = {letter: path.name.removeprefix(f"{LATEST}_") for letter, path in paths.items()}
        for save in Saves(run_dir).all() if fall_back else ():
            if set(wanted.values()) <= set(save.files) and save.damage() is None:
                warn(f"{error}: the networks of {save.path} are used instead")
                earlier = {letter: save.file(name) for letter, name in wanted.items()}
                return earlier, {letter: read_weights(path) for letter, path in earlier.items()}
        raise
