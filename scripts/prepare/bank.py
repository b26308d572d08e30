"""Cut the photos of a training set into the bank of segments that `--method sims` pastes.

    python -m scripts.prepare bank --dataset_mode MODE --dataroot DIR --output FILE

Takes the options of train.py about data, and reads every training image as testing does: scaled to the network's size,
cropped in the center, not mirrored. A segment is a connected region of one class. The file holds the masks of the
segments; their pixels are read from the photos again when they are pasted, so the photos must stay where they are.
"""

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from tqdm import tqdm

from data import PRESETS, create_dataset
from data.parallel import parallel_map
from data.sims.bank import MARKS, options_of_images
from data.sims.components import SMALLEST_FRACTION
from data.sims.cut import ImageCutter, gather
from data.sims.dataset import whole_images
from data.sims.roles import Roles
from models import METHODS
from options import TrainOptions, parse_options
from scripts.prepare.arguments import add_workers, subcommand_parser
from util.errors import InputError
from util.files import readable_size, refuse_foreign


class BankOptions(TrainOptions):
    """The options of train.py, in messages of this tool."""

    program: ClassVar[str] = "python -m scripts.prepare bank"
    takes_conditions: ClassVar[bool] = False


def parse_args(argv: Sequence[str]) -> tuple[argparse.Namespace, TrainOptions]:
    """Parse this tool's own options, and those of train.py."""
    parser = subcommand_parser(
        "bank", __doc__, epilog="All other options are those of train.py: python train.py --help all"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", required=True, help="where to write, such as bank.npz")
    parser.add_argument(
        "--min_area",
        "--min-area",
        type=float,
        metavar="FRACTION",
        default=SMALLEST_FRACTION,
        help="keep segments larger than this fraction of the image (%(default).4f, 1000 pixels of 256x512)",
    )
    add_workers(parser)
    own, rest = parser.parse_known_args(argv)
    if not 0 <= own.min_area < 1:
        raise InputError(f"--min_area {own.min_area:g}: must be a fraction of the image, at least 0 and below 1")
    if own.output.is_dir():
        raise InputError(f"--output {own.output}: is a folder; name a file")
    refuse_foreign("--output", own.output, "bank of scripts.prepare bank", *MARKS)
    return own, parse_options(BankOptions, rest, PRESETS, METHODS)


def main(argv: Sequence[str]) -> None:
    """Cut all images and write the file. Raises `InputError` for bad input."""
    own, opt = parse_args(argv)
    options = options_of_images(opt)
    images = whole_images(create_dataset(dataclasses.replace(opt, **options), maps=False))
    images.paths = [paths._replace(image=None) for paths in images.paths]  # photos are there, and need not be decoded
    roles = Roles.of(images.class_names)
    cut = parallel_map(ImageCutter(images, roles.ignored, own.min_area), range(len(images)), own.workers)
    found = list(tqdm(cut, desc="bank", total=len(images), unit="image", dynamic_ncols=True))
    if not any(image.labels for image in found):
        raise InputError(
            f"--min_area {own.min_area:g}: no segment of {len(images)} images is larger than this fraction; use less"
        )
    bank = gather(found, options, own.min_area)
    bank.save(own.output)
    print(
        f"{own.output}: {len(bank)} segments of {len(np.unique(bank.labels))} classes, from {len(images)} images; "
        f"{readable_size(own.output.stat().st_size)}"
    )
