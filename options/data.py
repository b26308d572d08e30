"""Groups of options about data: classes and size of samples, files to read, and their preprocessing."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from options.base import Options
from options.data_file import described, folders
from options.field import FILE, FOLDER, PLAIN_NAME, POSITIVE, OptionError, at_least, between, option, reuse
from options.shards import shards_of

MOST_PROCESSES = 256
"""More reading processes are taken for a typing error. The limit is the same on every machine, since runs move."""

PREPROCESS_MODES = (
    "resize_and_crop",
    "crop",
    "scale_width",
    "scale_width_and_crop",
    "scale_shortside",
    "scale_shortside_and_crop",
    "fixed",
    "none",
)


@dataclass(frozen=True, kw_only=True)
class LayoutOptions(Options, heading="data"):
    """The classes of label maps, or the channels of what is in their place, and the size of images."""

    takes_conditions: ClassVar[bool] = False
    """Whether the program also works with conditioning images, or with label maps alone."""

    dataset_mode: str = option("landscapes", "data set to read, with its preset (--help all)", role="data")
    data: str | None = option(
        None,
        "data.toml that describes a data set of your own (python -m scripts.prepare check LABELS PHOTOS --write "
        "data.toml makes one), or the name of a known one; in test and evaluation the run's own copy",
        role="data",
        unset="not given",
    )
    label_nc: int = option(
        182,
        "number of classes, without the unknown one; 0 with --input_nc",
        unit="classes",
        rule=at_least(0),
        role="weights",
    )
    input_nc: int = option(
        0,
        "read conditioning images of this many channels in place of label maps: 1 for gray ones (sketches, edges), 3 "
        "for RGB, others from .npy files; 0 for label maps",
        unit="channels",
        rule=at_least(0),
        role="weights",
        replaces=("modulation table",),  # whose rows are those of labels
    )
    contain_dontcare_label: bool = option(False, "label 255 means unknown and gets one more channel", role="weights")
    instance: bool = option(True, "read instance maps, whose edges are an input of the networks", role="weights")
    crop_size: int = option(512, "width of the networks' images", unit="pixels", rule=at_least(1), role="weights")
    aspect_ratio: float = option(1.0, "width divided by height of the networks' images", rule=POSITIVE, role="weights")

    @property
    def num_labels(self) -> int:
        """Label channels: the classes and, if there is one, the unknown class."""
        return self.label_nc + self.contain_dontcare_label

    @property
    def semantic_nc(self) -> int:
        """Channels of the semantic map: the labels, and the edges of instances if there are any; or of a condition."""
        return self.num_labels + self.instance + self.input_nc

    @property
    def size_step(self) -> tuple[int, str]:
        """The number that width and height of images must be multiples of, and the end of a phrase that says why."""
        return 1, ""

    def check(self) -> None:
        """Refuse sizes of images that the networks cannot generate, and label maps beside conditioning images."""
        super().check()
        self.check_condition()
        step, cause = self.size_step
        width, height = self.crop_size, round(self.crop_size / self.aspect_ratio)
        if width % step:
            fix = either(str(size) for size in multiples_around(width, step))
            raise OptionError(f"--crop_size {width}: must be a multiple of {step}{cause}; use {fix}")
        if height % step or not height:
            fix = either(f"{width / size:.6g}" for size in multiples_around(height, step))
            raise OptionError(
                f"--aspect_ratio {self.aspect_ratio:g}: --crop_size {width} gives height {height}, "
                f"which must be a multiple of {step}{cause}; use --aspect_ratio {fix}"
            )

    def check_condition(self) -> None:
        """Raise an `OptionError` for no classes, or for conditioning images where label maps alone are possible."""
        if not self.input_nc:
            if not self.label_nc:
                raise OptionError(
                    "--label_nc 0: label maps have at least one class; use --label_nc 1 or more, or add --input_nc 3 "
                    "for RGB images in place of label maps"
                )
            return
        if not self.takes_conditions:
            raise OptionError(
                f"--input_nc {self.input_nc}: {self.program} works with label maps alone, and these networks take "
                "conditioning images"
            )
        wanted = {
            "label_nc 0": self.label_nc,
            "no_contain_dontcare_label": self.contain_dontcare_label,
            "no_instance": self.instance,
            "dataset_mode custom": self.dataset_mode != "custom",
        }
        missing = " ".join(f"--{flag}" for flag, is_missing in wanted.items() if is_missing)
        if missing:
            raise OptionError(
                f"--input_nc {self.input_nc}: conditioning images of your own folders take the place of label maps and "
                f"instance maps; add {missing}"
            )


@dataclass(frozen=True, kw_only=True)
class DataOptions(LayoutOptions, heading="data"):
    """Files to read, and their preprocessing."""

    dataroot: str | None = option(None, "folder of the data set", role="data", unset="./datasets/<dataset_mode>/")
    phase: str = option("train", "part of the data set to read; names the folder of results", rule=PLAIN_NAME)
    shards: str | None = option(
        None,
        "data set in tars, DIR or DIR/train-{000000..000127}.tar, on disk or http(s) (python -m scripts.prepare shards "
        "makes them); stands for --data DIR/data.toml",
        role="session",
        unset="not given",
    )
    label_dir: str | None = option(None, "folder of label maps, in place of those of --data", unset="not given")
    image_dir: str | None = option(None, "folder of their photos (in test, photos are optional)", unset="not given")
    instance_dir: str | None = option(
        None,
        "folder of their instance maps, if there are any",
        unset="not given",
    )
    label_suffix: str = option(
        "",
        "suffix of the file names of label maps after the sample's name, such as _mask",
    )
    image_suffix: str = option("", "the same for photos, such as _sat")
    instance_suffix: str = option("", "the same for instance maps")
    coco_portraits: bool = option(
        True,
        "train on the portrait folders too, for --dataset_mode coco only",
        off_aliases=("coco_no_portraits",),
    )
    pairing_check: bool = option(True, "check that label map and photo of a pair have the same file name")
    preprocess_mode: str = option(
        "scale_width_and_crop", "how files are scaled and cropped", choices=PREPROCESS_MODES, role="data"
    )
    load_size: int = option(
        1024,
        "size that files are scaled to before cropping; follows --crop_size in the preset's ratio (equal in test)",
        unit="pixels",
        rule=at_least(1),
    )
    flip: bool = option(True, "mirror images at random")
    serial_batches: bool = option(False, "read the samples in order, without shuffling")
    file_list: str | None = option(
        None,
        "text file that names the samples to use, one a line: relative paths without extension",
        rule=FILE,
        unset="all of them",
    )
    cache_dir: str | None = option(
        None,
        "folder to cache decoded and resized files in, for later epochs; of --shards of a web server, the tars",
        rule=FOLDER,
        role="session",
        unset="no cache",
    )
    fast_decode: bool = option(
        False,
        "decode JPEG photos that are 2, 4 or 8 times too large at 1/2, 1/4 or 1/8 of their size, which is faster; "
        "their values differ by 0.4 to 2 of 255 on average and by up to 90 at sharp edges",
    )
    apply_exif: bool = option(
        False,
        "rotate and mirror every file by its EXIF orientation, label and instance maps, too; without it, pixels are "
        "used as stored, as most annotation tools do",
        role="data",
    )
    max_dataset_size: int | None = option(
        None, "use only the first samples of the sorted list", unit="samples", rule=at_least(1), unset="all"
    )
    batch_size: int = option(1, "size of a batch", unit="samples", aliases=("batchSize",), rule=at_least(1))
    num_workers: int | None = option(
        None,
        "processes that read data; 0 reads in the main one",
        aliases=("nThreads",),
        rule=between(0, MOST_PROCESSES),
        unset="one per core up to 8 with a GPU, else 0",
    )

    def __post_init__(self) -> None:
        if self.dataroot is None:  # the only default that depends on another option
            object.__setattr__(self, "dataroot", usual_dataroot(self.dataset_mode))
        super().__post_init__()

    def check(self) -> None:
        """Refuse a custom data set without folders, and crops that are larger than the scaled files."""
        super().check()
        self.check_custom_folders()
        if self.preprocess_mode.endswith("_and_crop") and self.load_size < self.crop_size:
            step, _ = self.size_step
            crop_size = self.load_size // step * step
            # Without a step here, the method has one of its own and might refuse the size.
            is_possible = self.is_train and step > 1 and crop_size and round(crop_size / self.aspect_ratio) % step == 0
            raise OptionError(
                f"--load_size {self.load_size}: smaller than --crop_size {self.crop_size}; use --load_size "
                f"{self.crop_size} or more" + (f", or --crop_size {crop_size}" if is_possible else "")
            )

    def check_custom_folders(self) -> None:
        """Raise an `OptionError` if folders of the custom data set are missing, which has no default folders."""
        if self.dataset_mode != "custom" or shards_of(self):
            return
        given = folders(self)
        if "labels" not in given:
            raise OptionError("--dataset_mode custom: add --data FILE, or --label_dir FOLDER, the folder of label maps")
        if "photos" not in given and self.is_train:
            raise OptionError("--dataset_mode custom: add --image_dir FOLDER, the folder of photos")

    @property
    def instance_folder(self) -> str:
        """What names the folder of instance maps, in words: a flag, or a line in the data file."""
        description = None if self.label_dir else described(self)
        if description is None:
            return "with --dataset_mode custom add --instance_dir FOLDER"
        part, _ = description.part(self.phase)
        return f"write instances = FOLDER into [{part}] of {description.path}"

    @property
    def lacks_instance_maps(self) -> bool:
        """Whether the networks take edges of instances, and the custom data set has no folder of them."""
        has_folders = self.dataset_mode == "custom" and not shards_of(self)
        return has_folders and self.instance and "instances" not in folders(self)

    @property
    def folders_in_test(self) -> list[str]:
        """What a command line of test.py for a run on these data must name; empty if its data file says it."""
        description = described(self)
        if self.dataset_mode != "custom" or (description and {"val", "test"} & description.parts.keys()):
            return []
        return ["--label_dir", "FOLDER", *(("--instance_dir", "FOLDER") if self.instance else ())]


@dataclass(frozen=True, kw_only=True)
class TestDataOptions(DataOptions):
    """`DataOptions` with the defaults of testing: whole images, in order, not mirrored."""

    __test__: ClassVar[bool] = False  # or pytest would collect it, by its name

    phase: str = reuse(DataOptions, "phase", default="test")
    load_size: int = reuse(DataOptions, "load_size", default=256)
    crop_size: int = reuse(DataOptions, "crop_size", default=256)
    serial_batches: bool = reuse(DataOptions, "serial_batches", default=True)
    flip: bool = reuse(DataOptions, "flip", default=False)


def usual_dataroot(dataset_mode: str) -> str:
    """The folder of a data set unless another one is named."""
    return f"./datasets/{dataset_mode}/"


def multiples_around(size: int, step: int) -> list[int]:
    """The nearest multiples of `step` below and above `size`, without 0."""
    below = size // step * step
    return [multiple for multiple in (below, below + step) if multiple]


def either(words: Iterable[str]) -> str:
    """Alternatives as text: "64 or 96"."""
    return " or ".join(words)
