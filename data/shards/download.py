"""Shards of a web server, downloaded when they are first read, once for all processes of a machine."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from util.errors import InputError
from util.fetch import Expected, Patience, fetch

PATIENCE = Patience(attempts=4, unanswered=3, timeout=30)


def kept_shard(path: Path, address: str, size: int, sha256: str) -> Path:
    """The tar `path`, downloaded from `address` if it is not there yet; a torn download goes on where it stopped.

    Raises:
        InputError: it cannot be downloaded, or has another checksum.
    """
    if not _is_whole(path, size):
        with alone(path):
            if not _is_whole(path, size):  # by the process that was waited for
                fetch(address, path, Expected(size=size, sha256=sha256), PATIENCE)
    return path


def kept_index(path: Path, address: str) -> Path:
    """The index `path`, downloaded anew from `address`. Raises `InputError` if that fails."""
    new = path.with_name(f"{path.name}.new")
    with alone(path):
        new.unlink(missing_ok=True)
        fetch(address, new, patience=PATIENCE)
        new.replace(path)  # others may be reading the one that is there
    return path


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Within this block no other process of this machine makes `path`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f".{path.name}.lock").open("a", encoding="utf-8")  # stays: see RunLock
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); name another --cache_dir") from error
    with lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        yield


def _is_whole(path: Path, size: int) -> bool:
    """Whether a tar is there. `fetch` gives it its name when its checksum is right."""
    return path.is_file() and path.stat().st_size == size
