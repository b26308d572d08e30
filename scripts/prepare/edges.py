"""Make instance maps from label maps alone: the connected regions of each class.

For data sets without instance maps. Regions of one class that touch become one object, so a crowd is one "person"; the
edges that the networks see are then those between classes. Ids are 16-bit, 1, 2, ...; pixels of the labels given to
--ignore get 0. Run again, the script skips what it made from the same file with the same --ignore, so an interrupted
run goes on. Files that it did not make are never replaced.

Run from the root of the repository: `python -m scripts.prepare edges LABELS OUTPUT [--ignore 255] [--workers N]`.
"""

import argparse
import functools
from pathlib import Path

import numpy as np
from scipy import ndimage

from data.derived_maps import (
    LARGEST_ID,
    Files,
    Mark,
    add_workers,
    check_output,
    pair_with_targets,
    read_ids,
    run_parallel,
    save_ids,
    to_make,
)
from data.files import find_pictures
from util.errors import InputError


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """What the command line says; wrong words end the program with status 2."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.prepare edges", description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("labels", metavar="LABELS", type=Path, help="folder of label maps")
    parser.add_argument("output", metavar="OUTPUT", type=Path, help="folder for the instance maps; made if missing")
    parser.add_argument("--ignore", type=int, nargs="+", default=[], metavar="ID", help="labels that are no objects")
    parser.add_argument("--suffix", default="", metavar="TEXT", help="end of the label maps' names (_gtFine_labelIds)")
    add_workers(parser)
    return parser.parse_args(argv)


def connected_regions(labels: np.ndarray, ignore: tuple[int, ...] = ()) -> np.ndarray:
    """Number the regions of equal labels, connected by sides of pixels: (H, W) -> (H, W) int32.

    Ids are 1, 2, ... by label, then from the top left; 0 is where `labels` is one of `ignore`.
    """
    classes, places = np.unique(labels, return_inverse=True)
    places = places.reshape(labels.shape).astype(np.int32) + 1  # 1, 2, ...: the numbers find_objects wants
    regions = np.zeros(labels.shape, dtype=np.int32)
    count = 0
    for place, box in enumerate(ndimage.find_objects(places), start=1):
        if classes[place - 1] in ignore:
            continue
        numbered, found = ndimage.label(places[box] == place)
        regions[box] += np.where(numbered, numbered + count, 0)
        count += found
    return regions


def prepare(files: Files, ignore: tuple[int, ...], mark: Mark) -> None:
    """Write the instance map of a label map."""
    source, _ = files
    regions = connected_regions(read_ids(source), ignore)
    if regions.max() > LARGEST_ID:
        raise InputError(
            f"{source}: has {regions.max()} regions, and 16 bits number {LARGEST_ID}; that many are noise or the soft "
            f"edges of a resized picture, so look at the file"
        )
    save_ids(regions, files, np.uint16, mark)


def main(argv: list[str] | None = None) -> None:
    """Do what the command line says. Bad input ends it with status 2 and one line."""
    args = parse_args(argv)
    check_output(args.output, args.labels, "label maps")
    labels = find_pictures(args.labels, "label maps", suffix=args.suffix, holds_ids=True)
    ignore = tuple(sorted(set(args.ignore)))
    mark = Mark("prepare_edges", repr(ignore))
    files = pair_with_targets(labels, args.output)
    missing, _ = to_make(files, mark, args.workers)
    run_parallel(functools.partial(prepare, ignore=ignore, mark=mark), missing, args.workers, "edges", "map")
    print(f"{args.output}: {len(missing)} instance maps made, {len(files) - len(missing)} were there")
