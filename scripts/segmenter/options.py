"""What `scripts.segmenter` can be told: its own options, and those of train.py that matter to a judge."""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from data import PRESETS
from models.segmenters.own import WIDTHS
from options import BaseOptions, OptionError, Preset, TestOptions, TrainOptions
from options.command_line import CommandLine
from options.field import POSITIVE, Option, at_least, declared_options, option, with_default
from options.resolve import resolve
from util.segmentation_scores import IGNORED

USED_BESIDE_DATA = ("name", "checkpoints_dir", "gpu_ids", "channels_last", "deterministic", "seed", "lr")
WITHOUT_EFFECT = ("instance", "instance_dir", "instance_suffix")  # segmenters see photos alone
# Landscapes of the quick start's size. With these 1500 and 10 epochs: 2.5 minutes on two cores, mIoU 0.76.
SMALL_LANDSCAPES = {"load_size": 128, "crop_size": 128, "aspect_ratio": 2.0, "max_dataset_size": 1500}
EPOCHS = 10
HELD_OUT = 10  # without validation folders, one photo of so many is kept for validation


@dataclass(frozen=True, kw_only=True)
class SegmenterOptions(TrainOptions):
    """What this script can be told: its own options, and those of train.py about data and some about the run."""

    program: ClassVar[str] = "python -m scripts.segmenter"

    name: str = with_default(TrainOptions, "name", "judge")
    channels_last: bool | None = with_default(TrainOptions, "channels_last", True)
    batch_size: int = with_default(TrainOptions, "batch_size", 8)
    instance: bool = option(False, "as in train.py, without effect: segmenters see photos alone", "data")
    instance_dir: str | None = option(None, "as in train.py, without effect", "data", unset="not given")
    val_label_dir: str | None = option(
        None,
        "folder of label maps to score with, for --dataset_mode custom only",
        "data",
        unset=f"one of {HELD_OUT} in --label_dir, not trained on",
    )
    val_image_dir: str | None = option(
        None, "folder of their photos, for --dataset_mode custom only", "data", unset="as --val_label_dir"
    )
    epochs: int = option(EPOCHS, "length of the training", "schedule", unit="epochs", rule=at_least(1))
    minutes: float | None = option(
        None,
        "length of the training by the clock, in place of --epochs",
        "schedule",
        unit="minutes",
        rule=POSITIVE,
        unset="as long as --epochs says",
    )
    lr: float = option(0.003, "largest learning rate of AdamW, which rises and falls once", "schedule", rule=POSITIVE)
    width: int = option(
        WIDTHS[0],
        "channels of the first layer; the others follow, and the time roughly with the square",
        "schedule",
        unit="channels",
        rule=at_least(1),
    )


def parse_args(argv: Sequence[str] | None = None) -> SegmenterOptions:
    """The options of a command line, by the precedence that train.py has."""
    landscapes = Preset(PRESETS["landscapes"].both | SMALL_LANDSCAPES, PRESETS["landscapes"].test)
    presets = PRESETS | {"landscapes": landscapes}
    options = dict(declared_options(SegmenterOptions))
    options["dataset_mode"] = dataclasses.replace(options["dataset_mode"], choices=tuple(presets))
    command_line = CommandLine(SegmenterOptions.program, _used(options), presets, is_train=True)
    typed = command_line.typed(sys.argv[1:] if argv is None else argv)
    typed = {name: value for name, value in typed.items() if name not in WITHOUT_EFFECT}
    try:
        opt, _ = resolve(SegmenterOptions, options, presets, typed)
        check(opt, typed)
    except OptionError as error:
        command_line.error(str(error))
    return dataclasses.replace(opt, instance=False)


def _used(options: Mapping[str, Option]) -> dict[str, Option]:
    """All options about data, so that those of a training can be given as they are; and those of this script."""
    of_train = declared_options(TrainOptions)
    return {
        name: option
        for name, option in options.items()
        if option.group == "data" or name in USED_BESIDE_DATA or name not in of_train
    }


def check(opt: SegmenterOptions, typed: dict[str, Any]) -> None:
    """Raise an `OptionError` for what is wrong with this script's own options."""
    if "minutes" in typed and "epochs" in typed:
        raise OptionError(f"--minutes {opt.minutes:g}: with --epochs {opt.epochs} there are two ends; give one of them")
    if opt.phase in ("val", "test"):
        raise OptionError(f"--phase {opt.phase}: a segmenter is scored with those photos; use --phase train")
    folders = (opt.val_label_dir, opt.val_image_dir)
    if any(folders) and opt.dataset_mode != "custom":
        raise OptionError(f"--val_label_dir: --dataset_mode {opt.dataset_mode} has validation photos of its own")
    if any(folders) and not all(folders):
        raise OptionError("--val_label_dir FOLDER and --val_image_dir FOLDER: give both, or neither")
    if opt.label_nc > IGNORED:
        raise OptionError(f"--label_nc {opt.label_nc}: judges know {IGNORED} classes at most")


def validation_options(opt: SegmenterOptions) -> TestOptions:
    """Options under which the data set gives its validation photos, whole or from the middle, and in order."""
    values = {name: getattr(opt, name) for name in declared_options(BaseOptions)}
    values |= {"phase": "val", "load_size": opt.crop_size, "flip": False, "serial_batches": True}
    if opt.dataset_mode != "custom":
        values |= {"file_list": None, "max_dataset_size": None}  # both are about the training photos
    elif opt.val_label_dir:
        values |= {"label_dir": opt.val_label_dir, "image_dir": opt.val_image_dir}
        values |= {"file_list": None, "max_dataset_size": None}
    return TestOptions(**values)
