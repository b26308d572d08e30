"""Memory of training steps with any flags of train.py, and the GPUs that a batch needs, before anything is trained."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from models import METHODS
from options import TrainOptions
from options.data_file import name_of_data
from scripts.benchmark.switches import training_options
from trainers.memory import CONTEXT, MARGIN, at_most, count_steps, needed
from util.errors import InputError

HELP = "memory of a training step, counted from shapes, with any flags of train.py: no data, weights or GPU are needed"
BATCH_SIZES = (1, 4, 16)
GPUS = (16, 24, 40, 80)
"""Sizes of GPUs in GiB."""
Counted = Mapping[str, Mapping[int, int]]
"""Column -> batch size of one GPU -> peak in bytes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this command to its parser; those of train.py are left for `run`."""
    parser.usage = f"{parser.prog} [-h] [--batch_size N [N ...]] [flags of train.py]"
    parser.add_argument(
        "--batch_size",
        "--batchSize",
        type=_positive,
        nargs="+",
        metavar="N",
        help="images of one GPU; the largest is the batch that GPUs are counted for (default: 1 4 16 and the preset's)",
    )


def run(args: argparse.Namespace) -> None:
    """Count and print Markdown.

    Args:
        args: of this command; in `others` the flags of train.py.
    Raises:
        InputError: train.py refuses the flags, or the step cannot be counted.
    """
    whole = ["--batch_size", str(max(args.batch_size))] if args.batch_size else []
    opt = training_options([*args.others, *whole])
    parts = opt.accumulate
    wanted = args.batch_size or (*(size for size in BATCH_SIZES if size % parts == 0), opt.batch_size)
    if wrong := [size for size in wanted if size % parts]:
        raise InputError(f"--batch_size {wrong[0]}: must be a multiple of --accumulate {parts}; use {wrong[0] * parts}")
    sizes = sorted({parts, *wanted})
    print(heading(opt), flush=True)
    counted = {name: dict(zip(sizes, count_steps(of, sizes))) for name, of in columns(opt).items()}
    for line in (*peak_table(counted), "", *gpu_table(counted, sizes[-1], opt.accumulate)):
        print(line)


def columns(opt: TrainOptions) -> dict[str, TrainOptions]:
    """The options of each column of the tables, by its heading."""
    precisions = {name: replace(opt, precision=name) for name in ("fp32", "bf16")}
    if "checkpoint_activations" not in METHODS[opt.method].options:
        return precisions
    return {
        name + " --checkpoint_activations" * checkpointed: replace(of, checkpoint_activations=checkpointed)
        for checkpointed in (False, True)
        for name, of in precisions.items()
    }


def heading(opt: TrainOptions) -> str:
    """What the figures are of."""
    size = f"{opt.crop_size}x{round(opt.crop_size / opt.aspect_ratio)}"
    lines = [
        f"--method {opt.method} on {name_of_data(opt)}, {size} pixels: peak memory of a training step on one GPU, GiB",
        "Counted from shapes; measured peaks on a GPU were 1.05 to 1.17 times as high, for workspaces of cuDNN",
    ]
    if opt.modulation == "table":
        lines.append("Counted for --modulation dense: tables need less, how much less depends on the label maps")
    return "\n".join(f"- {line}" for line in lines) + "\n"


def peak_table(counted: Counted) -> Iterator[str]:
    """Yield the lines of a Markdown table: peak in GiB by batch size."""
    yield from _head("images", counted)
    for size in next(iter(counted.values())):
        yield _row(str(size), [f"{column[size] / 2**30:.1f}" for column in counted.values()])


def gpu_table(counted: Counted, batch_size: int, accumulate: int) -> Iterator[str]:
    """Yield the lines of a Markdown table: how many GPUs of each size a batch needs, and how many images each takes."""
    yield from _head(f"GPUs for a batch of {batch_size}", counted)
    for gib in GPUS:
        yield _row(f"{gib} GB", [gpus(column, batch_size, accumulate, gib * 2**30) for column in counted.values()])
    yield f"\nImages fit where {MARGIN} times their memory and {CONTEXT / 2**30:g} GiB for CUDA do; parts are equal."


def gpus(counted: Mapping[int, int], batch_size: int, accumulate: int, memory: int) -> str:
    """The smallest number of GPUs with `memory` bytes for a batch, with the images of each; or that there is none."""
    for count in range(1, batch_size // accumulate + 1):
        images = batch_size // count
        if batch_size % (count * accumulate) == 0 and needed(at_most(counted, images)) <= memory:
            return f"{count}, {images} image{'s' * (images > 1)} each"
    return "not even one image fits"


def _positive(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) < 10**6:
        raise argparse.ArgumentTypeError(f"{text}: must be a whole number of images, 1 or more")
    return int(text)


def _head(first: str, counted: Counted) -> Sequence[str]:
    return _row(first, list(counted)), "|---" * (len(counted) + 1) + "|"


def _row(first: str, cells: Sequence[str]) -> str:
    return f"| {' | '.join((first, *cells))} |"
