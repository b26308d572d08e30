"""Published weights of frozen networks, from a file of the user or from the one that `util/weight_files.py` finds."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from models.weights import read_weights
from util.errors import InputError
from util.weight_files import WEIGHT_FILES, fetch_weights


def read_published(name: str, given: str | Path | None, may_download: bool) -> tuple[Path, dict[str, Tensor]]:
    """Path and state dict of the weights of a network.

    Args:
        name: key of `WEIGHT_FILES`.
        given: the user's file; None for the one in torch hub's folder of checkpoints, downloaded if it is missing.
        may_download: whether a missing file may be downloaded.
    Raises:
        InputError: the file is missing, damaged, or holds something other than tensors.
    """
    path = Path(given) if given else fetch_weights(name, may_download)
    try:
        state = read_weights(path)
    except InputError as error:
        advice = WEIGHT_FILES[name].advice()
        if given:
            raise InputError(f"{WEIGHT_FILES[name].option} {error}; {advice}") from None
        raise InputError(f"{error}; move it away to download it again, or {advice}") from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise mismatch_error(name, given, path, "something other than a state dict of tensors")
    return path, state


def mismatch_error(name: str, given: str | Path | None, path: Path, what: str = "another network") -> InputError:
    """The error for a weight file whose contents, `what`, do not fit network `name`."""
    prefix = f"{WEIGHT_FILES[name].option} " if given else ""
    return InputError(f"{prefix}{path}: holds {what}; {WEIGHT_FILES[name].advice()}")
