"""Samples per second of reading a data set, compared with plain Pillow and torchvision code."""

import argparse
import contextlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Subset

from data import PRESETS, create_dataset
from data.paired import PairedDataset
from data.parallel import usable_cores
from data.sample import Samples
from data.workers import QuietLoader
from options import TrainOptions, parse_options
from options.arguments import process_count
from scripts.benchmark.made_up_data import CITYSCAPES_SIZE, COCO_SIZE, make_cityscapes_like, make_coco_like
from scripts.benchmark.plain_reading import PlainPairs
from scripts.benchmark.timing import take_turns
from scripts.prepare.shards import main as pack_shards
from util.errors import InputError

HELP = "samples per second of reading, for files like COCO's and Cityscapes', beside plain Pillow and torchvision code"
PLAIN = "plain"


@dataclass(frozen=True)
class Case:
    """A data set to read with its preset.

    Attributes:
        mode: --dataset_mode.
        folder: the data set's folder below --data.
        files: description of its files.
        make: writes a number of similar samples into a folder.
        cost: time per sample relative to COCO, roughly, to divide the time evenly.
    """

    mode: str
    folder: str
    files: str
    make: Callable[[Path, int], None]
    cost: int


CASES = (
    Case("coco", "coco_stuff", "{}x{} JPEG photos, 8-bit PNG maps".format(*COCO_SIZE), make_coco_like, 1),
    Case("cityscapes", "cityscapes", "{}x{} PNG files".format(*CITYSCAPES_SIZE), make_cityscapes_like, 12),
)
MADE = {"coco": 12, "cityscapes": 2}  # samples to make


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this command to its parser."""
    parser.add_argument(
        "--data", metavar="DIR", type=Path,
        help="folder with coco_stuff/ and cityscapes/ in the trees of these data sets (default: files are made up)",
    )  # fmt: skip
    parser.add_argument("--only", choices=[case.mode for case in CASES], help="one data set (default: both)")
    parser.add_argument(
        "--samples", metavar="N", type=int, default=240, help="COCO samples each way of reading reads (%(default)s)"
    )
    parser.add_argument(
        "--workers",
        metavar="N",
        type=process_count(0),
        nargs="*",
        default=[1, 2],
        help="loader workers to try (default: 1 2)",
    )


def run(args: argparse.Namespace) -> None:
    """Measure and print Markdown. Raises `InputError` for wrong arguments and folders."""
    if args.samples < 24:
        raise InputError(f"--samples {args.samples}: must be 24 or more, for medians to mean something")
    torch.set_num_threads(1)  # as in every data worker
    with tempfile.TemporaryDirectory() as scratch:
        for case in CASES:
            if args.only in (None, case.mode):
                measure(case, args, Path(scratch))


def measure(case: Case, args: argparse.Namespace, scratch: Path) -> None:
    """Print the tables of one data set."""
    root = args.data / case.folder if args.data else scratch / case.folder
    if not args.data:
        case.make(root, MADE[case.mode])
    ways = ways_to_read(case.mode, root, scratch / case.mode)
    count = len(ways[PLAIN])
    origin = f"files of {args.data}" if args.data else "files made up for this"
    print(f"\n{case.mode}, {case.files}, {count} samples ({origin})\n")

    rounds = max(4, args.samples // case.cost)
    jobs = {name: lambda i, dataset=dataset: dataset[i % count] for name, dataset in ways.items()}
    print(take_turns(jobs, rounds, "one process").table(PLAIN, "samples/s, one process"))

    epoch = max(4, rounds // 4)
    for workers in args.workers:
        loaders = {name: repeat(dataset, epoch, workers) for name, dataset in ways.items()}
        jobs = {name: lambda i, loader=loader: sum(1 for _ in loader) for name, loader in loaders.items()}
        times = take_turns(jobs, 4, f"{workers} workers")
        print("\n" + times.table(PLAIN, f"samples/s, {workers} loader workers of {usable_cores()} cores", epoch))


def ways_to_read(mode: str, root: Path, scratch: Path) -> dict[str, Samples | PlainPairs]:
    """Data sets that read the same files by plain code, and by this project: as they are, cached, and from shards."""
    as_is = open_dataset("--dataset_mode", mode, "--dataroot", str(root))
    preprocess, ids = as_is.preprocess, as_is.ids
    resized = as_is.reader.read(as_is.paths[0]).size
    unknown = ids.label_nc if ids.contain_dontcare_label else None
    with contextlib.redirect_stdout(None):
        cached = open_dataset("--dataset_mode", mode, "--dataroot", str(root), "--cache_dir", f"{scratch}_cache")
        pack_shards([mode, f"{scratch}_shards", "--dataroot", str(root), "--parts", "train", "--workers", "1"])
    for index in range(len(cached)):
        cached[index]
    return {
        PLAIN: PlainPairs(as_is.paths, resized, preprocess.output_size, unknown),
        "this project": as_is,
        "--cache_dir, filled": cached,
        "--shards": open_dataset("--shards", f"{scratch}_shards"),
    }


def open_dataset(*flags: str) -> PairedDataset:
    """The data set as train.py opens it."""
    opt = parse_options(TrainOptions, flags, PRESETS)
    dataset = create_dataset(opt)
    assert isinstance(dataset, PairedDataset), "files are what is measured"
    return dataset


def repeat(dataset: Samples | PlainPairs, count: int, workers: int) -> DataLoader:
    """A loader that reads `count` samples per epoch in batches of one, repeating those of the data set."""
    indices = [i % len(dataset) for i in range(count)]
    return QuietLoader(Subset(dataset, indices), num_workers=workers, persistent_workers=workers > 0)
