"""A cache of decoded and resized samples on disk, common to epochs, runs and processes."""

import hashlib
import json
import os
import shutil
import struct
import zlib
from collections.abc import Sequence
from dataclasses import asdict, astuple, replace
from pathlib import Path

import numpy as np
import torch

from data.conditions import map_size
from data.pairs import SamplePaths
from data.pixels import PixelReader, Pixels
from util.errors import InputError
from util.files import remove_temporaries, replacing
from util.warn import warn

VERSION = 1  # a higher one makes every entry of older code invalid
MAGIC = b"samples1"
# Magic; checksum of everything after it; state of the source files; width; height; dtypes of labels and instances;
# whether there is a photo. The pixels come after the head: labels (or a conditioning image), instances, photo.
HEAD = struct.Struct("<8sI16sII3s3s?")
CHECKED_FROM = struct.calcsize("<8sI")
MEASURED = 64  # samples whose mean area estimates that of all, where resizing does not make sizes equal
ABANDONED = 24 * 3600  # seconds after which a temporary file is taken for that of a process that has died


class SampleCache:
    """One file a sample, `<folder>/<2 digits>/<key>.sample`: labels, instances and photo as unpacked bytes.

    The key is a hash of the paths of the sample's files and of every setting that its pixels depend on, so runs with
    equal settings use the same entries. An entry is valid as long as the source files keep the size and modification
    time they had when it was written; an outdated or damaged entry is replaced. Entries are written atomically
    (`os.replace`), so any number of processes can fill one folder; at worst two of them do the same work.

    If the folder cannot be written to, or is full, a warning is printed once and the run goes on without storing more.
    """

    def __init__(self, folder: Path, reader: PixelReader):
        self.folder = folder
        self.reader = reader
        preprocess = reader.preprocess
        ids = asdict(replace(reader.ids, palette=None))
        del ids["fixed"], ids["editions"], ids["gaps"], ids["palette"]  # the first three refuse or explain, no more
        colors = [astuple(entry)[:2] for entry in reader.ids.palette.entries] if reader.ids.palette else []
        self._depends_on = [
            VERSION, preprocess.mode, preprocess.load_size, preprocess.crop_size, preprocess.aspect_ratio,
            ids, reader.fast_decode, *["apply_exif"] * reader.apply_exif, *colors,  # nothing if off: older keys stay
            *[{"input_nc": reader.input_nc}] * bool(reader.input_nc),
        ]  # fmt: skip
        self._writing = torch.ones(1, dtype=torch.bool).share_memory_()  # one flag for all workers of a loader

    def plan(self, samples: Sequence[SamplePaths]) -> str:
        """Make the folder and return a line that says how large the cache will be.

        Raises:
            InputError: the folder cannot be made, or the disk is too small for the missing entries.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            remove_temporaries(self.folder, older_than=ABANDONED)
            parts = [part for part in self.folder.iterdir() if len(part.name) == 2 and part.is_dir()]
            there = {name for part in parts for name in os.listdir(part)}  # noqa: PTH208 (names are enough)
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            raise InputError(f"--cache_dir {self.folder}: {error.strerror}; name a folder that can be used") from error
        missing = sum(self.path(paths).name not in there for paths in samples) if there else len(samples)
        each = self._bytes_per_sample(samples)
        if missing * each > free:
            raise InputError(
                f"--cache_dir {self.folder}: {missing} samples of {_size(each)} need {_size(missing * each)} but "
                f"{_size(free)} are free; name a folder on a larger disk, or leave out --cache_dir"
            )
        return (
            f"cache: {len(samples)} samples x {_size(each)} = {_size(len(samples) * each)} in {self.folder}, "
            f"{missing} of them not there yet; {_size(free)} free"
        )

    def path(self, paths: SamplePaths) -> Path:
        """Path of the entry of a sample, whether or not it exists."""
        files = [path and str(path.absolute()) for path in (paths.labels, paths.instances, paths.image)]
        key = hashlib.blake2b(json.dumps([self._depends_on, files]).encode(), digest_size=16).hexdigest()
        return self.folder / key[:2] / f"{key}.sample"

    def get(self, paths: SamplePaths) -> Pixels:
        """Take a sample from the cache, or read it and put it there. Raises `InputError` as `PixelReader.read` does."""
        try:
            state = _state(paths)  # before reading, so that a file changed in the meantime makes the entry invalid
        except OSError:
            return self.reader.read(paths)  # raises an error that says what is wrong
        path = self.path(paths)
        pixels = _load(path, state, self.reader.input_nc)
        if pixels is None:
            pixels = self.reader.read(paths)
            self._store(path, state, pixels)
        return pixels

    def _store(self, path: Path, state: bytes, pixels: Pixels) -> None:
        if not self._writing:
            return
        try:
            with replacing(path) as temporary:
                temporary.write_bytes(_pack(state, pixels))
        except OSError as error:
            if self._writing:
                self._writing[0] = False
                warn(f"--cache_dir {self.folder}: {error.strerror}; nothing more is kept in this run")

    def _bytes_per_sample(self, samples: Sequence[SamplePaths]) -> int:
        """Estimate the size of an entry: that of the first sample, scaled to the mean area of samples over the list."""
        pixels = self.reader.read(samples[0])
        measured = samples[:: -(-len(samples) // MEASURED)]
        upright = self.reader.apply_exif
        sizes = [
            self.reader.preprocess.resized(map_size(paths.labels, self.reader.input_nc, upright)) for paths in measured
        ]
        area = sum(width * height for width, height in sizes) / len(sizes)
        width, height = pixels.size
        return HEAD.size + round(pixels.nbytes * area / (width * height))


def _size(count: float) -> str:
    """Format a number of bytes with three digits: "47.4 GB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _state(paths: SamplePaths) -> bytes:
    """Hash sizes and modification times of a sample's files into 16 bytes, which differ once a file has changed."""
    stats = [path.stat() for path in paths.files]
    return hashlib.blake2b(repr([(s.st_size, s.st_mtime_ns) for s in stats]).encode(), digest_size=16).digest()


