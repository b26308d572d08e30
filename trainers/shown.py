"""The label maps from which a run generates images whenever images are shown: always the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from data import SampleDataset, create_dataset, fixed_batches
from evaluation.in_training import ScoresInTraining
from options import OptionError, TrainOptions
from options.data_file import described
from util.errors import InputError
from util.warn import warn

SHOWN_IMAGES = 4


@dataclass(frozen=True)
class ShownSamples:
    """A batch of samples; of the training data where the run knows no validation data."""

    batch: dict[str, Any]
    of_training: bool


def shown_samples(opt: TrainOptions, dataset: SampleDataset, scores: ScoresInTraining | None) -> ShownSamples:
    """The first samples of the validation data, which show better than those of the training how far it is.

    These are the data of `scores` if the run is scored, or those that its data file names.
    """
    if scores:
        return ShownSamples(_first_batch(scores.opt, scores.dataset), of_training=False)
    description = None if opt.label_dir else described(opt)
    if description and "val" in description.parts:
        try:
            of_validation = replace(opt, phase="val")
            return ShownSamples(_first_batch(of_validation, create_dataset(of_validation)), of_training=False)
        except (InputError, OptionError) as error:
            warn(f"samples of the training data are shown, as those of [val] cannot be: {error}")
    return ShownSamples(_first_batch(opt, dataset), of_training=True)


def _first_batch(opt: Any, dataset: SampleDataset) -> dict[str, Any]:
    whole = {"accumulate": 1} if opt.is_train else {}  # an option of training that must divide the batch
    shown = replace(opt, batch_size=min(SHOWN_IMAGES, len(dataset)), **whole)
    return next(iter(fixed_batches(shown, dataset, SHOWN_IMAGES)))
