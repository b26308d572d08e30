"""What every data set is, and what it yields."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, TypedDict

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset, Subset

from data.pairs import SamplePaths
from data.preprocess import Preprocess
from options import Preset


class _Always(TypedDict):
    name: str  # relative path without extension, posix slashes, unique in the data set
    labels: Tensor  # class ids, (H, W) uint8 up to 256 labels, else int16; the unknown class, if any, is id label_nc
    # H and W are what the network makes: round(crop_size / aspect_ratio) and crop_size.


class Sample(_Always, total=False):
    """One sample; a key is absent when the data set has no such thing. torch's default collate makes the batch."""

    instances: Tensor  # instance ids, (H, W) int32; only where they differ matters
    image: Tensor  # the photo, (3, H, W) float32 in [-1, 1]
    skipped: list[str]  # what is wrong with the samples that this one stands in for (`data.skipping`)


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
        preset: defaults of options that come with the data set.
        unknown_value: what label files hold for unknown pixels; None if unknown is an ordinary id of the files.
        class_names, class_colors: one for each label channel; colors (num_labels, 3) uint8.
        paths: the files of every sample; empty where samples are drawn in memory.
        preprocess: how files come to size; None where samples are drawn at that size.
    """

    preset: ClassVar[Preset]
    unknown_value: ClassVar[int | None] = 255
    class_names: tuple[str, ...]
    class_colors: np.ndarray
    paths: Sequence[SamplePaths] = ()
    preprocess: Preprocess | None = None

    def __init__(self, opt):
        self.class_names, self.class_colors = self.classes(opt.label_nc, opt.contain_dontcare_label)

    @classmethod
    @abstractmethod
    def classes(cls, label_nc: int, contain_dontcare_label: bool) -> tuple[tuple[str, ...], np.ndarray]:
        """`class_names` and `class_colors` for the options of these names; opens no file of the data set."""


AnySamples = Samples | Subset[Sample]
"""Samples, or a part of them."""
