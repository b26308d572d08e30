"""Saves on disk: folders that are written atomically, so that each is complete or does not exist.

    run/saves/000012/net_G.pth            any number of files
                     manifest.json        size and SHA-256 of each file; a folder without it is not a save
    run/latest_net_G.pth                  the published names: links to the files of a save

A folder is written under a temporary name, every file of it is flushed to disk, the manifest last, and then the folder
is renamed. So after a kill or a power failure, the newest save is the last one or this one. A save is renamed before it
is removed. The next save removes what a killed process left under temporary names. Saves of a run are numbered.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch

from util.errors import InputError
from util.files import checksum, remove_temporaries, replacing
from util.warn import warn

FOLDER = "saves"
MANIFEST = "manifest.json"
UNFINISHED, REMOVED = ".unfinished", ".removed"


@dataclass(frozen=True)
class Save:
    """A save with a manifest, which was thus written to the end; `damage` checks whether it is still intact."""

    path: Path
    manifest: dict[str, Any]

    def file(self, name: str) -> Path:
        return self.path / name

    @property
    def files(self) -> list[str]:
        return sorted(self.manifest["files"])

    def damage(self) -> str | None:
        """Read all files; return the first problem as text for a message, None if there is none."""
        for name, expected in self.manifest["files"].items():
            try:
                size = self.file(name).stat().st_size
                if size != expected["bytes"]:
                    return f"{name} has {size:,} bytes of {expected['bytes']:,}"
                if checksum(self.file(name)) != expected["sha256"]:
                    return f"the checksum of {name} is wrong"
            except OSError as error:
                return f"{name}: {error.strerror}"
        return None


class Saves:
    """The saves of a run.

    Args:
        run_dir: folder of the run.
        keep: how many to keep; older ones are removed when a new one is complete.
    """

    def __init__(self, run_dir: Path, keep: int = 2):
        self.run_dir = Path(run_dir)
        self.folder = self.run_dir / FOLDER
        self.keep = keep

    def all(self) -> list[Save]:
        """Saves with a readable manifest, newest first."""
        return [save for path in reversed(self._folders()) if (save := _read(path)) is not None]

    def newest_intact(self) -> Save | None:
        """The newest save that is intact; warn about newer ones, which are damaged.

        Returns:
            None if nothing was ever saved.
        Raises:
            InputError: there are saves, and all of them are damaged.
        """
        damages = []
        for path in reversed(self._folders()):
            save = _read(path)
            damage = f"{MANIFEST} is missing or cannot be read" if save is None else save.damage()
            if damage is None:
                if damages:
                    warn(f"{', '.join(damages)}: the save before it is used")
                return save
            damages.append(f"{path} is damaged ({damage})")
        if not damages:
            return None
        raise InputError(
            f"{', '.join(damages)}, and there is no intact save to resume from: restore one from a backup, or train "
            f"under another --name, with --load_pretrained if there are intact networks elsewhere to start from"
        )

    def write(self, files: Mapping[str, Any], facts: Mapping[str, Any]) -> Save:
        """Save objects with `torch.save`, by file name; `facts` go into the manifest.

        Raises:
            InputError: it cannot be written: the disk is full, or permissions forbid it. Earlier saves are unchanged.
        """
        taken = [int(path.name) for path in self._folders()]
        path = self.folder / f"{max(taken, default=0) + 1:06d}"
        unfinished = path.with_name(path.name + UNFINISHED)
        self.clean()
        try:
            unfinished.mkdir(parents=True)
            entries = {name: _write_file(unfinished / name, content) for name, content in files.items()}
            manifest = {**facts, "files": entries}
            with _flushed(unfinished / MANIFEST) as file:
                file.write(json.dumps(manifest, indent=1).encode())
            _flush_folder(unfinished)
            unfinished.rename(path)
            _flush_folder(self.folder)
        except OSError as error:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise InputError(
                f"{path}: cannot be saved ({error.strerror}); earlier saves are kept; check free space and permissions"
            ) from None
        self._remove_old()
        return Save(path, manifest)

    def clean(self) -> None:
        """Remove what a process left that was killed while saving, publishing or removing."""
        for ending in (UNFINISHED, REMOVED):
            for path in self.folder.glob(f"*{ending}"):
                shutil.rmtree(path, ignore_errors=True)
        remove_temporaries(self.run_dir)

    def publish(self, save: Save, names: Mapping[str, Iterable[str]]) -> None:
        """Link files of a save under other names in the run's folder: `names[file]` lists the names of one file.

        Hard links need no space and outlive the save; on a file system without them, files are copied.
        """
        for file, aliases in names.items():
            for alias in aliases:
                with replacing(self.run_dir / alias) as temporary:
                    try:
                        os.link(save.file(file), temporary)
                    except OSError:
                        shutil.copyfile(save.file(file), temporary)

    def _folders(self) -> list[Path]:
        """The folders with their final name, which were thus written to the end, oldest first."""
        paths = [path for path in self.folder.glob("[0-9]*") if path.name.isdecimal()]
        return sorted(paths, key=lambda path: int(path.name))

    def _remove_old(self) -> None:
        """Remove everything older than the saves to keep, including unreadable saves."""
        kept = self.all()[: self.keep]
        if len(kept) < self.keep:
            return
        oldest = int(kept[-1].path.name)
        for path in self._folders():
            if int(path.name) < oldest:
                removed = path.with_name(path.name + REMOVED)
                with contextlib.suppress(OSError):
                    path.rename(removed)  # atomic: a half-removed folder is not a save
                    shutil.rmtree(removed, ignore_errors=True)


def _read(path: Path) -> Save | None:
    """The save in a folder; None without a readable manifest."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        entries = manifest["files"].values()
        if all(isinstance(entry["sha256"], str) and isinstance(entry["bytes"], int) for entry in entries):
            return Save(path, manifest)
    return None


def _write_file(path: Path, content: Any) -> dict[str, Any]:
    """Write an object with `torch.save`; return its entry in the manifest. Raises `OSError`."""
    with _flushed(path) as file:
        writer = _Writer(file)
        try:
            torch.save(content, writer)  # pyright: ignore[reportArgumentType] (it needs no more than write and flush)
        except RuntimeError:
            raise writer.error or OSError(errno.EIO, "torch could not write it", str(path)) from None
    return {"bytes": path.stat().st_size, "sha256": checksum(path)}


class _Writer:
    """Keeps the error of a failed write: `torch.save` reports a full disk only as an unexpected position."""

    def __init__(self, file: BinaryIO):
        self.file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self.file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self.file.flush()


@contextlib.contextmanager
def _flushed(path: Path) -> Iterator[Any]:
    """A new binary file, flushed to disk at the end of the block."""
    with path.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(path: Path) -> None:
    """Flush the names in a folder to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
