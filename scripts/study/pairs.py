"""The pairs of a study: images of two systems for the same label map, in an order that does not reveal the systems.

Of the two images of a pair, the one with the smaller digest is number 0, and pairs are sorted by their ids. So only the
key tells which system made an image.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.read import read_image
from scripts.study.labels import Classes, LabelMapReader
from util.errors import InputError

BLOCKS = 8
"""Blocks along each side of an image that is shuffled for an attention check."""
ID_LENGTH = 16


@dataclass(frozen=True)
class Pair:
    """One question: a label map (H, W, 3) and two images (H, W, 3), all uint8.

    Attributes:
        id: digest of the three.
        name: of the sample.
        target: number of the image by A; in an attention check, of the intact image.
    """

    id: str
    name: str
    label: np.ndarray
    classes: Classes
    images: tuple[np.ndarray, np.ndarray]
    target: int
    is_check: bool


def study_id(pairs: Sequence[Pair]) -> str:
    """Return the name of a study: a digest of its images, independent of the names of systems and files."""
    return digest(*sorted(pair.id for pair in pairs))


def digest(*parts: str | np.ndarray) -> str:
    """Return a digest of texts and of the shapes and values of arrays, independent of file formats."""
    total = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else np.ascontiguousarray(part).tobytes()
        total.update(f"{getattr(part, 'shape', ())} {len(content)} ".encode() + content)
    return total.hexdigest()[:ID_LENGTH]


def make_pair(
    name: str, label: np.ndarray, classes: Classes, wanted: np.ndarray, other: np.ndarray, is_check: bool
) -> Pair:
    """Make a pair with the images in the order of their digests; `target` is the position of `wanted`."""
    (first, second), target = (wanted, other), 0
    if digest(wanted) > digest(other):
        (first, second), target = (other, wanted), 1
    return Pair(digest(label, first, second), name, label, classes, (first, second), target, is_check)


def broken(image: np.ndarray, rng: random.Random) -> np.ndarray:
    """Return an image (H, W, 3) with shuffled blocks, which cannot be mistaken for a photo."""
    height, width = (max(1, side // BLOCKS) for side in image.shape[:2])
    places = [(y, x) for y in range(image.shape[0] // height) for x in range(image.shape[1] // width)]
    result = image.copy()
    for (y, x), (from_y, from_x) in zip(places, rng.sample(places, len(places))):
        block = image[from_y * height : (from_y + 1) * height, from_x * width : (from_x + 1) * width]
        result[y * height : (y + 1) * height, x * width : (x + 1) * width] = block
    return result


class PairMaker:
    """Reads pairs of two folders in a random order.

    Args:
        a, b, labels: images by sample name.
        label_maps: how label maps are colored.
        seed: of the order, and of how images are broken.
    """

    def __init__(
        self, a: dict[str, Path], b: dict[str, Path], labels: dict[str, Path], label_maps: LabelMapReader, seed: int
    ):
        self.a, self.b, self.labels, self.label_maps = a, b, labels, label_maps
        self.names = [name for name in a if name in b and name in labels]
        self.rng = random.Random(seed)

    def make(self, count: int, checks: int) -> list[Pair]:
        """Return up to `count` pairs that differ, and `checks` attention checks, sorted by id.

        Checks prefer samples that are in no other question.
        """
        names = self.rng.sample(self.names, len(self.names))
        pairs: dict[str, Pair] = {}
        used = 0
        for pair in self._pairs(names):
            used += 1
            if pair is not None:
                pairs[pair.id] = pair
            if len(pairs) == count:
                break
        for k, name in zip(range(checks), [*names[used:], *names[:used]]):
            pair = self._check(name, (self.a, self.b)[k % 2])
            pairs[pair.id] = pair
        return [pairs[key] for key in sorted(pairs)]

    def _pairs(self, names: list[str]) -> Iterator[Pair | None]:
        """Yield a pair for every name, or None if both images are equal."""
        for name in names:
            a, b = (np.asarray(read_image(files[name])) for files in (self.a, self.b))
            if a.shape != b.shape:
                sizes = " and ".join(
                    f"{side[name]} ({x.shape[1]}x{x.shape[0]})" for side, x in ((self.a, a), (self.b, b))
                )
                raise InputError(f"{sizes} differ in size, so people would compare sizes; make both of one --crop_size")
            if np.array_equal(a, b):
                yield None
            else:
                yield make_pair(name, *self._label(name, a), wanted=a, other=b, is_check=False)

    def _check(self, name: str, files: dict[str, Path]) -> Pair:
        good = np.asarray(read_image(files[name]))
        return make_pair(name, *self._label(name, good), wanted=good, other=broken(good, self.rng), is_check=True)

    def _label(self, name: str, image: np.ndarray) -> tuple[np.ndarray, Classes]:
        height, width = image.shape[:2]
        return self.label_maps.read(self.labels[name], (width, height))
