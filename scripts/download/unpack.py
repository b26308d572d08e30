"""Unpack zip and tar archives without leaving the target folder, going on after an interruption.

    python -m scripts.download unpack ARCHIVE --unpack DIR FOLDER [--unpack DIR FOLDER ...] [--remove]

Writes what lies below the folder called FOLDER, wherever that is in the archive, to DIR; "." is the whole archive.
Every file is written under a temporary name and checked against the archive's checksum before it gets its own, so a
second call leaves out what is there, and a file of another size that is in the way is kept under another name.
ARCHIVE.done marks that all is unpacked; delete it to check the files again. ARCHIVE.fetched marks an archive that was
downloaded, not given: when it is damaged, it is renamed to ARCHIVE.damaged, or ARCHIVE.damaged2 and so on where that is
taken, so that it can be fetched anew.
"""

import argparse
import gzip
import json
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm import tqdm

from util.errors import InputError
from util.files import impostor, name_for_damaged, readable_size, replacing, set_aside

CHUNK = 1 << 20  # bytes
DAMAGE = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError)
Target = tuple[Path, str]
"""Where to write, and which folder of the archive."""


class CorruptArchiveError(InputError):
    """The archive is not what was packed; another download may help."""


@dataclass(frozen=True)
class Member:
    """A regular file of an archive."""

    path: PurePosixPath
    size: int
    handle: zipfile.ZipInfo | tarfile.TarInfo


def unpack(archive: Path, target: Path, folder: str = ".", skip: Iterable[str] = ()) -> int:
    """Unpack what lies below `folder` of a zip or tar archive to `target`; files of the right size are left alone.

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
        with _open(archive) as content:
            found = [(_below(member.path, folder), member) for member in _members(archive, content)]
            wanted = {
                target / path: member
                for path, member in found
                if path is not None and not any(fnmatch(path.name, pattern) for pattern in skip)
            }
            if not wanted:
                raise InputError(f"{archive}: holds no files below a folder {folder}; is it the right archive?")
            missing = {path: member for path, member in wanted.items() if not _is_there(path, member)}
            _check_space(target, sum(member.size for member in missing.values()))
            kept = _write(content, missing, f"unpacking {archive.name}")
            if kept:
                print(f"{target}: {len(kept)} files of other sizes were there; they are kept, the first as {kept[0]}")
            return len(wanted)
    except DAMAGE as error:
        raise CorruptArchiveError(f"{archive}: damaged ({str(error) or type(error).__name__})") from error


def unpack_all(archive: Path, targets: list[Target], remove: bool = False, skip: Iterable[str] = ()) -> None:
    """Unpack several folders of an archive, print how many files each has, and mark that all is done."""
    if is_unpacked(archive, targets):
        print(f"{archive.name}: already unpacked")
        return
    if not archive.exists():
        raise InputError(f"{archive}: no such file")
    for target, folder in targets:
        print(f"{target}: {unpack(archive, target, folder, skip)} files from {archive.name}")
    with replacing(_stamp(archive)) as temporary:
        temporary.write_text(json.dumps(_content_of_stamp(archive, targets)) + "\n", encoding="utf-8")
    if remove:
        archive.unlink()
        receipt(archive).unlink(missing_ok=True)


def receipt(archive: Path) -> Path:
    """The file beside an archive that tells that it was downloaded, and is not a user's own."""
    return archive.with_name(f"{archive.name}.fetched")


def put_aside_if_fetched(archive: Path, damaged: Path | None = None) -> Path | None:
    """Rename a damaged archive that was downloaded, so that another can come; None for a user's, which stays.

    Args:
        damaged: the new name, whatever has it; None takes one that is free.
    """
    if not receipt(archive).exists():
        return None
    receipt(archive).unlink()
    return archive.replace(damaged or name_for_damaged(archive))


