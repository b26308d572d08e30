"""The index beside the tars of a data set: which shards there are, and where in them each file of each sample is."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.files import Files
from data.listing import listing
from data.shards.download import kept_index
from data.shards.member import AGAIN, MemberPath, Place, Shard
from options.field import OptionError
from options.shards import expand, index_name, is_address, kept_folder
from util.errors import InputError
from util.files import checksum

FORMAT = "SPADE shards"
VERSION = 1
KINDS = ("labels", "photo", "instances")

Row = Mapping[str, Any]
"""A sample in the index: its name, and under the keys of `KINDS` that it has, [name, offset, size, crc32]."""


@dataclass(frozen=True)
class ShardIndex:
    """The shards of a part of a data set, and the samples in each.

    Attributes:
        path: of the index on this machine.
        shards: in their order.
        rows: the samples of each shard.
    """

    path: Path
    shards: list[Shard]
    rows: list[list[Row]]

    def files(self) -> Files:
        """The files of all samples by sample name, in the order in which they were packed."""
        found: dict[str, dict[str, Path]] = {kind: {} for kind in KINDS}
        for shard, rows in zip(self.shards, self.rows):
            for row in rows:
                for kind in KINDS:
                    if kind in row:
                        found[kind][row["name"]] = MemberPath.of(shard, Place(*row[kind]))
        return Files(found["labels"], found["photo"], found["instances"])

    def problems(self) -> list[str]:
        """Lines about tars on disk that are missing or of another size; reads none of them."""
        return [problem for shard in self.shards if not shard.address and (problem := shard.problem())]

    def verify(self) -> Iterator[tuple[Shard, str]]:
        """Read every tar on disk; yield each with what is wrong with it, "" if nothing is."""
        for shard in self.shards:
            problem = shard.problem()
            if not problem and checksum(shard.path) != shard.sha256:
                problem = f"{shard.path}: its SHA-256 is not that of its index: damaged or of another packing; {AGAIN}"
            yield shard, problem


def open_index(pattern: str, cache_dir: str | None) -> ShardIndex:
    """Read the index of the shards that a pattern names; that of a web server is downloaded.

    Raises:
        InputError: it is missing or damaged, or it is about other tars than the pattern.
    """
    try:
        names = [tar.rpartition("/")[2] for tar in expand(pattern)]
    except OptionError as error:
        raise InputError(str(error)) from None
    folder = pattern.rpartition("/")[0]
    if is_address(pattern):
        kept = kept_folder(folder, cache_dir)
        path = kept_index(kept / index_name(pattern), f"{folder}/{index_name(pattern)}")
    else:
        kept = Path(folder)
        path = kept / index_name(pattern)
    content = read_index(path)
    if (listed := [row["name"] for row in content["shards"]]) != names:
        raise InputError(
            f"{path}: lists {len(listed)} shards ({listing(listed)}), and {pattern} names {len(names)}; use the "
            f"data.toml that was written beside them"
        )
    shards = [
        Shard(kept / row["name"], number, row["size"], row["sha256"])
        if not is_address(pattern)
        else Shard(kept / _name_of_kept(row), number, row["size"], row["sha256"], f"{folder}/{row['name']}")
        for number, row in enumerate(content["shards"])
    ]
    return ShardIndex(path, shards, [row["samples"] for row in content["shards"]])


def read_index(path: Path) -> dict[str, Any]:
    """The content of an index file. Raises `InputError` if it is missing, or is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        is_one = content["format"] == FORMAT and isinstance(content["shards"], list)
        if is_one and content["version"] != VERSION:
            raise InputError(
                f"{path}: is version {content['version']} of an index, and this program reads {VERSION}; pack anew"
            )
    except OSError as error:
        raise InputError(
            f"{path}: the index of the shards cannot be read ({error.strerror}); if they were moved, name their new "
            f"folder by --shards FOLDER; else {AGAIN}"
        ) from error
    except (ValueError, LookupError, TypeError):
        is_one = False
    if not is_one:
        raise InputError(f"{path}: is no index of shards, or damaged; {AGAIN}")
    return content


def _name_of_kept(row: Row) -> str:
    """The name of a downloaded tar, which tells it from one of another packing under the same address."""
    return f"{row['name'].removesuffix('.tar')}.{row['sha256'][:12]}.tar"
