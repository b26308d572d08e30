"""Label maps for measuring a generator, from a data set or synthetic."""

import argparse
import contextlib
import io
from collections.abc import Iterator
from typing import Any

import torch

from data import PRESETS, create_dataset
from models import METHODS
from models.networks.layout import SemanticLayout
from options import TrainOptions, parse_options
from scripts.benchmark.switches import make_batch
from util.errors import InputError

NEEDS_FOLDERS = ("custom",)
MODES = [mode for mode in PRESETS if mode not in NEEDS_FOLDERS]


def command_line_options(args: argparse.Namespace) -> TrainOptions:
    """The options of train.py for a generator of the preset. Raises `InputError` for options that train.py refuses."""
    words = f"--method {args.method} --dataset_mode {args.dataset_mode} --no_flip"
    words += f" --load_size {args.crop_size} --crop_size {args.crop_size}"
    words += f" --ngf {args.ngf} --batch_size {args.batch_size} --no_vgg_loss --precision {args.precision}"
    words += " --ndf 1"  # the discriminator is created, too, but not measured
    words += f" --gpu_ids {-1 if args.device == 'cpu' else 0}"
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return parse_options(
                TrainOptions,
                [*words.split(), *(["--dataroot", args.dataroot] if args.dataroot else [])],
                PRESETS,
                METHODS,
            )
    except SystemExit:
        line = said.getvalue().strip().splitlines()[-1]
        raise InputError(line.removeprefix(f"{TrainOptions.program}: error: ")) from None


def layouts_of(opt: TrainOptions, count: int, real: bool) -> list[SemanticLayout]:
    """Make `count` batches, from the data set if `real`, else synthetic. Raises `InputError` for missing files."""
    batches = _real_batches(opt) if real else _made_up_batches(opt)
    return [
        SemanticLayout.from_instances(batch["labels"], batch.get("instances"), opt.num_labels)
        for _, batch in zip(range(count), batches)
    ]


def _real_batches(opt: TrainOptions) -> Iterator[dict]:
    dataset = create_dataset(opt)
    for first in range(0, len(dataset) - opt.batch_size + 1, opt.batch_size):
        samples: list[Any] = [dataset[index] for index in range(first, first + opt.batch_size)]
        names = ("labels", "instances") if opt.instance else ("labels",)
        yield {name: torch.stack([sample[name] for sample in samples]) for name in names}


def _made_up_batches(opt: TrainOptions) -> Iterator[dict]:
    for first in range(0, 2**16, opt.batch_size):
        yield make_batch(opt, first)
