"""Cutting training images into the segments of a bank."""

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import numpy as np

from data.sample import SampleDataset
from data.sims.bank import Bank, deflate_outline, grid_of, pack_bits, shrink
from data.sims.components import SMALLEST_FRACTION, components


class ImageSegments(NamedTuple):
    """The segments of one image; see `Bank`."""

    name: str
    layout: np.ndarray
    labels: list[int]
    areas: list[int]
    boxes: list[tuple[int, int, int, int]]
    masks: list[np.ndarray]
    outlines: list[bytes]


def cut(name: str, labels: np.ndarray, ignored: Collection[int], smallest: float = SMALLEST_FRACTION) -> ImageSegments:
    """Cut a label map (H, W) into segments.

    Args:
        ignored: ids that are no class.
        smallest: fraction of the image; segments are larger.
    """
    grid = grid_of(*labels.shape)
    found = components(labels, ignored, smallest)
    return ImageSegments(
        name,
        shrink(labels, grid),
        [component.label for component in found],
        [component.area for component in found],
        [component.box for component in found],
        [pack_bits(shrink(component.mask, grid)) for component in found],
        [deflate_outline(component) for component in found],
    )


class ImageCutter:
    """Cuts image `index` of a data set; a picklable function for `data.parallel.parallel_map`.

    Args:
        dataset: of `whole_images`.
    """

    def __init__(self, dataset: SampleDataset, ignored: Collection[int], smallest: float):
        self.dataset, self.ignored, self.smallest = dataset, ignored, smallest

    def __call__(self, index: int) -> ImageSegments:
        """Read the label map and cut it. Raises `InputError` for files that cannot be read."""
        sample = self.dataset[index]
        return cut(sample["name"], sample["labels"].numpy(), self.ignored, self.smallest)


def gather(images: Iterable[ImageSegments], options: dict[str, Any], smallest: float) -> Bank:
    """The bank of all images, with its segments sorted by class; at least one image has a segment."""
    images = list(images)
    labels = np.array([label for image in images for label in image.labels], dtype=np.int32)
    order = np.argsort(labels, kind="stable")
    outlines = [outline for image in images for outline in image.outlines]
    return Bank(
        options=options,
        smallest=smallest,
        names=tuple(image.name for image in images),
        layouts=np.stack([image.layout for image in images]),
        labels=labels[order],
        images=np.repeat(np.arange(len(images), dtype=np.int32), [len(image.labels) for image in images])[order],
        areas=np.array([area for image in images for area in image.areas], dtype=np.int32)[order],
        boxes=np.array([box for image in images for box in image.boxes], dtype=np.int32)[order],
        masks=np.stack([mask for image in images for mask in image.masks])[order].T.copy(),  # (words, n)
        outlines=np.frombuffer(b"".join(outlines[place] for place in order), np.uint8),
        ends=np.cumsum([len(outlines[place]) for place in order], dtype=np.int64),
    )
