"""Writing files atomically and without replacing files of other programs; checksums and sizes of files."""

import contextlib
import hashlib
import itertools
import mmap
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from util.errors import InputError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, and rename it to `path` if the block succeeds.

    Makes missing folders. After an error `path` is unchanged and the temporary file is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A short name of its own: the final one may already be as long as the file system allows.
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)  # noqa: PTH105 (the call that is atomic on every system, by its own name)
    finally:
        temporary.unlink(missing_ok=True)


def refuse_foreign(flag: str, path: Path, what: str, *marks: bytes) -> None:
    """Raise an `InputError` if `path` is a file of another kind, which must not be replaced; empty files may be.

    Args:
        flag: the option that names the file.
        what: the expected kind, for the message: "page of scripts.compare".
        marks: byte strings that every file of this kind holds.
    """
    path = Path(path)
    if not path.is_file() or not path.stat().st_size:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        is_foreign = any(content.find(mark) < 0 for mark in marks)
    if is_foreign:
        raise InputError(
            f"{flag} {path}: is there already and is no {what}, so it is not replaced; name another file, or move that "
            f"one away"
        )


def remove_temporaries(folder: Path, older_than: float = 0) -> None:
    """Remove temporary files that `replacing` left in `folder` and its subfolders because its process was killed.

    Args:
        older_than: seconds since the last write; 0 only if no other process writes there.
    """
    for path in folder.rglob(f".{'[0-9a-f]' * 32}.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime >= older_than:
                path.unlink()


def set_aside(path: Path) -> Path:
    """Rename a file to the first free name of NAME.old1, NAME.old2, ...; return its new path."""
    asides = (path.with_name(f"{path.name}.old{number}") for number in itertools.count(1))
    return path.rename(next(aside for aside in asides if not os.path.lexists(aside)))


def name_for_damaged(path: Path) -> Path:
    """The first free name of NAME.damaged, NAME.damaged2, ..., under which a damaged file is kept."""
    names = (path.with_name(f"{path.name}.damaged{number if number > 1 else ''}") for number in itertools.count(1))
    return next(name for name in names if not os.path.lexists(name))


# First bytes, in lower case, of files that servers send under the name of another -> what they are.
IMPOSTORS = {
    b"<!doctype html": "a web page",
    b"<html": "a web page",
    b"<?xml": "an XML answer of a server",
    b"version https://git-lfs": "a pointer of Git LFS in place of the file",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"rar!": "a RAR archive",
}


def impostor(path: Path) -> str | None:
    """What a file is, contrary to its name: "a web page", "empty"; None if its first bytes do not tell."""
    with path.open("rb") as file:
        start = file.read(512).lstrip().lower()
    if not start:
        return "empty"
    return next((what for beginning, what in IMPOSTORS.items() if start.startswith(beginning)), None)


def checksum(path: Path, algorithm: str = "sha256") -> str:
    """Hash of a file of any size, in hexadecimal digits (hashlib.file_digest does this from Python 3.11 on)."""
    digest = hashlib.new(algorithm)
    with path.open("rb") as file:  # `path` may be of a kind that opens itself
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def readable_size(size: int) -> str:
    """Format a number of bytes: 18.3 GB."""
    value, units = float(size), iter(("B", "kB", "MB", "GB"))
    unit = next(units)
    while value >= 1000 and unit != "GB":
        value, unit = value / 1000, next(units)
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
