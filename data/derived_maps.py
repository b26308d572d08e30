"""Id maps that tools derive from other files: written whole, recognized by a later call, never over a user's file."""

import hashlib
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, PngImagePlugin
from tqdm import tqdm

from data.id_maps import read_ids
from data.opening import orientation_like, picture_size
from data.pairs import listing
from data.parallel import parallel_map
from util.errors import InputError
from util.files import replacing
from util.warn import warn

LARGEST_ID = np.iinfo(np.uint16).max
MARK_KEY = "made from"
"""Key of the text in a PNG that says what it was made from; a file that was cut off may end within the text."""
MARK = re.compile(rb"tEXtmade from\0(\w+) (?:([0-9a-f]{16}) ([0-9a-f]{8}))?")
MARK_WITHIN = 256  # bytes: Pillow writes texts behind the head of the file, which has 33
MISSING, CURRENT, KEPT = "missing", "current", "kept"
Files = tuple[Path, Path]  # the source that a map is made from, and the file it is written to
Item = TypeVar("Item")
Result = TypeVar("Result")


def check_output(folder: Path, sources: Path, what: str) -> None:
    """Raise an `InputError` for a path where no folder can be, or that a second run would find among its sources."""
    for path in (folder, *folder.parents):
        if path.is_file():
            raise InputError(f"{folder}: {'' if path == folder else f'{path} '}is a file; name a folder to write to")
    if folder.resolve().is_relative_to(sources.resolve()):
        raise InputError(f"{folder}: lies in {sources}, which holds the {what}; name another folder, beside it")


def pair_with_targets(sources: Mapping[str, Path], folder: Path) -> list[Files]:
    """Every source with the PNG of its name in `folder`. Raises an `InputError` where that is a source itself."""
    files = [(path, folder / f"{name}.png") for name, path in sources.items()]
    known = {path.resolve() for path in sources.values()}
    for path, target in files:
        if target.resolve() in known:
            raise InputError(
                f"{target}: is a source itself, and would be replaced by the map of {path}; name another folder"
            )
    return files


def run_parallel(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int, desc: str, unit: str = "file"
) -> list[Result]:
    """The results of `function`, which must be importable, for all items in their order, under a progress bar."""
    return list(tqdm(parallel_map(function, items, workers), total=len(items), desc=desc, unit=unit))


def save_ids(ids: np.ndarray, files: Files, dtype: type[np.unsignedinteger], mark: "Mark") -> None:
    """Write the map (H, W) of a source as a gray PNG of 8 or 16 bits a pixel, whole or not at all.

    The map gets the EXIF orientation of the source, since its ids are those of the stored pixels.

    Raises:
        InputError: for ids that `dtype` cannot hold, and where nothing can be written.
    """
    source, target = files
    largest = int(ids.max())
    if largest > np.iinfo(dtype).max:
        raise InputError(
            f"{target}: would hold ids up to {largest}, but its {np.dtype(dtype).itemsize * 8} bits a pixel hold "
            f"{np.iinfo(dtype).max}"
        )
    info = PngImagePlugin.PngInfo()
    info.add_text(MARK_KEY, mark.text(source, ids))
    exif = orientation_like(source)
    try:
        with replacing(target) as temporary:
            Image.fromarray(ids.astype(dtype)).save(temporary, format="PNG", pnginfo=info, exif=exif)
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror})") from error


@dataclass(frozen=True)
class Mark:
    """The text that a tool writes into every map it makes: by it, a later call sees whether the map is up to date.

    A map that somebody has changed since is theirs, even if their editor has left the mark in it.

    Attributes:
        tool: name of the tool in the mark. It never changes, or maps made earlier would not be recognized.
        settings: what its maps depend on besides their sources, as a text that differs where the maps may.
    """

    tool: str
    settings: str = ""

    def origin(self, source: Path) -> str:
        """A hash of the settings, and of size and time of the source. Raises `InputError` if it cannot be read."""
        try:
            state = source.stat()
        except OSError as error:
            raise InputError(f"{source}: cannot be read ({error.strerror}); replace or remove the file") from error
        text = f"{self.settings}\0{state.st_size}\0{state.st_mtime_ns}"
        return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]

    def text(self, source: Path, ids: np.ndarray) -> str:
        """The mark in the file of `ids` (H, W), made from `source`."""
        return f"{self.tool} {self.origin(source)} {_checksum(ids)}"

    def standing(self, files: Files) -> str:
        """Tell whether a map has to be made.

        Returns:
            CURRENT: no, it is up to date.
            KEPT: no, there is another id map of the right size, of another origin or changed since.
            MISSING: yes; what is there, if anything, is an outdated or broken map of this tool.

        Raises:
            InputError: another file is there, which must not be lost.
        """
        source, target = files
        if not target.is_file() or not target.stat().st_size:
            return MISSING
        with target.open("rb") as file:
            found = MARK.search(file.read(MARK_WITHIN))
        tool, origin, checksum = (text and text.decode() for text in found.groups()) if found else (None,) * 3
        try:
            ids = read_ids(target)
        except InputError:
            ids = None
        if tool == self.tool and ids is None:
            return MISSING
        try:
            if tool == self.tool and ids is not None and checksum == _checksum(ids):
                return CURRENT if origin == self.origin(source) else MISSING
            if ids is not None and ids.shape[::-1] == picture_size(source):
                return KEPT
        except InputError:  # of the source; making its map says what is wrong
            return MISSING
        raise InputError(
            f"{target}: would be replaced, and is no map that this tool has made of {source}; name another folder to "
            f"write to, or move the file away"
        )


def _checksum(ids: np.ndarray) -> str:
    return f"{zlib.crc32(np.ascontiguousarray(ids, dtype='<i4').data):08x}"


def to_make(files: Sequence[Files], mark: Mark, workers: int, again: bool = False) -> tuple[list[Files], int]:
    """Find, before anything is written, the maps that have to be made, and count those that are up to date.

    Warns of existing maps that this tool did not make: they are kept.

    Args:
        again: make those that are up to date, too.

    Raises:
        InputError: a file of the user would be replaced.
    """
    there = [pair for pair in files if pair[1].exists()]
    standings = run_parallel(mark.standing, there, workers, "look", "map") if there else []
    if again:
        standings = [MISSING if standing == CURRENT else standing for standing in standings]
    kept = [str(target) for (_, target), standing in zip(there, standings) if standing == KEPT]
    if kept:
        warn(
            f"{len(kept)} of {len(files)} id maps ({listing(kept)}) were not made by this tool, or have "
            f"been changed since, and are kept as they are; to have them made, move them away or name another folder"
        )
    done = {pair for pair, standing in zip(there, standings) if standing != MISSING}
    return [pair for pair in files if pair not in done], standings.count(CURRENT)
