"""Weights of networks that measure, and the hash that tells whether they are the published ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from models.published import read_published
from util.files import checksum
from util.warn import warn_once
from util.weight_files import WEIGHT_FILES


def read_measuring(name: str, given: str | None, may_download: bool) -> tuple[Path, dict[str, Tensor], dict[str, Any]]:
    """The file, the tensors by name, and the facts that travel with a score, of a network of `WEIGHT_FILES`.

    Returns:
        file and tensors as `read_published`, whose errors these are; {"weights": file name, "weights_sha256": hex
        digits, "weights_published": whether the file is the published one}. Another file is used all the same, and a
        warning says so once.
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
