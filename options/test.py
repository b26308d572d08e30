"""Options of the test program."""

from dataclasses import dataclass
from typing import ClassVar

from options.base import BaseOptions
from options.field import FOLDER, at_least, option, with_default


@dataclass(frozen=True, kw_only=True)
class TestOptions(BaseOptions):
    """What `test.py` can be told. The trained run supplies architecture and data set."""

    is_train: ClassVar[bool] = False
    program: ClassVar[str] = "test.py"
    __test__: ClassVar[bool] = False  # its name makes pytest take it for a test

    phase: str = with_default(BaseOptions, "phase", "test")
    load_size: int = with_default(BaseOptions, "load_size", 256)
    crop_size: int = with_default(BaseOptions, "crop_size", 256)
    display_winsize: int = with_default(BaseOptions, "display_winsize", 256)
    serial_batches: bool = with_default(BaseOptions, "serial_batches", True)
    flip: bool = with_default(BaseOptions, "flip", False)

    results_dir: str = option("./results/", "folder that results are written to", "results", rule=FOLDER)
    how_many: int | None = option(None, "stop after this many", "results", unit="images", rule=at_least(1), unset="all")
    style_image: str | None = option(
        None, "photo whose style every image takes, with --use_vae", "results", unset="a random style"
    )
    num_styles: int = option(
        1,
        "images for each label map, each in a random style, with --use_vae",
        "results",
        unit="images",
        rule=at_least(1),
    )
    use_raw_G: bool = option(False, "use the trained weights themselves, not their average of --ema", "results")
    recalibrate_bn: int = option(
        0,
        "before testing, estimate the generator's batch-norm statistics anew from so many label maps",
        "results",
        unit="images",
        rule=at_least(0),
    )
