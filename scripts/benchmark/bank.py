"""Time to find a segment in a bank of SIMS."""

import argparse
import statistics
import time

import numpy as np
from tqdm import tqdm

from data.sims.bank import Bank
from data.sims.components import Component, components
from data.sims.cut import ImageSegments, cut, gather
from data.sims.retrieval import find_segment
from scripts.benchmark.made_up_data import draw_cells
from util.errors import InputError

HELP = "milliseconds to find a segment for a component of a label map, in a made-up bank"
MAPS = 25  # label maps to draw; the bank holds each as often as needed
CELLS = (3, 40)  # segments of a map: fewest, most
MOST_CLASSES = 100
QUERIES = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this command to its parser."""
    parser.add_argument("--segments", type=int, metavar="N", default=100_000, help="size of the bank (%(default)s)")
    parser.add_argument(
        "--classes", type=int, metavar="N", nargs="*", default=[1, 19], help="numbers of classes (default: 1 19)"
    )
    parser.add_argument(
        "--height", type=int, metavar="PIXELS", default=256, help="of images, twice as wide (%(default)s)"
    )


def run(args: argparse.Namespace) -> None:
    """Measure and print Markdown. Raises `InputError` for wrong arguments."""
    for flag in ("segments", "height"):
        if getattr(args, flag) < 1:
            raise InputError(f"--{flag} {getattr(args, flag)}: must be 1 or more")
    if not args.classes or not all(1 <= classes <= MOST_CLASSES for classes in args.classes):
        raise InputError(f"--classes: give numbers of 1..{MOST_CLASSES}")
    size = args.height, 2 * args.height
    print(f"\nA bank of about {args.segments:,} segments of {size[1]}x{size[0]} images\n")
    print("| classes | segments of the class | ms, median | ms, slowest of 20 |\n|---|---|---|---|")
    for classes in args.classes:
        measure(args.segments, classes, size)


def measure(count: int, classes: int, size: tuple[int, int]) -> None:
    """Print the row of one bank."""
    random = np.random.default_rng(0)
    images = []
    for place in tqdm(range(MAPS), desc="maps", unit="map", leave=False):
        image = cut(str(place), draw_map(random, size), ())
        images.append(image._replace(labels=random.integers(0, classes, len(image.labels)).tolist()))
    bank = make_bank(images, count, size)
    times = []
    for _ in range(QUERIES + 1):  # the first is not counted
        labels = draw_map(random, size)
        component = components(labels, (), 0)[0]
        query = Component(int(random.integers(classes)), component.mask)
        start = time.perf_counter()
        find_segment(bank, query, labels, without=0)
        times.append(1000 * (time.perf_counter() - start))
    slowest = statistics.quantiles(times[1:], n=20)[-1]
    print(f"| {classes} | {len(bank) // classes:,} | {statistics.median(times[1:]):.1f} | {slowest:.1f} |")


def draw_map(random: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A label map (H, W) of a random number of cells, each of a class of its own."""
    height, width = size
    return draw_cells(random, (width, height), int(random.integers(*CELLS)))


def make_bank(images: list[ImageSegments], count: int, size: tuple[int, int]) -> Bank:
    """A bank of about `count` segments, in which the images occur as often as needed."""
    height, width = size
    times = -(-count // sum(len(image.labels) for image in images))
    return gather(images * times, {"crop_size": width, "aspect_ratio": width / height}, 0)
