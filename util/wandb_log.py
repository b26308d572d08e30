"""Logging of scalars and images to Weights & Biases; needs the optional package wandb."""

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
    """A run in the project `spade`, named like `run_dir`; a resumed training continues it.

    Args:
        run_dir: the folder of the experiment; holds the run's id and the files of the package.
        config: the options of the training.
    Raises:
        InputError: the package is missing, or cannot start, for example without a login.
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

    def show(self, images_seen: int, images: Mapping[str, np.ndarray]) -> None:
        """Send images, (H, W, 3) uint8 by kind, at step `images_seen`."""
        self._log(images_seen, {kind: self._wandb.Image(image) for kind, image in images.items()})

    def close(self) -> None:
        """Send remaining data and finish the run, as failed if an exception is being handled."""
        self._run.finish(exit_code=1 if sys.exc_info()[0] else 0)

    def _log(self, images_seen: int, values: Mapping[str, Any]) -> None:
        # A training resumed from a checkpoint repeats steps. The site keeps the old values and accepts no new ones;
        # each attempt would print a warning.
        if images_seen >= self._run.step:
            self._run.log(dict(values), step=images_seen)


def _run_id(path: Path) -> str:
    """Return the id in `path`; draw one and save it at the first start."""
    if path.exists() and (run_id := path.read_text(encoding="utf-8").strip()):
        return run_id
    run_id = secrets.token_hex(8)
    with replacing(path) as temporary:
        temporary.write_text(run_id + "\n", encoding="utf-8")
    return run_id
