"""What scripts that prepare data share: id maps written whole and not written twice, work spread over processes."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image
from tqdm import tqdm

from data.opening import orientation_like
from data.parallel import parallel_map, usable_cores
from data.read import read_instances
from util.errors import InputError
from util.files import replacing

LARGEST_ID = np.iinfo(np.uint16).max
Item = TypeVar("Item")
Result = TypeVar("Result")


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Declare `--workers N`."""
    parser.add_argument("--workers", type=int, metavar="N", default=usable_cores(), help="processes (%(default)s)")


def check_output(folder: Path) -> None:
    """Raise an `InputError` for a path where no folder can be."""
    for path in (folder, *folder.parents):
        if path.is_file():
            raise InputError(f"{folder}: {'' if path == folder else f'{path} '}is a file; name a folder to write to")


def run_parallel(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int, desc: str, unit: str = "file"
) -> list[Result]:
    """The results of `function`, which must be importable, for all items in their order, under a progress bar."""
    if workers < 1:
        raise InputError(f"--workers {workers}: must be 1 or more")
    return list(tqdm(parallel_map(function, items, workers), total=len(items), desc=desc, unit=unit))


def read_ids(path: Path) -> np.ndarray:
    """Read a map of whole numbers, (H, W) int32, without checking their range."""
    return np.asarray(read_instances(path))


def is_done(path: Path, size: tuple[int, int]) -> bool:
    """Whether `path` is a whole id map of `size` (width, height), so that it need not be made again."""
    try:
        return path.is_file() and read_instances(path).size == size
    except InputError:
        return False


def save_ids(ids: np.ndarray, path: Path, dtype: type[np.unsignedinteger], source: Path | None = None) -> None:
    """Write ids (H, W) as a grey PNG of 8 or 16 bits a pixel; a file that exists is whole.

    Args:
        source: the picture whose stored pixels they are of; its EXIF orientation goes with them.

    Raises:
        InputError: for ids that `dtype` cannot hold, and where nothing can be written.
    """
    largest = int(ids.max())
    if largest > np.iinfo(dtype).max:
        raise InputError(
            f"{path}: would hold ids up to {largest}, but its {np.dtype(dtype).itemsize * 8} bits a pixel hold "
            f"{np.iinfo(dtype).max}"
        )
    exif = orientation_like(source) if source else None
    try:
        with replacing(path) as temporary:
            Image.fromarray(ids.astype(dtype)).save(temporary, format="PNG", exif=exif)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
