"""Published weights of frozen networks: from a file that the user gives, or that `util/weight_files.py` finds."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from models.weights import read_weights
from util.errors import InputError
from util.weight_files import WEIGHT_FILES, fetch_weights


def read_published(name: str, given: str | Path | None, may_download: bool) -> tuple[Path, dict[str, Tensor]]:
    """The file of a network of `WEIGHT_FILES`, and its tensors by name.

    Args:
        given: a file; else one in torch hub's folder of checkpoints; else a download into it.
        may_download: whether it may be downloaded if it is nowhere.
    Raises:
        InputError: no file, a damaged one, or one that holds something else than tensors.
    """
    path = Path(given) if given else fetch_weights(name, may_download)
    try:
        state = read_weights(path)
    except InputError as error:
        advice = WEIGHT_FILES[name].advice()
        if given:
            raise InputError(f"{WEIGHT_FILES[name].option} {error}; {advice}") from None
        raise InputError(f"{error}; move it away to have it fetched anew, or {advice}") from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise misfit(name, given, path, "something else than a state dict of tensors")
    return path, state


def misfit(name: str, given: str | Path | None, path: Path, what: str = "another network") -> InputError:
    """The error for a file of `read_published` that holds something else than its network."""
    prefix = f"{WEIGHT_FILES[name].option} " if given else ""
    return InputError(f"{prefix}{path}: holds {what}; {WEIGHT_FILES[name].advice()}")
