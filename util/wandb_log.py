"""Weights & Biases: the scalars and pictures of a training on its site, for those who have the package."""

import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from util.errors import InputError
from util.files import replacing
from util.optional import require

PROJECT = "spade"
ID_FILE = "wandb_id.txt"


class WandbLog:
    """One run of the project `spade`, named as `run_dir`; every start of the same training goes on in it.

    Args:
        run_dir: the folder of the experiment; keeps the run's id, and what the package writes.
        config: the options of the training.
    Raises:
        InputError: the package is missing, or refuses to begin (nobody has logged in, for one).
    """

    def __init__(self, run_dir: Path, config: Mapping[str, Any]):
        self._wandb = require("wandb")
        try:
            self._run = self._wandb.init(
                project=PROJECT,
                name=run_dir.name,
                dir=run_dir,
                id=_run_id(run_dir / ID_FILE),
                resume="allow",
                config=dict(config),
            )
        except self._wandb.Error as error:
            raise InputError(
                f"--wandb: {error}; wandb login, or set WANDB_MODE=offline, or leave out --wandb"
            ) from error

    def log(self, images_seen: int, scalars: Mapping[str, float]) -> None:
        """Send `scalars` at step `images_seen`."""
        self._log(images_seen, scalars)

    def show(self, images_seen: int, pictures: Mapping[str, np.ndarray]) -> None:
        """Send `pictures`, (H, W, 3) uint8 by kind, at step `images_seen`."""
        self._log(images_seen, {kind: self._wandb.Image(picture) for kind, picture in pictures.items()})

    def close(self) -> None:
        """Send what is left. The site calls the run failed if this is called while an exception is on its way."""
        self._run.finish(exit_code=1 if sys.exc_info()[0] else 0)

    def _log(self, images_seen: int, values: Mapping[str, Any]) -> None:
        # A training that goes on from a checkpoint repeats steps. The site keeps the old ones and takes no second
        # value; each try would print a warning.
        if images_seen >= self._run.step:
            self._run.log(dict(values), step=images_seen)


def _run_id(path: Path) -> str:
    """Return the id that `path` holds; make one up at the first start."""
    if path.exists() and (run_id := path.read_text(encoding="utf-8").strip()):
        return run_id
    run_id = secrets.token_hex(8)
    with replacing(path) as temporary:
        temporary.write_text(run_id + "\n", encoding="utf-8")
    return run_id
