"""Unpack zip and tar archives safely into a target folder; interrupted work resumes.

What lies below the folder called FOLDER, wherever that is in the archive, goes to DIR; "." is the whole archive. Every
file is written under a temporary name and checked against the archive's checksum before it gets its own, so a second
call leaves out what is there; a file of another size that is in the way is kept under another name.

ARCHIVE.done marks that all is unpacked; delete it to check the files again. ARCHIVE.fetched marks an archive that was
downloaded, not given: only such a one is deleted when it is unpacked, or renamed to ARCHIVE.damaged when it is damaged.
"""

import gzip
import json
import lzma
import os
import shutil
import stat
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from tqdm import tqdm

from util.errors import InputError
from util.fetch import Expected, Patience, fetch
from util.files import impostor, name_for_damaged, readable_size, replacing, set_aside

CHUNK = 1 << 20  # bytes
DAMAGE = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError)
Target = tuple[Path, str]
"""The folder to write to, and the folder of the archive to unpack."""


class CorruptArchiveError(InputError):
    """The archive is damaged; a new download may help."""


class Member(NamedTuple):
    """A file of an archive; `is_regular` is false for links and special files."""

    path: PurePosixPath
    size: int
    is_regular: bool
    reader: Callable[[], IO[bytes]]


def fetch_and_unpack(
    url: str, archive: Path, targets: list[Target], expected: Expected, patience: Patience, remove: bool = False
) -> None:
    """Download an archive and unpack it; a damaged one is downloaded once more. Does nothing if it is unpacked already.

    Args:
        remove: delete the archive when it is unpacked, unless it was there before.
    """
    damaged = name_for_damaged(archive)
    for last in (False, True):
        if not is_unpacked(archive, targets) and fetch(url, archive, expected, patience, to_unpack=True) is not None:
            receipt(archive).touch()
        try:
            return unpack_all(archive, targets, remove=remove and receipt(archive).exists())
        except CorruptArchiveError as error:
            if not receipt(archive).exists():
                raise InputError(
                    f"{error}; it was there before and is left alone: move it away, and the same command fetches it"
                ) from None
            set_damaged_aside(archive, damaged)
            if last:
                raise InputError(
                    f"{url}: damaged, twice in a row ({error}; it is kept as {damaged}); try again later or use a "
                    f"mirror"
                ) from None
            print(f"{error}; fetching it once more", file=sys.stderr)


def unpack_given(archive: Path, targets: list[Target], remove: bool = False, skip: Iterable[str] = ()) -> None:
    """Unpack an existing archive. A damaged one that a script has downloaded is renamed, for a new download."""
    try:
        unpack_all(archive, targets, remove, skip)
    except CorruptArchiveError as error:
        advice = "it is left as it is; give another copy, or move it away where a script should fetch it"
        if receipt(archive).exists():
            aside = set_damaged_aside(archive, name_for_damaged(archive))
            advice = f"it is now {aside}; run the same command again to fetch another copy"
        raise InputError(f"{error}; {advice}") from None


def unpack_all(archive: Path, targets: list[Target], remove: bool = False, skip: Iterable[str] = ()) -> None:
    """Unpack several folders of an archive, print their numbers of files, and write the stamp."""
    if is_unpacked(archive, targets):
        print(f"{archive.name}: already unpacked")
        return
    if not archive.exists():
        raise InputError(f"{archive}: no such file")
    for target, folder in targets:
        print(f"{target}: {unpack(archive, target, folder, skip)} files from {archive.name}")
    with replacing(_stamp(archive)) as temporary:
        temporary.write_text(_stamp_text(archive, targets), encoding="utf-8")
    if remove:
        archive.unlink()
        receipt(archive).unlink(missing_ok=True)


def receipt(archive: Path) -> Path:
    """The file beside an archive that marks it as downloaded by a script, and not the user's own."""
    return archive.with_name(f"{archive.name}.fetched")


def set_damaged_aside(archive: Path, damaged: Path) -> Path:
    """Rename a damaged downloaded archive to make room for a new download; return its new path."""
    receipt(archive).unlink()
    return archive.replace(damaged)


def is_unpacked(archive: Path, targets: list[Target]) -> bool:
    """Whether `unpack_all` has completed these targets; the archive itself may have been removed since."""
    stamp = _stamp(archive)
    done = stamp.is_file() and stamp.read_text(encoding="utf-8", errors="replace") == _stamp_text(archive, targets)
    return done and all(target.is_dir() for target, _ in targets)


def _stamp(archive: Path) -> Path:
    return archive.with_name(f"{archive.name}.done")


def _stamp_text(archive: Path, targets: list[Target]) -> str:
    """Targets relative to the archive, so that the data set as a whole can be moved."""
    return json.dumps([[os.path.relpath(target, archive.parent), folder] for target, folder in targets]) + "\n"