def _pack(state: bytes, pixels: Pixels) -> bytes:
    types = [
        b"" if ids is None else _little_endian(ids).dtype.str.encode() for ids in (pixels.labels, pixels.instances)
    ]
    head = HEAD.pack(MAGIC, 0, state, *pixels.size, *types, pixels.image is not None)
    arrays = [array for array in (pixels.labels, pixels.instances, pixels.image) if array is not None]
    body = head[CHECKED_FROM:] + b"".join(_little_endian(array).tobytes() for array in arrays)
    return MAGIC + struct.pack("<I", zlib.crc32(body)) + body


def _little_endian(array: np.ndarray) -> np.ndarray:
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def _load(path: Path, state: bytes, input_nc: int) -> Pixels | None:
    """Read an entry; return None if it is missing or damaged, or if its source files are no longer in `state`.

    Args:
        input_nc: channels of the conditioning image in place of labels; 0 for labels.
    """
    try:
        entry = path.read_bytes()
        magic, checksum, its_state, width, height, labels, instances, has_image = HEAD.unpack_from(entry)
    except (OSError, struct.error):
        return None
    if magic != MAGIC or its_state != state or zlib.crc32(memoryview(entry)[CHECKED_FROM:]) != checksum:
        return None
    arrays, at = [], HEAD.size
    for dtype, depth in (
        (labels, (input_nc,) if input_nc else ()),
        (instances, ()),
        (b"|u1" if has_image else b"", (3,)),
    ):
        if not dtype.strip(b"\0"):
            arrays.append(None)
            continue
        shape = (height, width, *depth)
        arrays.append(np.frombuffer(entry, dtype.decode(), int(np.prod(shape)), at).reshape(shape))
        at += arrays[-1].nbytes
    return Pixels(*arrays)
