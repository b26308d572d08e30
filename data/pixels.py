"""The pixels of a sample between file and network: read and resized here, then cropped for one use of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL.Image import Resampling
from torch import Tensor

from data.pairs import SamplePaths
from data.preprocess import Geometry, Preprocess, Size, ids_to_tensor, image_to_tensor, resize
from data.read import LabelIds, picture_size, read_image, read_instances, read_labels
from util.errors import InputError


@dataclass(frozen=True)
class Pixels:
    """A sample whose files are decoded, checked and resized, before anything is left to chance.

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

    def cut(self, geometry: Geometry) -> dict[str, Tensor]:
        """Crop and mirror: the tensors of a `Sample`."""
        tensors = {"labels": ids_to_tensor(geometry.apply(self.labels), self.labels.dtype)}
        if self.instances is not None:
            tensors["instances"] = ids_to_tensor(geometry.apply(self.instances), np.int32)
        if self.image is not None:
            tensors["image"] = image_to_tensor(geometry.apply(self.image))
        return tensors


@dataclass(frozen=True)
class PixelReader:
    """From the files of a sample to its `Pixels`. Two readers that are equal read equal pixels.

    `fast_decode` is the option of this name.
    """

    preprocess: Preprocess
    ids: LabelIds
    fast_decode: bool = False

    def read(self, paths: SamplePaths) -> Pixels:
        """Read one sample. Raises `InputError` for files that cannot be read, wrong ids and sizes that differ."""
        labels = read_labels(paths.labels, self.ids)
        size = labels.size
        self.preprocess.check(size, paths.labels)
        resized = self.preprocess.resized(size)
        labels = resize(labels, resized, Resampling.NEAREST).astype(self.ids.dtype, copy=False)

        instances = image = None
        if paths.instances is not None:
            instances = read_instances(paths.instances)
            _check_same_size(size, paths.labels, instances.size, paths.instances)
            instances = _shrink(resize(instances, resized, Resampling.NEAREST))
        if paths.image is not None:
            image = self._read_image(paths, size)
        return Pixels(labels, instances, image)

    def _read_image(self, paths: SamplePaths, size: Size) -> np.ndarray:
        _check_same_size(size, paths.labels, picture_size(paths.image), paths.image)
        resized = self.preprocess.resized(size)
        return resize(read_image(paths.image, resized if self.fast_decode else None), resized, Resampling.BICUBIC)


def _shrink(ids: np.ndarray) -> np.ndarray:
    """The same ids in 16 bits if they fit."""
    return ids.astype(np.uint16) if ids.itemsize > 2 and ids.min() >= 0 and ids.max() < 2**16 else ids


def _check_same_size(labels_size: Size, labels: Path, other_size: Size, other: Path) -> None:
    if labels_size != other_size:
        raise InputError(
            f"{labels} is {labels_size[0]}x{labels_size[1]} but {other} is {other_size[0]}x{other_size[1]}; "
            f"the files of a sample must have one size"
        )
