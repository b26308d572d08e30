"""Decoded and resized pixels of a sample: what is cached, and what random crops are taken from."""

from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing
from PIL import Image
from PIL.Image import Resampling

from data.conditions import condition_to_tensor, read_condition, resize_condition
from data.orientation import check_same_size
from data.pairs import SamplePaths
from data.preprocess import Geometry, Preprocess, Size, ids_to_tensor, image_to_tensor, resize
from data.read import LabelIds, image_size, read_image, read_instances, read_labels
from data.sample import Sample


@dataclass(frozen=True)
class Pixels:
    """A sample whose files are decoded, checked and resized, before the random crop and flip.

    Attributes:
        labels: checked class ids (H, W), `LabelIds.dtype`; or in their place a conditioning image (H, W, C), uint8 or
            float32.
        instances: instance ids (H, W), uint8, uint16 or int32, or None.
        image: the photo (H, W, 3) uint8, or None.
    """

    labels: np.ndarray
    instances: np.ndarray | None
    image: np.ndarray | None

    @property
    def size(self) -> Size:
        """Width and height."""
        height, width = self.labels.shape[:2]
        return width, height

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return sum(array.nbytes for array in (self.labels, self.instances, self.image) if array is not None)

    @classmethod
    def resized(
        cls,
        labels: Image.Image | np.ndarray,
        instances: Image.Image | None,
        image: Image.Image | None,
        size: Size,
        dtype: np.typing.DTypeLike,
    ) -> "Pixels":
        """Decoded maps and photo of a sample, resized to (width, height); labels become `dtype`.

        Args:
            labels: a label map as an image; or the array of a conditioning image (h, w, C).
        """
        is_condition = isinstance(labels, np.ndarray)
        return cls(
            resize_condition(labels, size)
            if is_condition
            else resize(labels, size, Resampling.NEAREST).astype(dtype, copy=False),
            None if instances is None else _shrink(resize(instances, size, Resampling.NEAREST)),
            None if image is None else resize(image, size, Resampling.BICUBIC),
        )

    def cut(self, name: str, geometry: Geometry) -> Sample:
        """Crop and flip; return the sample `name`."""
        layout = geometry.apply(self.labels)
        if self.labels.ndim == 3:
            maps = {"condition": condition_to_tensor(layout)}
        else:
            maps = {"labels": ids_to_tensor(layout, layout.dtype)}
        sample = cast("Sample", {"name": name, **maps})
        if self.instances is not None:
            sample["instances"] = ids_to_tensor(geometry.apply(self.instances), np.int32)
        if self.image is not None:
            sample["image"] = image_to_tensor(geometry.apply(self.image))
        return sample


@dataclass(frozen=True)
class PixelReader:
    """Reads the files of a sample into `Pixels`; equal readers read equal pixels.

    `fast_decode`, `apply_exif` and `input_nc` are the options of the same names.
    """

    preprocess: Preprocess
    ids: LabelIds
    fast_decode: bool = False
    apply_exif: bool = False
    input_nc: int = 0

    def read(self, paths: SamplePaths) -> Pixels:
        """Read one sample. Raises `InputError` for unreadable files, wrong ids, and differing sizes."""
        upright = self.apply_exif
        if self.input_nc:
            labels = read_condition(paths.labels, self.input_nc, upright)
            size = (labels.shape[1], labels.shape[0])
        else:
            labels = read_labels(paths.labels, self.ids, upright)
            size = labels.size
        self.preprocess.check(size, paths.labels)
        instances = image = None
        if paths.instances is not None:
            instances = read_instances(paths.instances, upright)
            check_same_size(paths.labels, size, paths.instances, instances.size, upright)
        resized = self.preprocess.resized(size)
        if paths.image is not None:
            check_same_size(paths.labels, size, paths.image, image_size(paths.image, upright), upright)
            image = read_image(paths.image, resized if self.fast_decode else None, upright)
        return Pixels.resized(labels, instances, image, resized, self.ids.dtype)


def _shrink(ids: np.ndarray) -> np.ndarray:
    """Convert ids to 16 bits if they fit."""
    return ids.astype(np.uint16) if ids.itemsize > 2 and ids.min() >= 0 and ids.max() < 2**16 else ids
