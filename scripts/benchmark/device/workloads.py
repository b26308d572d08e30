"""What is measured, in order of importance: the paper's networks; on a CPU tiny ones, which show that all runs."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

from options import TrainOptions
from scripts.benchmark.label_maps import command_line_options

FOLDERS = {"coco": "coco_stuff", "cityscapes": "cityscapes"}
"""Data set -> its folder below --data, as for `python -m scripts.benchmark data`."""

TINY_NORM = "spectralspadesyncbatch1x1"
"""--norm_G on a CPU, where 3x3 would take most of the time."""


@dataclass(frozen=True)
class Case:
    """A generator, a batch and an arithmetic.

    Attributes:
        mode: --dataset_mode, whose preset counts.
        batch: label maps at a time.
        precision: --precision.
        crop_size: pixels across.
        ngf: width of the networks.
    """

    mode: str
    batch: int
    precision: str
    crop_size: int
    ngf: int

    @property
    def key(self) -> str:
        return f"{self.mode} {self.batch} {self.precision}"

    def options(self, device: str, data: Path | None) -> TrainOptions:
        """The options of train.py; with the data set in `data` if it is there. Raises `InputError` for bad files."""
        root = None if data is None else data / FOLDERS[self.mode]
        words = {"method": "spade", "dataset_mode": self.mode, "crop_size": self.crop_size, "ngf": self.ngf}
        words |= {"batch_size": self.batch, "precision": self.precision, "device": device}
        is_there = root is not None and root.is_dir()
        opt = command_line_options(argparse.Namespace(**words, dataroot=str(root) if is_there else None))
        return replace(opt, norm_G=TINY_NORM) if device == "cpu" else opt


def generator_cases(device: str) -> list[Case]:
    """The cases of the generator, the most important first."""
    if device == "cpu":
        return [Case("coco", 2, "fp32", 32, 2)]
    sizes = {"coco": 256, "cityscapes": 512}
    return [
        Case(mode, batch, precision, sizes[mode], 64)
        for mode in sizes
        for batch in (16, 1)
        for precision in ("bf16", "tf32", "fp32")
    ]


@dataclass(frozen=True)
class TrainingSize:
    """Width of the networks, pixels across, batches to try, the largest first, and more flags of train.py."""

    ngf: int
    crop_size: int
    batches: tuple[int, ...]
    flags: str = ""


def training_size(device: str) -> TrainingSize:
    """The size of a training step for COCO."""
    return (
        TrainingSize(2, 32, (2,), f"--norm_G {TINY_NORM}")
        if device == "cpu"
        else TrainingSize(64, 256, (32, 16, 8, 4, 2))
    )


def rounds_within(seconds: float, estimate: float) -> int:
    """How many rounds of `estimate` seconds fit into `seconds`: from 3, for quartiles, to 20."""
    return max(3, min(20, int(seconds / max(estimate, 1e-6))))
