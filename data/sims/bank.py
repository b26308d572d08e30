"""The bank of SIMS: the segments of all training photos, as one file. Photos themselves stay where they are."""

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from data.sims.components import Component
from options.data import DataOptions
from util.errors import InputError
from util.files import replacing

GRID_ROWS = 64  # of small masks; 64x64 for square images, 64x128 for those of Cityscapes
VERSION = 1
MARKS = (b"outlines.npy", b"layouts.npy")  # names in every file of a bank, see `util.files.refuse_foreign`
PER_SESSION = {"cache_dir", "batch_size", "num_workers", "serial_batches"}
SAME_CLASSES = ("dataset_mode", "label_nc", "contain_dontcare_label")
ONES = np.array([number.bit_count() for number in range(2**16)], dtype=np.uint8)
"""Number of ones in every 16-bit number."""
HOW_TO_BUILD = "python -m scripts.prepare bank makes one"


@dataclass(frozen=True)
class Bank:
    """Segments, sorted by class, and the training images they are from.

    Attributes:
        options: the options of data by which the images are read, by name.
        smallest: fraction of the image; segments are larger.
        names: of the images.
        layouts: small label maps (images, rows, columns).
        labels, images, areas: class, index of the image and number of pixels of each segment, (n,).
        boxes: (n, 4), top, left, bottom, right.
        masks: small masks, bits packed to (words, n) uint64.
        outlines, ends: masks at full size: the bits within the box of segment i, packed and deflated, are the bytes of
            `outlines` up to ends[i].
    """

    options: Mapping[str, Any]
    smallest: float
    names: tuple[str, ...]
    layouts: np.ndarray
    labels: np.ndarray
    images: np.ndarray
    areas: np.ndarray
    boxes: np.ndarray
    masks: np.ndarray
    outlines: np.ndarray
    ends: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images."""
        return frame_size(self.options["crop_size"], self.options["aspect_ratio"])

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of small masks."""
        rows, columns = self.layouts.shape[1:]
        return rows, columns

    @cached_property
    def places(self) -> dict[str, int]:
        """Index of each image by its name."""
        return {name: place for place, name in enumerate(self.names)}

    @cached_property
    def small_areas(self) -> np.ndarray:
        """Pixels of the small masks, (n,)."""
        return count_common(self.masks, ~np.zeros(len(self.masks), np.uint64))

    def segments_of(self, label: int) -> slice:
        """The segments of a class."""
        first, last = np.searchsorted(self.labels, [label, label + 1])
        return slice(int(first), int(last))

    def outline(self, segment: int) -> np.ndarray:
        """The mask of a segment within its box, (bottom - top, right - left) bool."""
        top, left, bottom, right = self.boxes[segment]
        start = self.ends[segment - 1] if segment else 0
        packed = np.frombuffer(zlib.decompress(self.outlines[start : self.ends[segment]].tobytes()), np.uint8)
        bits = np.unpackbits(packed, count=(bottom - top) * (right - left))
        return bits.reshape(bottom - top, right - left).view(bool)

    def mask(self, segment: int) -> np.ndarray:
        """The mask of a segment, (H, W) bool."""
        mask = np.zeros(self.size, dtype=bool)
        top, left, bottom, right = self.boxes[segment]
        mask[top:bottom, left:right] = self.outline(segment)
        return mask

    def check(self, path: str, opt) -> None:
        """Raise an `InputError` if the bank in the file `path` is one of another data set, or of another size."""
        for name in SAME_CLASSES:
            if self.options[name] != getattr(opt, name):
                raise InputError(
                    f"--bank {path}: was made with --{name} {self.options[name]}, and this is --{name} "
                    f"{getattr(opt, name)}; name a bank of this data set: {HOW_TO_BUILD}"
                )
        wanted = frame_size(opt.crop_size, opt.aspect_ratio)
        if self.size != wanted:
            (height, width), (high, wide) = self.size, wanted
            raise InputError(
                f"--bank {path}: holds segments of {width}x{height} images, and the network makes {wide}x{high}; "
                f"name a bank of this size: {HOW_TO_BUILD}"
            )

    def save(self, path: Path) -> None:
        """Write the file, atomically."""
        about = {"version": VERSION, "options": dict(self.options), "smallest": self.smallest, "names": self.names}
        arrays = {field.name: getattr(self, field.name) for field in fields(self) if field.type is np.ndarray}
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)

    @classmethod
    def load(cls, path: str) -> "Bank":
        """Read a file into memory. (One of 100,000 segments takes about 100 MB.) Raises `InputError` for others."""
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            about = json.loads(arrays.pop("about").tobytes())
            if about.pop("version") != VERSION:
                raise InputError(f"--bank {path}: was made by another version of this program; {HOW_TO_BUILD}")
            return cls(**{**about, "names": tuple(about["names"])}, **arrays)
        except OSError as error:
            reason = error.strerror or "cannot be read"
            raise InputError(f"--bank {path}: {reason}; {HOW_TO_BUILD}") from error
        except InputError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise InputError(f"--bank {path}: is no bank, or damaged; {HOW_TO_BUILD}") from error


def options_of_images(opt) -> dict[str, Any]:
    """The options by which training images are read for a bank: as in testing, whole, and not mirrored."""
    kept = {field.name: getattr(opt, field.name) for field in fields(DataOptions) if field.name not in PER_SESSION}
    return kept | {"load_size": opt.crop_size, "flip": False, "instance": False}


def frame_size(crop_size: int, aspect_ratio: float) -> tuple[int, int]:
    """Height and width of images."""
    return round(crop_size / aspect_ratio), crop_size


def grid_of(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of the small masks of images: 64 rows, or fewer for images that are less high."""
    rows = min(GRID_ROWS, height)
    return rows, max(1, round(rows * width / height))


def shrink(ids: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """The values of a map (H, W) at the centers of the cells of a grid: (rows, columns)."""
    rows, columns = (((2 * np.arange(count) + 1) * side) // (2 * count) for count, side in zip(grid, ids.shape))
    return ids[np.ix_(rows, columns)]


def pack_bits(mask: np.ndarray) -> np.ndarray:
    """The bits of a small mask (rows, columns) bool as words, (words,) uint64; the last one is filled with zeros."""
    packed = np.packbits(mask)
    return np.pad(packed, (0, -len(packed) % 8)).view(np.uint64)


def count_common(masks: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Number of ones that small masks (words, n) uint64 have in common with one of them (words,): (n,) uint32."""
    total = np.zeros(masks.shape[1], dtype=np.uint32)
    for word in np.flatnonzero(query):
        total += count_bits(masks[word] & query[word])
    return total


def count_bits(words: np.ndarray) -> np.ndarray:
    """Number of ones in each word (n,) uint64: (n,) uint8."""
    if hasattr(np, "bitwise_count"):  # since NumPy 2
        return np.bitwise_count(words)
    return ONES[words.view(np.uint16).reshape(-1, 4)].sum(axis=1, dtype=np.uint8)


def deflate_outline(component: Component) -> bytes:
    """The mask within the box of a component, packed to bits and deflated, about 300 bytes at 256x256."""
    top, left, bottom, right = component.box
    return zlib.compress(np.packbits(component.mask[top:bottom, left:right]).tobytes())
