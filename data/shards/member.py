"""A file inside a tar as a path that opens it, so that everything that reads image files reads those of shards, too."""

import io
import os
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from data.shards.download import kept_shard
from util.errors import InputError

BLOCK = tarfile.BLOCKSIZE


class Place(NamedTuple):
    """Where a file is in a tar: name there, offset and size of its content in bytes, and the CRC-32 of the content."""

    name: str
    offset: int
    size: int
    crc32: int


@dataclass(frozen=True)
class Shard:
    """A tar of samples, as its index describes it.

    Attributes:
        path: the tar, or where it is put when it is first read.
        number: its place in the order of the shards, from 0.
        size: in bytes.
        sha256: hexadecimal.
        address: of the tar on a web server; "" for one on disk.
    """

    path: Path
    number: int
    size: int
    sha256: str
    address: str = ""

    def problem(self) -> str:
        """What is wrong with a tar on disk, without reading it: "" if it is there and as large as its index says."""
        try:
            size = self.path.stat().st_size
        except OSError as error:
            return f"{self.path}: the shard is missing ({error.strerror}); {AGAIN}"
        if size != self.size:
            return f"{self.path}: has {size} bytes and not {self.size}: cut short, or of another packing; {AGAIN}"
        return ""

    def kept(self) -> Path:
        """The tar on this machine. That of a web server is downloaded first; raises `InputError` if that fails."""
        return kept_shard(self.path, self.address, self.size, self.sha256) if self.address else self.path

    def read(self, place: Place) -> bytes:
        """The content of a file, of which alone memory is taken. A tar of a web server is downloaded first.

        Raises:
            InputError: the tar is missing, cut short, damaged, or another one than its index describes.
        """
        path = self.kept()
        try:
            with path.open("rb") as file:
                file.seek(place.offset - BLOCK)
                block = file.read(BLOCK + place.size)
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}); {AGAIN}") from error
        head, content = block[:BLOCK], block[BLOCK:]
        if len(content) < place.size:
            raise InputError(f"{path}: is cut short before the end of {place.name}; {AGAIN}")
        if not _is_head_of(head, place):
            raise InputError(f"{path}: is of another packing, as {place.name} is not where its index says; {AGAIN}")
        if zlib.crc32(content) != place.crc32:
            raise InputError(f"{path}: {place.name} is damaged (its checksum is wrong); {AGAIN}")
        return content


AGAIN = "copy it again, or pack anew (scripts.prepare shards)"


def _is_head_of(head: bytes, place: Place) -> bool:
    """Whether the block before a content is the tar's header of this file. Long or non-ASCII names are elsewhere."""
    try:
        info = tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.TarError:
        return False
    is_whole = place.name.isascii() and len(place.name) <= tarfile.LENGTH_NAME
    return info.size == place.size and (info.name == place.name or not is_whole)


class MemberPath(type(Path())):
    """The path SHARD.tar/NAME of a file in a tar. `open` and `stat` know the tar; other methods know the name alone.

    Paths derived from it, such as its parent, are ordinary ones.
    """

    __slots__ = ("place", "shard")
    shard: Shard
    place: Place

    @classmethod
    def of(cls, shard: Shard, place: Place) -> "MemberPath":
        """The path of a file of `shard`."""
        path = cls(shard.path, place.name)
        path.shard, path.place = shard, place
        return path

    def __reduce__(self) -> str | tuple[Any, ...]:
        return (MemberPath.of, (self.shard, self.place)) if hasattr(self, "place") else super().__reduce__()

    def open(self, mode: str = "r", *args: Any, **options: Any) -> Any:
        """The content as a file in memory; it can be read as bytes alone. Raises `InputError` like `Shard.read`."""
        if not hasattr(self, "shard"):
            return super().open(mode, *args, **options)
        if mode != "rb":
            raise ValueError(f"mode {mode!r}: a file of a shard is read as bytes")
        return io.BytesIO(self.shard.read(self.place))

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Size and times of the tar. That of a web server is downloaded first."""
        if not hasattr(self, "shard"):
            return super().stat(follow_symlinks=follow_symlinks)
        return self.shard.kept().stat()
