"""What several runs need and one command makes, once: a segmenter for the scores, a bank of segments for SIMS."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.segmenters.own import FACTS_FILE
from options import TrainOptions
from options.data import DataOptions
from options.field import declared_options
from scripts.segmenter.options import SegmenterOptions

NOT_OF_DATA = frozenset("name checkpoints_dir seed deterministic channels_last batch_size lr flip instance".split())
"""Options of these commands that do not follow those of the trainings."""
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Prepared:
    """A command whose result is kept.

    Attributes:
        what: "segmenter" or "bank".
        name: of the result; other flags have another name.
        path: of the file that exists when the result is complete.
        words: the command after `python`.
    """

    what: str
    name: str
    path: Path
    words: Sequence[str]


def segmenter(opt: TrainOptions, training: Values, test: Values, minutes: float | None) -> Prepared:
    """A segmenter for the data and the image size of a training.

    Args:
        training, test: options of train.py and of test.py that the user typed, by name.
        minutes: length of its training; None for its own default.
    """
    values = _of_data(training, SegmenterOptions)
    values |= {"crop_size": opt.crop_size, "aspect_ratio": opt.aspect_ratio}
    if "label_dir" in test:
        values |= {"val_label_dir": test["label_dir"], "val_image_dir": test["image_dir"]}
    if minutes is not None:
        values["minutes"] = minutes
    samples = training.get("max_dataset_size")
    if samples and samples < declared_options(SegmenterOptions)["batch_size"].default:
        values["batch_size"] = samples
    flags = words_of(values, SegmenterOptions)
    size = f"{opt.crop_size}x{round(opt.crop_size / opt.aspect_ratio)}"
    name = f"segmenter_{opt.dataset_mode}_{size}_{_digest(flags)}"
    place = ["--name", name, "--checkpoints_dir", opt.checkpoints_dir]
    path = Path(opt.checkpoints_dir) / name / FACTS_FILE
    return Prepared("segmenter", name, path, ["-m", "scripts.segmenter", *place, *flags])


def bank(training: Values, dataset_mode: str, checkpoints_dir: Path) -> Prepared:
    """A bank of segments of the training photos."""
    flags = words_of(_of_data(training, DataOptions), DataOptions)
    name = f"bank_{dataset_mode}_{_digest(flags)}.npz"
    path = checkpoints_dir / name
    return Prepared("bank", name, path, ["-m", "scripts.prepare", "bank", "--output", str(path), *flags])


def words_of(values: Values, program: type) -> list[str]:
    """The words of a command line that give the options of a program these values."""
    declared, words = declared_options(program), []
    for name, value in values.items():
        if isinstance(value, bool):
            words.append(declared[name].typed_as(value))
        else:
            words += [f"--{name}", "" if value is None else str(value)]
    return words


def _of_data(training: Values, program: type) -> dict[str, Any]:
    known = declared_options(program).keys() - NOT_OF_DATA - program.without_effect().keys()
    return {name: value for name, value in training.items() if name in known}


def _digest(flags: Sequence[str]) -> str:
    return hashlib.sha256(shlex.join(flags).encode()).hexdigest()[:6]
