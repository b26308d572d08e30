"""Training and validation photos of a segmenter."""

from data import SampleDataset, create_dataset
from data.custom import CustomDataset
from data.paired import PairedDataset
from scripts.segmenter.options import HELD_OUT, SegmenterOptions, validation_options
from util.errors import InputError
from util.warn import warn_once


def create_datasets(opt: SegmenterOptions) -> tuple[SampleDataset, SampleDataset]:
    """Photos to train on, cropped and flipped at random, and others to validate with.

    Raises:
        InputError: files are missing or do not suit the options.
    """
    training, validation = create_dataset(opt), create_dataset(validation_options(opt))
    is_one_folder = not (opt.val_label_dir or opt.has_validation_part)
    if isinstance(training, CustomDataset) and isinstance(validation, CustomDataset) and is_one_folder:
        hold_out(training, validation)
    if "image" not in validation[0]:
        raise InputError(f"--dataset_mode {opt.dataset_mode}: found no photos to validate with")
    if seen := count_seen(training, validation):
        warn_once(
            f"{seen} of {len(validation)} validation photos are also trained on, so the scores say little of new photos"
        )
    return training, validation


def count_seen(training: SampleDataset, validation: SampleDataset) -> int:
    """Count photos of `validation` that are also files of `training`; 0 for data sets drawn in memory."""
    trained, validated = (
        [paths.image.resolve() for paths in part.paths if paths.image] for part in (training, validation)
    )
    return len({*trained} & {*validated})


def hold_out(training: PairedDataset, validation: PairedDataset) -> None:
    """Move one of every `HELD_OUT` samples of `training` to `validation`, and at least one."""
    paths = training.paths
    if len(paths) < 2:
        raise InputError("--image_dir: holds one photo; training and validation need one each")
    held_out = slice(min(HELD_OUT, len(paths)) - 1, None, HELD_OUT)
    validation.paths, training.paths = paths[held_out], [*paths]
    del training.paths[held_out]