def unpack(archive: Path, target: Path, folder: str = ".", skip: Iterable[str] = ()) -> int:
    """Unpack `folder` of a zip or tar archive to `target`; existing files of the right size are kept.

    Files of another size are set aside, and their number is printed.

    Args:
        skip: patterns of file names to leave out, such as "*.pkl".

    Returns:
        number of files below `target` that are of this archive.

    Raises:
        CorruptArchiveError: not a zip or tar archive, cut short, or with wrong checksums.
        InputError: names that lead out of `target`, links, no such folder, not enough space.
    """
    try:
        with _members(archive) as members:
            _refuse_hostile(archive, members)
            below = {_below(member.path, folder): member for member in members}
            wanted = {
                target / path: member
                for path, member in below.items()
                if path is not None and not any(fnmatch(path.name, pattern) for pattern in skip)
            }
            if not wanted:
                raise InputError(f"{archive}: holds no files below a folder {folder}; is it the right archive?")
            missing = {path: member for path, member in wanted.items() if not _is_there(path, member)}
            _check_space(target, sum(member.size for member in missing.values()))
            progress = tqdm(missing.items(), f"unpacking {archive.name}", unit="file", leave=False)
            kept = [aside for path, member in progress if (aside := _write(path, member))]
            if kept:
                print(f"{target}: {len(kept)} files of other sizes were there; they are kept, the first as {kept[0]}")
            return len(wanted)
    except DAMAGE as error:
        raise CorruptArchiveError(f"{archive}: damaged ({str(error) or type(error).__name__})") from error


def _extracted(content: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = content.extractfile(info)
    assert file is not None, "only regular files are read"
    return file


@contextmanager
def _members(archive: Path) -> Iterator[list[Member]]:
    """The files in an archive, each with a function that opens it."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as content:
            yield [
                Member(PurePosixPath(info.filename), info.file_size, not _is_link(info), partial(content.open, info))
                for info in content.infolist()
                if not info.is_dir()
            ]
        return
    try:
        content = tarfile.open(archive)  # noqa: SIM115 (closed below; only opening may fail as "not an archive")
    except (tarfile.ReadError, EOFError) as error:
        what = impostor(archive)
        raise CorruptArchiveError(
            f"{archive}: neither a whole zip nor a whole tar archive" + (f", but {what}" if what else "")
        ) from error
    with content:
        members = [
            Member(PurePosixPath(info.name), info.size, info.isfile(), partial(_extracted, content, info))
            for info in content
            if not info.isdir()
        ]
        while content.fileobj.read(CHUNK):  # to the end of the file, where the compression's checksum is
            pass
        yield members


def _is_link(info: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(info.external_attr >> 16)


def _refuse_hostile(archive: Path, members: list[Member]) -> None:
    """Raise an `InputError` for links, special files, and names that lead out of the target folder."""
    for path, _, is_regular, _ in members:
        if not is_regular or path.is_absolute() or ".." in path.parts:
            raise InputError(
                f"{archive}: {str(path)!r} is a link, a special file, or leads out of the folder; refused, nothing "
                f"is unpacked"
            )


def _below(path: PurePosixPath, folder: str) -> PurePosixPath | None:
    """`path` relative to the folder of that name; None if it is not below one, or is only for macOS."""
    if "__MACOSX" in path.parts:
        return None
    if folder == ".":
        return path
    parents = path.parts[:-1]
    return PurePosixPath(*path.parts[parents.index(folder) + 1 :]) if folder in parents else None


def _is_there(path: Path, member: Member) -> bool:
    return path.is_file() and path.stat().st_size == member.size


def _check_space(target: Path, needed: int) -> None:
    existing = next(folder for folder in (target.absolute(), *target.absolute().parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise InputError(
            f"{target}: unpacking needs {readable_size(needed)} more, and {readable_size(free)} are free; make room "
            f"and run the same command again"
        )


def _write(path: Path, member: Member) -> Path | None:
    """Write a member; return the new path of a file that was in its place, if any."""
    try:
        with replacing(path) as temporary:
            with member.reader() as source, temporary.open("wb") as file:
                shutil.copyfileobj(source, file, CHUNK)  # to the end, where zipfile compares the checksum
            if temporary.stat().st_size != member.size:
                raise EOFError(f"{member.path} ends early")
            return set_aside(path) if path.is_file() else None
    except gzip.BadGzipFile:  # an OSError, but not about the disk
        raise
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror}; make room or get permission, and run the same command again"
        ) from error
    except RuntimeError as error:  # encrypted, or (NotImplementedError) compressed in an unknown way
        raise InputError(f"{member.path} of the archive: {error}") from error
