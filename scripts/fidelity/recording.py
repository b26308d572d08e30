"""A recording of a published implementation: NAME.json with settings and scalars, NAME.npz beside it with arrays.

No weights are stored: the recorder filled its networks by `util.fill`, from names and shapes, and so does the replay.
What is large may stand in NAME_multiscale.npz.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from util.errors import InputError, describe

CPU = torch.device("cpu")
Results = dict[str, Any]
"""Quantity -> numbers, arrays, strings, and dicts and lists of them."""


@dataclass(frozen=True)
class Recording:
    """The content of the files, inputs and results together; a replay computes on `device`."""

    scalars: dict[str, Any]
    arrays: dict[str, np.ndarray]
    device: torch.device = CPU

    @classmethod
    def read(cls, path: Path) -> Recording:
        """Read NAME.json and the arrays beside it. Raises `InputError` for files that are missing or broken."""
        arrays: dict[str, np.ndarray] = {}
        more = path.with_name(f"{path.stem}_multiscale.npz")
        try:
            scalars = json.loads(path.read_text(encoding="utf-8"))
            for file in (path.with_suffix(".npz"), *([more] if more.exists() else [])):
                with np.load(file) as content:
                    arrays |= dict(content)
        except (OSError, ValueError) as error:
            reason = describe(error) if isinstance(error, OSError) else error
            raise InputError(f"{path}: not a recording (NAME.json with NAME.npz beside it): {reason}") from None
        if not isinstance(scalars, dict):
            raise InputError(f"{path}: not a recording (NAME.json with NAME.npz beside it)")
        return cls(scalars, arrays)

    def without(self, inputs: Collection[str], input_arrays: Collection[str]) -> Results:
        """Everything that is compared: all scalars and arrays but those that define networks and inputs."""
        scalars = {name: value for name, value in self.scalars.items() if name not in inputs}
        return scalars | {name: value for name, value in self.arrays.items() if name not in input_arrays}

    def batch(self) -> dict[str, Tensor]:
        """The recorded samples: labels (N, H, W) int64, and image (N, 3, H, W) in [-1, 1]."""
        return {"labels": self.ids("label"), "image": self.tensor("image").float() / 127.5 - 1}

    def ids(self, name: str) -> Tensor:
        """A recorded map (N, 1, H, W) of labels or instances, as (N, H, W) int64."""
        return self.tensor(name)[:, 0].long()

    def tensor(self, name: str) -> Tensor:
        """A recorded array on the device."""
        return torch.from_numpy(self.arrays[name]).to(self.device)
