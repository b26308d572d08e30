"""Decoded and resized pixels of a sample: what is cached, and what random crops are taken from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL.Image import Resampling

from data.orientation import check_same_size
from data.pairs import SamplePaths
from data.preprocess import Geometry, Preprocess, Size, ids_to_tensor, image_to_tensor, resize
from data.read import LabelIds, image_size, read_image, read_instances, read_labels
from data.sample import Sample


@dataclass(frozen=True)
class Pixels:
    """A sample whose files are decoded, checked and resized, before the random crop and flip.

    Attributes:
        labels: checked class ids (H, W), `LabelIds.dtype`.
        instances: instance ids (H, W), uint8, uint16 or int32, or None.
        image: the photo (H, W, 3) uint8, or None.
    """

    labels: np.ndarray
    instances: np.ndarray | None
    image: np.ndarray | None

    @property
    def size(self) -> Size:
        """Width and height."""
        height, width = self.labels.shape
        return width, height

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return sum(array.nbytes for array in (self.labels, self.instances, self.image) if array is not None)

    def cut(self, name: str, geometry: Geometry) -> Sample:
        """Crop and flip; return the sample `name`."""
        sample: Sample = {"name": name, "labels": ids_to_tensor(geometry.apply(self.labels), self.labels.dtype)}
        if self.instances is not None:
            sample["instances"] = ids_to_tensor(geometry.apply(self.instances), np.int32)
        if self.image is not None:
            sample["image"] = image_to_tensor(geometry.apply(self.image))
        return sample


@dataclass(frozen=True)
class PixelReader:
    """Reads the files of a sample into `Pixels`; equal readers read equal pixels.

    `fast_decode` and `apply_exif` are the options of the same names.
    """

    preprocess: Preprocess
    ids: LabelIds
    fast_decode: bool = False
    apply_exif: bool = False

    def read(self, paths: SamplePaths) -> Pixels:
        """Read one sample. Raises `InputError` for unreadable files, wrong ids, and differing sizes."""
        upright = self.apply_exif
        labels = read_labels(paths.labels, self.ids, upright)
        size = labels.size
        self.preprocess.check(size, paths.labels)
        resized = self.preprocess.resized(size)
        labels = resize(labels, resized, Resampling.NEAREST).astype(self.ids.dtype, copy=False)

        instances = image = None
        if paths.instances is not None:
            instances = read_instances(paths.instances, upright)
            check_same_size(paths.labels, size, paths.instances, instances.size, upright)
            instances = _shrink(resize(instances, resized, Resampling.NEAREST))
        if paths.image is not None:
            image = self._read_image(paths.image, paths.labels, size)
        return Pixels(labels, instances, image)

    def _read_image(self, path: Path, labels: Path, size: Size) -> np.ndarray:
        upright = self.apply_exif
        check_same_size(labels, size, path, image_size(path, upright), upright)
        resized = self.preprocess.resized(size)
        image = read_image(path, resized if self.fast_decode else None, upright)
        return resize(image, resized, Resampling.BICUBIC)


def _shrink(ids: np.ndarray) -> np.ndarray:
    """Convert ids to 16 bits if they fit."""
    return ids.astype(np.uint16) if ids.itemsize > 2 and ids.min() >= 0 and ids.max() < 2**16 else ids
