"""Make instance maps from label maps alone: the connected regions of each class.

For data sets without instance maps. Touching regions of one class become one object, so a crowd is one "person", and
the edges that the networks see are those between classes. Ids are 16-bit, 1, 2, ...; pixels with a label in --ignore
get 0. A second call skips maps made from the same files with the same --ignore, so an interrupted run resumes. Files
that this tool did not make are never replaced.

    python -m scripts.prepare edges LABELS OUTPUT --ignore 255
"""

import argparse
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.derived_maps import (
    LARGEST_ID,
    Files,
    Mark,
    check_output,
    pair_with_targets,
    run_parallel,
    save_ids,
    to_make,
)
from data.files import find_image_files
from data.id_maps import read_ids
from data.regions import connected_regions
from scripts.prepare.arguments import add_workers, subcommand_parser
from util.errors import InputError


def parse_args(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line; wrong words end the program with status 2."""
    parser = subcommand_parser("edges", __doc__)
    parser.add_argument("labels", metavar="LABELS", type=Path, help="folder of label maps")
    parser.add_argument("output", metavar="OUTPUT", type=Path, help="folder for the instance maps; made if missing")
    parser.add_argument("--ignore", type=int, nargs="+", default=[], metavar="ID", help="labels that are no objects")
    parser.add_argument("--suffix", default="", metavar="TEXT", help="end of the label maps' names (_gtFine_labelIds)")
    add_workers(parser)
    return parser.parse_args(argv)


def write_regions(files: Files, ignore: tuple[int, ...], mark: Mark) -> None:
    """Write the instance map of one label map. Raises `InputError` where 16 bits cannot number its regions."""
    source, _ = files
    regions = connected_regions(read_ids(source), ignore)
    if regions.max() > LARGEST_ID:
        raise InputError(
            f"{source}: has {regions.max()} regions, and 16 bits number {LARGEST_ID}; that many are noise or the soft "
            f"edges of a resized map, so look at the file"
        )
    save_ids(regions, files, np.uint16, mark)


def main(argv: Sequence[str]) -> None:
    """Make all instance maps that are missing or out of date. Raises `InputError` for bad input."""
    args = parse_args(argv)
    check_output(args.output, args.labels, "label maps")
    labels = find_image_files(args.labels, "label maps", suffix=args.suffix, holds_ids=True)
    ignore = tuple(sorted(set(args.ignore)))
    mark = Mark("prepare_edges", repr(ignore))
    files = pair_with_targets(labels, args.output)
    missing, _ = to_make(files, mark, args.workers)
    run_parallel(functools.partial(write_regions, ignore=ignore, mark=mark), missing, args.workers, "edges", "map")
    print(f"{args.output}: {len(missing)} instance maps made, {len(files) - len(missing)} were there")
