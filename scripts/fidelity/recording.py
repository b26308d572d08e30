"""A recording of a published implementation: NAME.json with settings and scalars, NAME.npz beside it with arrays.

No weights are stored: the recorder filled its networks by `util.fill`, from names and shapes, and so does the replay.
What is large may stand in NAME_multiscale.npz.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from util.errors import InputError, describe

Results = dict[str, Any]
"""Quantity -> numbers, arrays, strings, and dicts and lists of them."""


@dataclass(frozen=True)
class Recording:
    """The content of the files, inputs and results together."""

    scalars: dict[str, Any]
    arrays: dict[str, np.ndarray]

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
