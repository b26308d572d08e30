"""Id maps that tools derive from other files: written atomically, reused by later calls, never over a user's file."""

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
from data.opening import image_size, orientation_like
from data.pairs import listing
from data.parallel import parallel_map
from util.errors import InputError
from util.files import replacing
from util.warn import warn

LARGEST_ID = np.iinfo(np.uint16).max
MARK_KEY = "made from"
"""Key of the PNG text chunk that says what the map was made from. In a truncated file the text may be incomplete."""
MARK = re.compile(rb"tEXtmade from\0(\w+) (?:([0-9a-f]{16}) ([0-9a-f]{8}))?")
MARK_WITHIN = 256  # bytes: Pillow writes text chunks right after the header, which has 33 bytes
MISSING, CURRENT, KEPT = "missing", "current", "kept"
Files = tuple[Path, Path]  # the source that a map is made from, and the file it is written to
Item = TypeVar("Item")
Result = TypeVar("Result")


def check_output(folder: Path, sources: Path, what: str) -> None:
    """Raise an `InputError` if `folder` cannot be a folder, or if it lies in the folder of the sources."""
    for path in (folder, *folder.parents):
        if path.is_file():
            raise InputError(f"{folder}: {'' if path == folder else f'{path} '}is a file; name a folder to write to")
    if folder.resolve().is_relative_to(sources.resolve()):
        raise InputError(f"{folder}: lies in {sources}, which holds the {what}; name another folder, beside it")


def pair_with_targets(sources: Mapping[str, Path], folder: Path) -> list[Files]:
    """Pair every source with the PNG of its name in `folder`. Raises an `InputError` if that PNG is itself a source."""
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
    """Return the results of the importable `function` for all items, in order, with a progress bar."""
    return list(tqdm(parallel_map(function, items, workers), total=len(items), desc=desc, unit=unit))


def save_ids(ids: np.ndarray, files: Files, dtype: type[np.unsignedinteger], mark: "Mark") -> None:
    """Write the map (H, W) of a source atomically as a gray PNG of 8 or 16 bits per pixel.

    The map gets the EXIF orientation of the source, because its ids belong to the pixels as stored.

    Raises:
        InputError: `dtype` cannot hold the ids, or the file cannot be written.
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
    """The text that a tool writes into every map it makes, so that later calls see whether the map is up to date.

    A map that was edited afterwards counts as the user's own, even if the editor has kept the mark.

    Attributes:
        tool: name of the tool in the mark. Changing it would make earlier maps unrecognizable.
        settings: text of everything that the maps depend on besides their sources.
    """

    tool: str
    settings: str = ""

    def origin(self, source: Path) -> str:
        """Hash the settings and the source's size and modification time. Raises `InputError` if it is unreadable."""
        try:
            state = source.stat()
        except OSError as error:
            raise InputError(f"{source}: cannot be read ({error.strerror}); replace or remove the file") from error
        text = f"{self.settings}\0{state.st_size}\0{state.st_mtime_ns}"
        return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]

    def text(self, source: Path, ids: np.ndarray) -> str:
        """The text of the mark for `ids` (H, W) made from `source`."""
        return f"{self.tool} {self.origin(source)} {_checksum(ids)}"

    def standing(self, files: Files) -> str:
        """Tell whether a map has to be made.

        Returns:
            CURRENT: no, it is up to date.
            KEPT: no, there is an id map of the right size not made by this tool, or edited since.
            MISSING: yes, there is none, or an outdated or damaged one made by this tool.

        Raises:
            InputError: the path holds another file, which would be lost.
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
            if ids is not None and ids.shape[::-1] == image_size(source):
                return KEPT
        except InputError:  # about the source; making its map reports it
            return MISSING
        raise InputError(
            f"{target}: would be replaced, and is no map that this tool has made of {source}; name another folder to "
            f"write to, or move the file away"
        )


def _checksum(ids: np.ndarray) -> str:
    return f"{zlib.crc32(np.ascontiguousarray(ids, dtype='<i4').data):08x}"


def to_make(files: Sequence[Files], mark: Mark, workers: int, again: bool = False) -> tuple[list[Files], int]:
    """Find the maps that have to be made, and count those that are up to date; writes nothing.

    Warns of existing maps that this tool did not make, which are kept.

    Args:
        again: also make those that are up to date.

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
