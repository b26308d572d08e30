"""Checks, before anything is scored, that the files of an evaluation can be written and replace nothing else."""

from __future__ import annotations

from pathlib import Path

from util.errors import InputError
from util.files import refuse_foreign, replacing

# For each option, the usual name of its file, a description, and bytes that every such file contains.
WRITTEN = {
    "--output": ("scores.json", "file of scores", b'"protocol_hash"', b'"scores"'),
    "--save_real_statistics": ("real.npz", "file that --save_real_statistics wrote", b"mu.npy", b"facts.npy"),
}


def check_writable(flag: str, path: Path) -> None:
    """Raise an `InputError` now, rather than after hours, if the file of `flag` cannot be written or is foreign.

    Args:
        flag: a key of `WRITTEN`.
    """
    name, what, *marks = WRITTEN[flag]
    if path.is_dir():
        raise InputError(f"{flag} {path}: is a folder; name a file in it, such as {path / name}")
    refuse_foreign(flag, path, what, *marks)
    try:
        with replacing(path.with_name(f".{path.name}.probe")) as temporary:
            temporary.touch()
            raise _Writable
    except _Writable:
        return
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); give {flag} FILE") from None


class _Writable(Exception):  # noqa: N818 (not an error)
    """Leaves the block of `replacing` before the file is replaced."""
