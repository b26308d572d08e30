"""Saves on disk: folders of files that are whole, or else do not exist.

    run/saves/000012/net_G.pth            any number of files
                     manifest.json        size and SHA-256 of each of them; what has none is not a save
    run/latest_net_G.pth                  the published names: links to the files of a save

A folder is written under another name, every file of it is flushed to the disk, the manifest last, and then the folder
takes its own name at once. So a process that is killed, or a machine that loses power, leaves the save before, or this
one. A save that is removed loses its name first. What a killed process leaves under other names, the next save removes.
Numbers count the saves of a run.
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
    """One save that has a manifest, which says it was written to the end; `damage` says whether it still is whole."""

    path: Path
    manifest: dict[str, Any]

    def file(self, name: str) -> Path:
        return self.path / name

    @property
    def files(self) -> list[str]:
        return sorted(self.manifest["files"])

    def damage(self) -> str | None:
        """What is wrong with the files, in words, after reading all of them; None if nothing is."""
        for name, promised in self.manifest["files"].items():
            try:
                size = self.file(name).stat().st_size
                if size != promised["bytes"]:
                    return f"{name} has {size:,} bytes of {promised['bytes']:,}"
                if checksum(self.file(name)) != promised["sha256"]:
                    return f"the checksum of {name} is wrong"
            except OSError as error:
                return f"{name}: {error.strerror}"
        return None


class Saves:
    """The saves of a run.

    Args:
        run_dir: folder of the run.
        keep: how many to keep; older ones are removed when a new one is whole.
    """

    def __init__(self, run_dir: Path, keep: int = 2):
        self.run_dir = Path(run_dir)
        self.folder = self.run_dir / FOLDER
        self.keep = keep

    def all(self) -> list[Save]:
        """Those with a manifest that can be read, newest first."""
        return [save for path in reversed(self._folders()) if (save := _read(path)) is not None]

    def newest_whole(self) -> Save | None:
        """The newest save whose files are all as they were written. Newer, damaged ones are named on standard error.

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
            f"{', '.join(damages)}, and there is no whole save to go on from: restore one from a backup, or train "
            f"under another --name, with --load_pretrained if there are whole networks to start from elsewhere"
        )

    def write(self, files: Mapping[str, Any], facts: Mapping[str, Any]) -> Save:
        """Save what `torch.save` can write, by file name; `facts` go into the manifest.

        Raises:
            InputError: it cannot be written, because the disk is full or forbidden. Earlier saves are as they were.
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
        """Remove what a process left that was killed while it saved, published or removed."""
        for ending in (UNFINISHED, REMOVED):
            for path in self.folder.glob(f"*{ending}"):
                shutil.rmtree(path, ignore_errors=True)
        remove_temporaries(self.run_dir)

    def publish(self, save: Save, names: Mapping[str, Iterable[str]]) -> None:
        """Let names in the run's folder stand for files of a save: `names[file]` lists those of one file.

        They are hard links, which cost no space and outlive the save; copies where the file system knows none.
        """
        for file, aliases in names.items():
            for alias in aliases:
                with replacing(self.run_dir / alias) as temporary:
                    try:
                        os.link(save.file(file), temporary)
                    except OSError:
                        shutil.copyfile(save.file(file), temporary)

    def _folders(self) -> list[Path]:
        """Those that have their name, and so were written to the end, oldest first."""
        paths = [path for path in self.folder.glob("[0-9]*") if path.name.isdecimal()]
        return sorted(paths, key=lambda path: int(path.name))

    def _remove_old(self) -> None:
        """Remove all that is older than the saves to keep, also what can no longer be read."""
        kept = self.all()[: self.keep]
        if len(kept) < self.keep:
            return
        oldest = int(kept[-1].path.name)
        for path in self._folders():
            if int(path.name) < oldest:
                removed = path.with_name(path.name + REMOVED)
                with contextlib.suppress(OSError):
                    path.rename(removed)  # at once: what is half removed is no save
                    shutil.rmtree(removed, ignore_errors=True)


def _read(path: Path) -> Save | None:
    """The save in a folder; None without a manifest that can be read."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        entries = manifest["files"].values()
        if all(isinstance(entry["sha256"], str) and isinstance(entry["bytes"], int) for entry in entries):
            return Save(path, manifest)
    return None


def _write_file(path: Path, content: Any) -> dict[str, Any]:
    """Write what `torch.save` can; return the entry for the manifest. Raises: OSError."""
    with _flushed(path) as file:
        writer = _Writer(file)
        try:
            torch.save(content, writer)  # pyright: ignore[reportArgumentType] (it needs no more than write and flush)
        except RuntimeError:
            raise writer.error or OSError(errno.EIO, "torch could not write it", str(path)) from None
    return {"bytes": path.stat().st_size, "sha256": checksum(path)}


class _Writer:
    """A file for `torch.save`, which says of a full disk only that it is at an unexpected position."""

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
    """A new binary file, which is on the disk when the block ends."""
    with path.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(path: Path) -> None:
    """Bring the names in a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
