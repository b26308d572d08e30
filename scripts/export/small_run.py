"""A run in fewer bits: a folder with options and networks that test.py reads, small enough to give away."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from torch import Tensor

from models.eight_bits import store_state_in_8_bits
from models.pix2pix_model import Pix2PixModel
from options.saved import SAVED_NAME
from scripts.export.options import ExportOptions
from trainers.published_names import LATEST, network_path
from util.errors import InputError
from util.files import replacing

CARD = "README.md"
"""A file of one's own about the networks, which may lie in the folder."""


def in_fewer_bits(state: dict[str, Tensor], precision: str) -> dict[str, Tensor]:
    """A state dict in float32, float16 or int8."""
    if precision == "int8":
        return store_state_in_8_bits(state)
    dtype = torch.float16 if precision == "float16" else torch.float32
    return {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def check_folder(opt: ExportOptions) -> None:
    """Raise an `InputError` for a run without options, and for a folder that holds anything, such as this very run."""
    if not (opt.run_dir / SAVED_NAME).is_file():
        raise InputError(f"{opt.run_dir / SAVED_NAME}: no such file; --format run copies it beside the networks")
    if opt.output_path.exists():
        others = sorted(path.name for path in opt.output_path.iterdir() if path.name != CARD)
        if others:
            raise InputError(f"--output {opt.output_path}: holds {others[0]} already; name a new folder")


def write_run(opt: ExportOptions, live: Pix2PixModel, generator: dict[str, Tensor]) -> list[Path]:
    """Write the generator's state dict, E in 32 bits if there is one, and the options; return the networks' paths."""
    states = {"G": generator} | ({"E": live.netE.state_dict()} if live.netE is not None else {})
    paths = {letter: path for letter, path in _network_files(opt.output_path).items() if letter in states}
    for letter, path in paths.items():
        with replacing(path) as temporary:
            torch.save(states[letter], temporary)
    with replacing(opt.output_path / SAVED_NAME) as temporary:
        shutil.copyfile(opt.run_dir / SAVED_NAME, temporary)
    return list(paths.values())


def _network_files(folder: Path) -> dict[str, Path]:
    return {letter: network_path(folder, LATEST, letter) for letter in ("G", "E")}
