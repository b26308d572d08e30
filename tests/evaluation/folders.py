"""Small sets of images on disk, and a segmenter, for tests of the evaluation."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from evaluation.features import FeatureExtractor, random_features
from evaluation.image_sets import Truth
from models.segmenters.base import Segmenter

NAMES = ("city/a", "city/b", "c", "d.v2", "e")


class Brightness(torch.nn.Module):
    """Segments by gray level, as anybody could by eye: class k of n where the mean of a pixel is in k/n .. (k+1)/n."""

    def __init__(self, classes: int):
        super().__init__()
        self.register_buffer("centers", (torch.arange(classes).float() + 0.5).view(1, -1, 1, 1) / classes)

    def forward(self, photos: Tensor) -> Tensor:
        return -(photos.mean(dim=1, keepdim=True) - self.centers).abs()


def write_segmenter(path: Path, classes: int = 4) -> Path:
    """The segmenter by brightness as a TorchScript file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and still what many have
        torch.jit.trace(Brightness(classes), torch.zeros(1, 3, 8, 8)).save(path)
    return path


def save(pixels: np.ndarray, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def write_set(root: Path, names=NAMES, size=(64, 64), seed=0) -> Path:
    """fake/, real/ and labels/ of as many samples; labels are 0..3 and, in the first row, 255.

    Real photos show what the label maps say, generated ones in two rows of three.
    """
    rng = np.random.default_rng(seed)
    for name in names:
        labels = rng.integers(0, 4, size, dtype=np.uint8)
        labels[0] = 255
        real = np.repeat((labels % 4)[..., None] * np.uint8(64) + rng.integers(0, 60, (*size, 1), dtype=np.uint8), 3, 2)
        fake = real.copy()
        fake[::3] = 255 - fake[::3]
        save(labels, root / "labels" / f"{name}.png")
        save(real, root / "real" / f"{name}.png")
        save(fake, root / "fake" / f"{name}.png")
    return root


def noise(root: Path, folder: str, size: tuple[int, int], names="abc", seed=0) -> Path:
    """A folder of images of `size`, width and height, of random pixels."""
    rng = np.random.default_rng(seed)
    for name in names:
        save(rng.integers(0, 256, (*size[::-1], 3), dtype=np.uint8), root / folder / f"{name}.png")
    return root / folder


def flags(root: Path, *more: str) -> list[str]:
    """A command line that scores the folders of `write_set` with random features."""
    words = ["--fake", str(root / "fake"), "--real", str(root / "real"), "--dataset_mode", "custom"]
    words += ["--label_nc", "4", "--contain_dontcare_label", "--crop_size", "64", "--gpu_ids", "-1"]
    return [*words, "--features", "random", *more]


def segmented(root: Path, *more: str) -> list[str]:
    """The same with the segmenter of `write_segmenter` at root/segmenter.pt."""
    return flags(root, "--labels", str(root / "labels"), "--segmenter", str(root / "segmenter.pt"), *more)


class Squares(Truth):
    """Seven samples of 32x32; the photo of sample i is as bright as its label map says, class 0 to 3."""

    names = tuple("abcdefg")
    size = (32, 32)
    class_names = ("dark", "dusk", "gray", "light")
    preprocess_mode = "none"
    files: ClassVar = {}

    def __getitem__(self, index):
        rng = np.random.default_rng(index)
        labels = torch.from_numpy(rng.integers(0, 4, self.size))
        photo = (labels * 64 + torch.from_numpy(rng.integers(1, 64, self.size))).to(torch.uint8).expand(3, -1, -1)
        labels[0] = 255
        return {"index": index, "photo": photo, "labels": labels}


class GraySegmenter(Segmenter):
    """The same in memory, with four classes."""

    name = "brightness"
    class_ids = (0, 1, 2, 3)
    unlabelled_ids = (255,)
    mean_iou = "labelled"

    def __init__(self):
        super().__init__()
        self.place = torch.nn.Parameter(torch.zeros(()))

    def score_pixels(self, pixels: Tensor, size):
        return -(pixels.mean(dim=1, keepdim=True) - torch.tensor([32.0, 96, 160, 224]).view(1, 4, 1, 1)).abs()


def as_inception() -> FeatureExtractor:
    """Random features that are scored as Inception's are."""
    features = random_features("cpu")
    features.score_name = "fid"
    return features


def generated(truth, indices, shade=0):
    """One image at a time; `shade` is taken from its gray."""
    for index in indices:
        yield [index], (truth[index]["photo"].int() - shade).clamp(min=0).to(torch.uint8)[None]