def is_unpacked(archive: Path, targets: list[Target]) -> bool:
    """Whether `unpack_all` has finished with these targets; the archive itself may be gone since."""
    try:
        done = json.loads(_stamp(archive).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return done == _content_of_stamp(archive, targets) and all(target.is_dir() for target, _ in targets)


def _stamp(archive: Path) -> Path:
    return archive.with_name(f"{archive.name}.done")


def _content_of_stamp(archive: Path, targets: list[Target]) -> list[list[str]]:
    """Targets relative to the archive, so that the whole data set may be moved."""
    return [[os.path.relpath(target, archive.parent), folder] for target, folder in targets]


@contextmanager
def _open(archive: Path) -> Iterator[zipfile.ZipFile | tarfile.TarFile]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as content:
            yield content
        return
    try:
        content = tarfile.open(archive)  # noqa: SIM115 (closed below; only opening may fail as "not an archive")
    except (tarfile.ReadError, EOFError) as error:
        what = impostor(archive)
        raise CorruptArchiveError(
            f"{archive}: neither a whole zip nor a whole tar archive" + (f", but {what}" if what else "")
        ) from error
    with content:
        yield content


def _members(archive: Path, content: zipfile.ZipFile | tarfile.TarFile) -> list[Member]:
    """The regular files. Raises `InputError` for names and kinds that no data set needs and an attack does."""
    if isinstance(content, zipfile.ZipFile):
        entries = [(info.filename, info.file_size, info) for info in content.infolist() if not info.is_dir()]
        odd = [info.filename for info in content.infolist() if stat.S_ISLNK(info.external_attr >> 16)]
    else:
        if not hasattr(tarfile, "data_filter"):
            raise InputError(f"{archive}: unpacking tar files safely needs Python 3.10.12, 3.11.4 or newer")
        infos = [_checked(archive, info) for info in content.getmembers()]
        while content.fileobj.read(CHUNK):  # to the end of the file, where the checksum of its compression is
            pass
        entries = [(info.name, info.size, info) for info in infos if info.isfile()]
        odd = [info.name for info in infos if not (info.isfile() or info.isdir())]
    members = [Member(PurePosixPath(name), size, handle) for name, size, handle in entries]
    odd += [str(member.path) for member in members if member.path.is_absolute() or ".." in member.path.parts]
    if odd:
        raise InputError(f"{archive}: {odd[0]!r} is a link or leads out of the folder; refused, nothing is unpacked")
    return [member for member in members if "__MACOSX" not in member.path.parts]


def _checked(archive: Path, info: tarfile.TarInfo) -> tarfile.TarInfo:
    """What the standard library's filter for data makes of a member."""
    if info.name.startswith("/"):  # the filter would only strip it
        raise InputError(f"{archive}: {info.name!r} is an absolute path; refused, nothing is unpacked")
    try:
        return tarfile.data_filter(info, "/nonexistent/folder")
    except tarfile.FilterError as error:
        raise InputError(f"{archive}: {error}; refused, nothing is unpacked") from error


def _below(path: PurePosixPath, folder: str) -> PurePosixPath | None:
    """`path` relative to the folder of that name; None if it is not below one."""
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


def _write(content: zipfile.ZipFile | tarfile.TarFile, missing: dict[Path, Member], what: str) -> list[Path]:
    """Write the members; return where files are now that were in their place."""
    total, kept = sum(member.size for member in missing.values()), []
    with tqdm(desc=what, total=total, unit="B", unit_scale=True, leave=False) as bar:
        for path, member in missing.items():
            try:
                with replacing(path) as temporary:
                    with temporary.open("wb") as file:
                        _copy(_open_member(content, member), file, member, bar)
                    if path.is_file():
                        kept.append(set_aside(path))
            except gzip.BadGzipFile:  # an OSError, but not of the disk
                raise
            except OSError as error:
                raise InputError(
                    f"{path}: {error.strerror}; make room or get permission, and run the same command again"
                ) from error
    return kept


def _open_member(content: zipfile.ZipFile | tarfile.TarFile, member: Member) -> IO[bytes]:
    try:
        return (
            content.open(member.handle) if isinstance(content, zipfile.ZipFile) else content.extractfile(member.handle)
        )
    except (RuntimeError, NotImplementedError) as error:
        raise InputError(f"{member.path} of the archive: {error}") from error  # encrypted, unknown compression


def _copy(source: IO[bytes], file: IO[bytes], member: Member, bar: tqdm) -> None:
    """Copy to the end, where zipfile compares the checksum."""
    with source:
        while chunk := source.read(CHUNK):
            file.write(chunk)
            bar.update(len(chunk))
    if file.tell() != member.size:
        raise EOFError(f"{member.path} ends early")


def add_unpack_options(parser: argparse.ArgumentParser) -> None:
    """`--unpack`; what `--remove` means differs."""
    parser.add_argument(
        "--unpack", nargs=2, action="append", metavar=("DIR", "FOLDER"), help="unpack FOLDER of the archive to DIR"
    )


def targets_of(args: argparse.Namespace) -> list[Target]:
    """What `--unpack` says."""
    return [(Path(target), folder) for target, folder in args.unpack]


def main(argv: list[str] | None = None) -> None:
    """Do what the command line says. Bad input ends it with status 2 and one line."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.download unpack", description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("archive", metavar="ARCHIVE", type=Path)
    parser.add_argument("--skip", action="append", default=[], metavar="PATTERN", help='file names such as "*.pkl"')
    parser.add_argument("--remove", action="store_true", help="delete the archive when it is unpacked")
    add_unpack_options(parser)
    args = parser.parse_args(argv)
    if not args.unpack:
        parser.error("--unpack DIR FOLDER says where to")
    try:
        unpack_all(args.archive, targets_of(args), args.remove, args.skip)
    except CorruptArchiveError as error:
        aside = put_aside_if_fetched(args.archive)
        advice = "it is left as it is; give another copy, or move it away where a script should fetch it"
        if aside:
            advice = f"it is now {aside}; run the same command again to fetch it anew"
        raise InputError(f"{error}; {advice}") from None
