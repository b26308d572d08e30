"""The interface of data sets, and the type of their samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, TypedDict

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset, Subset

from data.classes import describe_classes, published_classes
from data.disparity import DisparityMaps
from data.pairs import SamplePaths
from data.preprocess import Preprocess
from data.read import LabelIds
from data.sims.scene import Scene
from options import Preset
from options.data_file import described
from options.description import ClassRow, DataFile


class _Always(TypedDict):
    name: str  # relative path without extension, posix slashes, unique in the data set
    labels: Tensor  # class ids, (H, W) uint8 up to 256 labels, else int16; the unknown class, if any, is id label_nc
    # With --input_nc there are no labels, and `condition` is in their place.
    # H and W are those of the network's images: round(crop_size / aspect_ratio) and crop_size.


class Sample(_Always, total=False):
    """One sample; keys that the data set lacks are absent. torch's default collate makes the batch."""

    condition: Tensor  # (input_nc, H, W) float32; pixels of image files in [-1, 1], maps of arrays as they are
    instances: Tensor  # instance ids, (H, W) int32; only their boundaries matter
    image: Tensor  # the photo, (3, H, W) float32 in [-1, 1]
    canvas: Tensor  # SIMS: pasted segments, (3, H, W) float32 in 0..1; 0 where there is none, 1 where pixels are elided
    changed_labels: Tensor  # SIMS: labels that fit the canvas, (H, W) int16; unlabeled is one more than all labels
    scene: Scene  # SIMS: in a test with networks about segments, what the canvas is made of
    segments: Tensor  # SIMS, to learn alignment: K moved segments, (K, 3, H, W) float32 in 0..1, black around them
    segment_masks: Tensor  # where they belong, (K, H, W) bool; nowhere for missing ones
    pair_labels: Tensor  # SIMS, to learn order: the classes of P pairs of segments, (P, H, W) int16, -1 around them
    pair_fronts: Tensor  # the class in front of each pair, (P,) int64, -1 for missing ones
    disparity: Tensor  # (H, W) int32, larger is nearer, 0 is unknown; where `SampleDataset.disparity` is set
    skipped: list[str]  # errors of the samples that this one replaces (`data.skipping`)


class Samples(Dataset[Sample], ABC):
    """Samples by index, from 0."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Sample: ...

    def describe(self, index: int) -> str:
        """Name a sample in a message."""
        return f"sample {index}"


class SampleDataset(Samples):
    """A data set of `data.DATASETS`; built from train or test options.

    Samples draw from torch's main generator only.

    Attributes:
        preset: option defaults for the data set.
        class_rows: names and colors of the published classes; other numbers of classes are numbered.
        unknown_value: value of unknown pixels in label files of this kind of data set, unless a data file says another;
            None if unknown is an ordinary id of the files.
        class_names, class_colors: one per label channel; colors (num_labels, 3) uint8.
        ids: the ids that label maps may hold.
        paths: the files of every sample; empty if samples are drawn in memory.
        preprocess: resizing and cropping of files; None if samples are drawn in memory.
        disparity: further maps of the samples; None if they are not read.
    """

    preset: ClassVar[Preset]
    class_rows: ClassVar[tuple[ClassRow, ...]] = ()
    unknown_value: ClassVar[int | None] = 255
    class_names: tuple[str, ...]
    class_colors: np.ndarray
    ids: LabelIds
    paths: Sequence[SamplePaths] = ()
    preprocess: Preprocess | None = None
    disparity: DisparityMaps | None = None

    def __init__(self, opt):
        self.class_names, self.class_colors = self.classes(opt.label_nc, opt.contain_dontcare_label, described(opt))
        self.ids = self.label_ids(opt)

    def find_disparity(self, opt) -> dict[str, Path]:
        """List the disparity maps, by sample name; none if no folder is known. Raises `InputError` if one is empty."""
        return {}

    @classmethod
    def classes(
        cls, label_nc: int, contain_dontcare_label: bool, description: DataFile | None = None
    ) -> tuple[tuple[str, ...], np.ndarray]:
        """`class_names` and `class_colors` for options of these names; opens no file of the data set.

        Args:
            description: the data file of `--data`, if there is one.
        """
        # A data file describes the custom data set alone, which has no table.
        table = published_classes(cls.class_rows, label_nc, contain_dontcare_label)
        rows = description.classes if description else table
        return describe_classes(rows, label_nc, contain_dontcare_label)

    @classmethod
    def label_ids(cls, opt) -> LabelIds:
        """The ids that label maps may hold, for options of data."""
        return LabelIds(opt.label_nc, opt.contain_dontcare_label, cls.unknown_value)


def run_decides(opt) -> bool:
    """Whether a saved run fixes the classes and the maps that its networks take, so that options cannot change them."""
    resumes = not opt.is_train or getattr(opt, "continue_train", False) or getattr(opt, "auto_resume", False)
    return resumes and getattr(opt, "is_saved", False)


class DerivedDataset(SampleDataset):
    """The samples of another data set, changed or with further maps; a subclass defines `__getitem__`.

    Args:
        dataset: the other one, whose classes and files these are.
    """

    def __init__(self, dataset: SampleDataset):
        self.dataset = dataset
        self.class_names, self.class_colors = dataset.class_names, dataset.class_colors
        self.ids = dataset.ids
        self.paths, self.preprocess = dataset.paths, dataset.preprocess

    def __len__(self) -> int:
        return len(self.dataset)

    def describe(self, index: int) -> str:
        """Name a sample in a message."""
        return self.dataset.describe(index)


AnySamples = Samples | Subset[Sample]
"""Samples, or a subset of them."""
