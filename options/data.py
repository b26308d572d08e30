"""Options about data: which files are read, and how they become samples. Also what label maps mean to the networks."""

from dataclasses import dataclass

from options.field import FILE, FOLDER, PLAIN_NAME, POSITIVE, at_least, between, option

MOST_PROCESSES = 256
"""More processes for reading are a slip of the finger. The number is the same on every machine, since runs move."""

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
class DataOptions:
    """The group "data" of every program that reads a data set; a part of `BaseOptions`, which checks it."""

    dataset_mode: str = option("landscapes", "data set to read; it brings the preset listed below", "data", role="data")
    dataroot: str | None = option(
        None, "folder of the data set", "data", role="data", unset="./datasets/<dataset_mode>/"
    )
    phase: str = option("train", "part of the data set to read; names the folder of results", "data", rule=PLAIN_NAME)
    label_dir: str | None = option(
        None, "folder of label maps, for --dataset_mode custom only (required)", "data", unset="not given"
    )
    image_dir: str | None = option(
        None, "folder of photos, for --dataset_mode custom only (required to train)", "data", unset="not given"
    )
    instance_dir: str | None = option(
        None,
        "folder of instance maps, for --dataset_mode custom only (without it: --no_instance)",
        "data",
        unset="not given",
    )
    label_suffix: str = option(
        "",
        "what the names of label maps end with beside the sample's name, such as _mask, for --dataset_mode custom only",
        "data",
    )
    image_suffix: str = option("", "the same of photos, such as _sat", "data")
    instance_suffix: str = option("", "the same of instance maps", "data")
    label_nc: int = option(
        182, "number of classes, without the unknown one", "data", unit="classes", rule=at_least(1), role="weights"
    )
    contain_dontcare_label: bool = option(
        False, "label 255 means unknown and gets one more channel", "data", role="weights"
    )
    instance: bool = option(True, "read instance maps and show their edges to the networks", "data", role="weights")
    coco_portraits: bool = option(
        True,
        "train on the portrait folders too, for --dataset_mode coco only",
        "data",
        off_aliases=("coco_no_portraits",),
    )
    pairing_check: bool = option(True, "check that label map and photo of a pair have the same file name", "data")
    preprocess_mode: str = option(
        "scale_width_and_crop", "how files are brought to size", "data", choices=PREPROCESS_MODES, role="data"
    )
    load_size: int = option(
        1024,
        "size that files are scaled to, before cropping; follows --crop_size, in the preset's ratio (equal in test)",
        "data",
        unit="pixels",
        rule=at_least(1),
    )
    crop_size: int = option(
        512, "width of the networks' images", "data", unit="pixels", rule=at_least(1), role="weights"
    )
    aspect_ratio: float = option(
        1.0, "width divided by height of the networks' images", "data", rule=POSITIVE, role="weights"
    )
    flip: bool = option(True, "mirror images at random", "data")
    serial_batches: bool = option(False, "read the samples in order, without shuffling", "data")
    file_list: str | None = option(
        None,
        "text file that names the samples to use, one a line: relative paths without extension",
        "data",
        rule=FILE,
        unset="all of them",
    )
    cache_dir: str | None = option(
        None,
        "folder that keeps decoded and resized files, so that later epochs need not",
        "data",
        rule=FOLDER,
        role="session",
        unset="no cache",
    )
    fast_decode: bool = option(
        False,
        "decode JPEG photos that are 2, 4 or 8 times too large at that part of their size, which is quicker; "
        "their values differ by 0.4 to 2 of 255 on average and by up to 90 at sharp edges",
        "data",
    )
    apply_exif: bool = option(
        False,
        "turn and mirror every file as its EXIF orientation says, label and instance maps that have one too; without, "
        "pixels are used as they are stored, as most tools that draw label maps do",
        "data",
        role="data",
    )
    max_dataset_size: int | None = option(
        None, "use only the first ones of the sorted list", "data", unit="samples", rule=at_least(1), unset="all"
    )
    batch_size: int = option(1, "size of a batch", "data", unit="samples", aliases=("batchSize",), rule=at_least(1))
    num_workers: int | None = option(
        None,
        "processes that read data; 0 reads in the main one",
        "data",
        aliases=("nThreads",),
        rule=between(0, MOST_PROCESSES),
        unset="one per core up to 8 with a GPU, else 0",
    )

    @property
    def num_labels(self) -> int:
        """Label channels: the classes and, if there is one, the unknown class."""
        return self.label_nc + self.contain_dontcare_label

    @property
    def semantic_nc(self) -> int:
        """Channels of the semantic map: the labels and, if there are instances, their edges."""
        return self.num_labels + self.instance
