"""Options of `python -m scripts.segmenter`: its own, and those of train.py about data and the device."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from data import PRESETS
from options import OptionError, Preset, parse_options
from options.base import Start
from options.data import DataOptions
from options.data_file import described
from options.field import POSITIVE, Option, at_least, declared_options, option, reuse
from options.run import ComputeOptions, DeviceOptions, RunOptions

# `models.segmenters.own.WIDTHS[0]` and `util.segmentation_scores.IGNORED`, which import torch; options do not.
FIRST_WIDTH = 32
MOST_CLASSES = 255
# Landscapes of the quick start's size. With these 1500 and 10 epochs: 2.5 minutes on two cores, mIoU 0.76.
SMALL_LANDSCAPES = {"load_size": 128, "crop_size": 128, "aspect_ratio": 2.0, "max_dataset_size": 1500}
EPOCHS = 10
HELD_OUT = 10  # without validation folders, one of this many photos is held out for validation


@dataclass(frozen=True, kw_only=True)
class PhotoOptions(DataOptions, heading="data"):
    """A data set with labeled photos, and another part of it for validation."""

    instance: bool = reuse(DataOptions, "instance", default=False)
    batch_size: int = reuse(DataOptions, "batch_size", default=8)
    val_label_dir: str | None = option(
        None,
        "folder of label maps to validate with, for --dataset_mode custom only",
        unset=f"one of {HELD_OUT} in --label_dir, not trained on",
    )
    val_image_dir: str | None = option(
        None, "folder of their photos, for --dataset_mode custom only", unset="as --val_label_dir"
    )

    @property
    def size_step(self) -> tuple[int, str]:
        """The network works on blocks of 2x2 pixels."""
        return 2, ""

    @classmethod
    def without_effect(cls) -> Mapping[str, Option]:
        """Options about instance maps, which are accepted so that the data flags of a training can be reused."""
        return {name: declared_options(cls)[name] for name in ("instance", "instance_dir", "instance_suffix")}

    @property
    def has_validation_part(self) -> bool:
        """Whether the data set has validation photos of its own; a custom one has if its data file says so."""
        if self.dataset_mode != "custom":
            return True
        description = None if self.label_dir or self.val_label_dir else described(self)
        return description is not None and "val" in description.parts

    def check(self) -> None:
        """Refuse training on validation photos, and incomplete validation folders."""
        super().check()
        if self.phase in ("val", "test"):
            raise OptionError(f"--phase {self.phase}: a segmenter is scored with those photos; use --phase train")
        folders = (self.val_label_dir, self.val_image_dir)
        if any(folders) and self.dataset_mode != "custom":
            raise OptionError(f"--val_label_dir: --dataset_mode {self.dataset_mode} has validation photos of its own")
        if any(folders) and not all(folders):
            raise OptionError("--val_label_dir FOLDER and --val_image_dir FOLDER: give both, or neither")
        if self.label_nc > MOST_CLASSES:
            raise OptionError(f"--label_nc {self.label_nc}: segmenters know {MOST_CLASSES} classes at most")


@dataclass(frozen=True, kw_only=True)
class SegmenterOptions(RunOptions, DeviceOptions, PhotoOptions, heading="schedule and optimization"):
    """The options of the program."""

    is_train: ClassVar[bool] = True
    program: ClassVar[str] = "python -m scripts.segmenter"
    start: ClassVar[Start] = Start(
        "Train a segmentation network on labeled photos, which evaluate.py --segmenter then scores images with.",
        (
            "--name segmenter",
            "--name mine --data data.toml --minutes 10",
        ),
        (
            *("name", "data", "dataset_mode", "dataroot", "crop_size", "aspect_ratio", "batch_size"),
            *("epochs", "minutes", "width"),
        ),
    )

    name: str = reuse(RunOptions, "name", default="segmenter")
    channels_last: bool | None = reuse(ComputeOptions, "channels_last", default=True)
    deterministic: bool = reuse(ComputeOptions, "deterministic")
    epochs: int | None = option(
        None, "length of the training", unit="epochs", rule=at_least(1), unset=f"{EPOCHS}, or as long as --minutes says"
    )
    minutes: float | None = option(
        None,
        "length of the training by the clock, in place of --epochs",
        unit="minutes",
        rule=POSITIVE,
        unset="as long as --epochs says",
    )
    lr: float = option(0.003, "largest learning rate of AdamW, which rises and falls once", rule=POSITIVE)
    width: int = option(
        FIRST_WIDTH,
        "channels of the first layer; the others follow, and the time roughly with the square",
        unit="channels",
        rule=at_least(1),
    )

    def __post_init__(self) -> None:
        if self.epochs is None and self.minutes is None:
            object.__setattr__(self, "epochs", EPOCHS)
        super().__post_init__()

    def check(self) -> None:
        """Refuse --minutes together with --epochs."""
        super().check()
        if self.minutes and self.epochs:
            raise OptionError(
                f"--minutes {self.minutes:g}: with --epochs {self.epochs} there are two ends; give one of them"
            )


@dataclass(frozen=True, kw_only=True)
class ValidationOptions(DeviceOptions, DataOptions):
    """How validation photos are read."""

    is_train: ClassVar[bool] = False


def parse_args(argv: Sequence[str] | None = None) -> SegmenterOptions:
    """Parse the options of a command line, with the precedence of train.py."""
    landscapes = Preset({**PRESETS["landscapes"].both, **SMALL_LANDSCAPES}, PRESETS["landscapes"].test)
    return parse_options(SegmenterOptions, argv, PRESETS | {"landscapes": landscapes})


def validation_options(opt: SegmenterOptions) -> ValidationOptions:
    """Options for validation photos: not cropped at random, not flipped, and in order."""
    values = {name: getattr(opt, name) for name in declared_options(ValidationOptions)}
    values |= {"phase": "val", "load_size": opt.crop_size, "flip": False, "serial_batches": True}
    if opt.has_validation_part:
        values |= {"file_list": None, "max_dataset_size": None}  # both are about the training photos
    elif not opt.val_label_dir:
        values |= {"phase": "train"}  # of which some are held out
    else:
        values |= {"label_dir": opt.val_label_dir, "image_dir": opt.val_image_dir}
        values |= {"file_list": None, "max_dataset_size": None}
    return ValidationOptions(**values)
