"""A digest of a set of files: equal for equal contents under equal names, in any folder."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from util.files import checksum, replacing

DIGITS = 16
SETTLED_SECONDS = 2
"""Digests of files changed more recently than this are not cached: a second change might keep the same timestamp."""


def digest_of(files: Mapping[str, Path]) -> str:
    """Return a hexadecimal digest of the names and contents of files.

    As long as paths, sizes and times of the files do not change, the digest is read from `spade/digests` in the user's
    cache folder (XDG_CACHE_HOME, or ~/.cache).

    Raises:
        OSError: a file cannot be read.
    """
    signature, changed = _signature(files)
    kept = cache_folder("digests") / signature
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if len(text := kept.read_text(encoding="utf-8")) == DIGITS:
            return text
    digits = _digits(f"{name}\0{checksum(path)}" for name, path in sorted(files.items()))
    if changed + SETTLED_SECONDS < time.time():
        with contextlib.suppress(OSError), replacing(kept) as temporary:  # without a cache, files are read every time
            temporary.write_text(digits, encoding="utf-8")
    return digits


def _signature(files: Mapping[str, Path]) -> tuple[str, float]:
    """A hash of the files' names, paths, sizes and times, and the time of the latest change in seconds since 1970."""
    states = {name: path.stat() for name, path in files.items()}
    lines = (
        f"{name}\0{files[name].absolute()}\0{state.st_size}\0{state.st_mtime_ns}\0{state.st_ctime_ns}"
        for name, state in sorted(states.items())
    )
    return _digits(lines), max((max(state.st_mtime, state.st_ctime) for state in states.values()), default=0)


def _digits(lines: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(os.fsencode(line) + b"\n")
    return digest.hexdigest()[:DIGITS]


def cache_folder(kind: str) -> Path:
    """The folder for what can be computed again: `spade/KIND` in XDG_CACHE_HOME, or in ~/.cache."""
    given = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(given) if given else Path.home() / ".cache") / "spade" / kind
    except RuntimeError:  # a user without a home folder
        return Path(os.devnull, kind)  # can be neither read nor written
