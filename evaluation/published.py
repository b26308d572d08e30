"""Weight files that others have published: found on disk or fetched when allowed, read safely, told by their hash."""

from __future__ import annotations

import sys
import urllib.error
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.weights import read_weights
from util.distributed import World
from util.errors import InputError
from util.files import checksum


@dataclass(frozen=True)
class PublishedWeights:
    """Where the weights of a network that measures come from.

    Attributes:
        what: the network and what it is for, as the subject of a message.
        names: file names under which the weights are published; the first is that of `url`.
        url: their address.
        sha256: the first digits of the file's SHA-256.
        option: how a user gives the file.
        otherwise: what a user without the file can do.
    """

    what: str
    names: tuple[str, ...]
    url: str
    sha256: str
    option: str
    otherwise: str

    def read(self, given: str | None, allow_download: bool) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The state dict, and which file it is from.

        Args:
            given: a file; else one in torch hub's folder of checkpoints (which TORCH_HOME moves); else, if allowed,
                a download into that folder.
        Returns:
            tensors by name; {"weights": file name, "weights_sha256": hex digits, "weights_published": whether the
            file is the published one}. Another file is used all the same, and a warning says so once.
        Raises:
            InputError: no file, a damaged one, or one that holds something else than tensors.
        """
        path = Path(given) if given else self._cached() or self._fetched(allow_download)
        prefix = f"{self.option} " if given else ""
        try:
            state = read_weights(path)
        except InputError as error:
            raise InputError(f"{prefix}{error}; {self._advice()}") from None
        if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
            raise InputError(f"{prefix}{path}: holds something else than a state dict of tensors; {self._advice()}")
        digest = checksum(path)
        published = digest.startswith(self.sha256)
        if not published:
            _warn_once(
                f"{path}: not the published weights (its SHA-256 starts with {digest[:8]}, theirs with {self.sha256}): "
                "numbers are not comparable with those of others"
            )
        return state, {"weights": path.name, "weights_sha256": digest, "weights_published": published}

    def misfit(self, given: str | None, facts: dict[str, Any]) -> InputError:
        """The error for a file that `read` has read, and that holds another network."""
        file = f"{self.option} {given}" if given else _cache() / facts["weights"]
        return InputError(f"{file}: holds another network; {self._advice()}")

    def _cached(self) -> Path | None:
        return next((path for name in self.names if (path := _cache() / name).is_file()), None)

    def _fetched(self, allowed: bool) -> Path:
        if not allowed:
            raise InputError(f"{self.what} are not on this machine: {self._advice(', or let --allow_download get it')}")
        path = _cache() / self.names[0]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(self.url, str(path), hash_prefix=self.sha256)
        except (urllib.error.URLError, OSError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{self.what} cannot be downloaded ({reason}): {self._advice()}") from None
        return path

    def _advice(self, more: str = "") -> str:
        return (
            f"get {self.names[0]} from {self.url} (its SHA-256 starts with {self.sha256}) and give it with "
            f"{self.option} FILE, or put it into {_cache()}{more}, {self.otherwise}"
        )


def _cache() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


_said: set[str] = set()


def _warn_once(text: str) -> None:
    if text not in _said and World.from_environment().is_main:
        print(f"warning: {text}", file=sys.stderr)
    _said.add(text)
