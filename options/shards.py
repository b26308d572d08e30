"""`--shards`: a data set packed into tars by `python -m scripts.prepare shards`, on disk or behind http(s)."""

import os
import re
import uuid
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

from options.data_file import FILE_NAME, described, read_data_file
from options.data_file_text import data_file_text
from options.field import OptionError

RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
MOST_SHARDS = 1_000_000
TIMEOUT = 30  # seconds that a server may be silent
OTHER_FOLDERS = ("data", "dataroot", "label_dir", "image_dir", "instance_dir")


def is_address(text: str) -> bool:
    """Whether a folder, a file or a pattern is on a web server."""
    return text.startswith(("http://", "https://"))


def expand(pattern: str) -> list[str]:
    """The tars of a pattern such as DIR/train-{000000..000127}.tar, or of the name of a single one.

    Raises:
        OptionError: it is no such pattern.
    """
    found = RANGE.search(pattern)
    rest = RANGE.sub("", pattern, count=1)
    if not pattern.endswith(".tar") or "{" in rest or "}" in rest or "*" in rest:
        raise OptionError(f"--shards {pattern}: must be as in DIR/train-{{000000..000127}}.tar, or a folder of shards")
    if found is None:
        return [pattern]
    first, last = int(found[1]), int(found[2])
    if not first <= last < first + MOST_SHARDS:
        raise OptionError(f"--shards {pattern}: the numbers must rise, as in {{000000..000127}}")
    start, end = pattern[: found.start()], pattern[found.end() :]
    return [f"{start}{number:0{len(found[1])}}{end}" for number in range(first, last + 1)]


def index_name(pattern: str) -> str:
    """The file beside the tars that says what is in them: train-index.json for train-{000000..000127}.tar."""
    name = RANGE.sub("", pattern.rpartition("/")[2], count=1).removesuffix(".tar")
    return f"{name.rstrip('0123456789')}index.json"


def usual_shard_folder() -> Path:
    """Where shards of web servers are kept, unless --cache_dir names a folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spade" / "shards"


def kept_folder(address: str, cache_dir: str | None) -> Path:
    """The folder of this machine where the files of a folder on a web server are kept."""
    parts = urlsplit(address)
    root = Path(cache_dir) / "shards" if cache_dir else usual_shard_folder()
    return root.joinpath(parts.netloc.replace(":", "_"), *(word for word in parts.path.split("/") if word.strip(".")))


def shards_of(opt: Any) -> str | None:
    """The pattern of the shards that `opt.phase` reads; None if its samples are files.

    Raises:
        OptionError: the data file has no such part.
    """
    description = None if opt.dataset_mode != "custom" or opt.label_dir else described(opt)
    if description is None:
        return None
    name, _ = description.part(opt.phase)
    return description.folders_of(name).shards


def with_shards(typed: Mapping[str, Any], is_train: bool) -> dict[str, Any]:
    """What was typed, with the --data that --shards stands for: the data file beside the tars.

    Raises:
        OptionError: there is none, or it describes other tars than those that were named.
    """
    if "shards" not in typed:
        return dict(typed)
    shards = typed["shards"]
    if not shards:
        raise OptionError("--shards: is empty; name a folder of shards, or leave it out")
    for other in OTHER_FOLDERS:
        if typed.get(other):
            raise OptionError(
                f"--shards {shards}: says where the samples are, and so does --{other}; leave one of them out"
            )
    _refuse_no_folder(shards)
    is_folder = not shards.endswith(".tar")
    names = [] if is_folder else expand(shards)
    folder = shards.rstrip("/") if is_folder else shards.rpartition("/")[0]
    path = _fetched(folder, typed.get("cache_dir")) if is_address(shards) else Path(folder or ".") / FILE_NAME
    if not path.is_file():
        what = "holds no" if path.parent.is_dir() else "there is no such folder with a"
        raise OptionError(
            f"--shards {shards}: {what} {FILE_NAME}; python -m scripts.prepare shards writes it beside the tars"
        )
    if names:
        _refuse_others(shards, names, path, typed.get("phase") or ("train" if is_train else "test"))
    return {name: value for name, value in typed.items() if name != "shards"} | {"data": str(path)}


def _refuse_no_folder(shards: str) -> None:
    """Raise an `OptionError` for a file that is no tar, and for an address without a host."""
    if not shards.endswith(".tar") and (Path(shards).is_file() or shards.endswith(f"/{FILE_NAME}")):
        raise OptionError(f"--shards {shards}: is a file; name its folder alone")
    try:
        has_host = not is_address(shards) or bool(urlsplit(shards).hostname)
    except ValueError:  # a malformed host
        has_host = False
    if not has_host:
        raise OptionError(f"--shards {shards}: names no server; write http://HOST/FOLDER or https://HOST/FOLDER")


def _refuse_others(shards: str, names: list[str], path: Path, phase: str) -> None:
    """Raise an `OptionError` if the tars that were named are not all those of the part that is read."""
    description = read_data_file(path)
    name, _ = description.part(phase)
    pattern = description.folders_of(name).shards
    if pattern is None:
        raise OptionError(f"--shards {shards}: [{name}] of {path} has no shards; use --data {path}")
    there = [tar.rpartition("/")[2] for tar in expand(pattern)]
    named = [tar.rpartition("/")[2] for tar in names]
    if named == there:
        return
    different = sorted({*there} ^ {*named})[0]
    known = "is left out" if different in there else "is not one of them"
    raise OptionError(
        f"--shards {shards}: {different} {known}, as [{name}] of {path} has {len(there)} shards, {there[0]} to "
        f"{there[-1]}; name them all, or their folder alone (--max_dataset_size N takes fewer samples)"
    )


def _fetched(folder: str, cache_dir: str | None) -> Path:
    """A copy of the data file of a folder on a web server, whose shards have full addresses."""
    address, path = f"{folder}/{FILE_NAME}", kept_folder(folder, cache_dir) / FILE_NAME
    try:
        with urlopen(address, timeout=TIMEOUT) as answer:
            content = answer.read()
    except HTTPError as error:
        raise OptionError(
            f"--shards {folder}: the server answers {error.code} {error.reason} to {address}; check the address: "
            f"python -m scripts.prepare shards writes this file beside the tars"
        ) from None
    except (OSError, HTTPException, ValueError) as error:
        cause = getattr(error, "reason", error)  # of `URLError`
        why = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
        raise OptionError(f"--shards {folder}: {address} cannot be fetched ({why}); check the address") from None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
        temporary.write_bytes(content)
        try:
            description = read_data_file(temporary).at(folder)
        except OptionError as error:
            temporary.unlink()
            raise OptionError(f"--shards {folder}: {address} is no data file ({error}); check the address") from None
        temporary.write_text(data_file_text(description), encoding="utf-8")
        os.replace(temporary, path)  # noqa: PTH105 (atomic: other processes read it)
    except OSError as error:
        raise OptionError(f"{path}: cannot be written ({error.strerror}); name another --cache_dir") from None
    return path
