"""How far the mean color of each class in generated images lies from the real ones.

    python -m scripts.compare colors --name RUN [the options that test.py was given]

Reads what test.py wrote. A quick look at a run, not a score of the field.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image

from data import PRESETS, create_dataset
from models import METHODS
from options import TestOptions, parse_options
from util.errors import InputError
from util.image import to_uint8


@dataclass(frozen=True, kw_only=True)
class ColorOptions(TestOptions):
    """The options of test.py, with the name of this tool."""

    program: ClassVar[str] = "python -m scripts.compare colors"
    takes_conditions: ClassVar[bool] = False


class ClassColors:
    """Mean color of every class over many images: sums (num_classes, 3) and pixel counts (num_classes)."""

    def __init__(self, num_classes: int):
        self.sums = np.zeros((num_classes, 3))
        self.counts = np.zeros(num_classes)

    def add(self, labels: np.ndarray, image: np.ndarray) -> None:
        """Count an image (H, W, 3) uint8 with its labels (H, W)."""
        labels = labels.ravel()
        self.counts += np.bincount(labels, minlength=len(self.counts))
        for channel in range(3):
            self.sums[:, channel] += np.bincount(labels, image[..., channel].ravel(), minlength=len(self.counts))

    def means(self) -> np.ndarray:
        """Mean colors (num_classes, 3); NaN for classes that never occur."""
        with np.errstate(invalid="ignore"):
            return self.sums / self.counts[:, None]


def measure(opt: TestOptions) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Mean colors (num_labels, 3) of generated and of real images, and the class names."""
    dataset = create_dataset(opt, maps=False)
    images = Path(opt.results_dir) / opt.name / f"{opt.phase}_{opt.which_epoch}" / "images" / "synthesized_image"
    generated, real = ClassColors(opt.num_labels), ClassColors(opt.num_labels)
    for index in range(min(len(dataset), opt.how_many or len(dataset))):
        sample = dataset[index]
        path = images / f"{sample['name']}.png"
        if "image" not in sample or not path.exists():
            raise InputError(f"{path}: no generated image with a photo beside it; run test.py with the same options")
        labels = sample["labels"].numpy()
        generated.add(labels, np.asarray(Image.open(path).convert("RGB")))
        real.add(labels, to_uint8(sample["image"]))
    return generated.means(), real.means(), dataset.class_names


def main(argv: Sequence[str]) -> None:
    """Do what the command line says. Raises `InputError` for bad input."""
    opt = parse_options(ColorOptions, argv, PRESETS, METHODS)
    generated, real, names = measure(opt)
    differences = np.abs(generated - real).mean(axis=1)
    for name, fake, true, difference in zip(names, generated, real, differences):
        if not np.isnan(difference):
            print(f"{name:>24}  generated {_rgb(fake)}  real {_rgb(true)}  difference {difference:5.1f}")
    print(f"Mean color of the classes: {np.nanmean(differences):.1f}/255 from the real one (over classes, channels)")


def _rgb(color: np.ndarray) -> str:
    return "({:3.0f} {:3.0f} {:3.0f})".format(*color)
