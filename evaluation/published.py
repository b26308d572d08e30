"""Published weights of networks that scores need, checked by their hash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from models.published import read_published
from util.files import checksum
from util.warn import warn_once
from util.weight_files import WEIGHT_FILES


def read_measuring(name: str, given: str | None, may_download: bool) -> tuple[Path, dict[str, Tensor], dict[str, Any]]:
    """Path, state dict and facts for the protocol of a network of `WEIGHT_FILES`.

    A file with another hash than the published one is used, with a warning. Raises as `read_published` does.

    Returns:
        path and state dict, as `read_published`; {"weights": file name, "weights_sha256": hexadecimal digits,
        "weights_published": whether the file is the published one}.
    """
    path, state = read_published(name, given, may_download)
    digest, wanted = checksum(path), WEIGHT_FILES[name].sha256
    if not digest.startswith(wanted):
        warn_once(
            f"{path}: not the published weights (its SHA-256 starts with {digest[:8]}, theirs with {wanted}): numbers "
            "are not comparable with those of others"
        )
    facts = {"weights": path.name, "weights_sha256": digest, "weights_published": digest.startswith(wanted)}
    return path, state, facts
