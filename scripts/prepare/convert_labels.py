"""Turn color-coded masks into id maps: `python -m scripts.prepare convert_labels SRC DST --palette FILE`.

SRC is a folder, searched recursively, of RGB, RGBA (opaque), palette or gray images, also of 16 bits or floating-point
numbers. For each, DST gets a gray PNG of the same name, with 16 bits if an id is above 255. The conversion is exact: a
mask with a color that is not in the palette is refused, with position and nearest palette color. Other files are still
converted; the exit status is then 2.

FILE holds the colors: lines of `id r g b name`, JSON, or what labeling tools write (labelmap.txt, class_dict.csv,
.gpl, .ctbl, .clr, meta.json, a palette PNG, ...); see data/palette.py. `scripts.prepare check --propose_palette`
writes one to start from. If the file holds no ids, the order of the classes numbers them; the first line
printed says what was read.

A second call skips what the first one made from the same files and the same palette. Files that this tool did not make
are never replaced.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data.derived_maps import Files, Mark, check_output, pair_with_targets, run_parallel, save_ids, to_make
from data.files import find_image_files
from data.palette import LARGEST_ID, UNKNOWN, Palette, ids_of_mask, read_palette
from scripts.prepare.arguments import add_workers, subcommand_parser
from util.errors import InputError

MESSAGES_SHOWN = 10


def parse_args(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line; wrong words end the program with status 2."""
    parser = subcommand_parser("convert_labels", __doc__)
    parser.add_argument("source", metavar="SRC", type=Path, help="folder of color-coded masks")
    parser.add_argument("target", metavar="DST", type=Path, help="folder for the id maps; made if missing")
    parser.add_argument("--palette", metavar="FILE", type=Path, required=True, help="which color is which id")
    parser.add_argument(
        "--unknown", type=int, metavar="ID", help=f"id of colors of no class (the palette's own, or {UNKNOWN})"
    )
    parser.add_argument("--overwrite", action="store_true", help="convert again what is up to date")
    add_workers(parser)
    return parser.parse_args(argv)


@dataclass(frozen=True)
class Converter:
    """Converts a mask; returns the message of an `InputError`, or None."""

    palette: Palette
    mark: Mark

    def __call__(self, files: Files) -> str | None:
        try:
            ids = ids_of_mask(files[0], self.palette)
            save_ids(ids, files, ids.dtype.type, self.mark)
        except InputError as error:
            return str(error)
        return None


def main(argv: Sequence[str]) -> None:
    """Convert all masks whose id maps are missing or out of date. Raises `InputError` for bad input."""
    args = parse_args(argv)
    if args.unknown is not None and not 0 <= args.unknown <= LARGEST_ID:
        raise InputError(f"--unknown {args.unknown}: must be 0..{LARGEST_ID}")
    palette = read_palette(args.palette, args.unknown)
    print(palette.summary())
    check_output(args.target, args.source, "color-coded masks")
    files = pair_with_targets(find_image_files(args.source, "color-coded masks", holds_ids=True), args.target)
    mark = Mark("convert_labels", repr([(entry.id, entry.color) for entry in palette.entries]))
    missing, current = to_make(files, mark, args.workers, args.overwrite)
    results = run_parallel(Converter(palette, mark), missing, args.workers, "convert")
    refused = [result for result in results if result]
    print(f"{args.target}: {len(results) - len(refused)} id maps made, {current} up to date, {len(refused)} refused")
    for message in refused[:MESSAGES_SHOWN]:
        print(message, file=sys.stderr)
    if refused:
        raise InputError(
            f"{len(refused)} of {len(files)} masks were refused, as said above; no id map was made of them"
        )
    print(f"next: {next_command(palette, args.target)}")


def next_command(palette: Palette, target: Path) -> str:
    """The command that checks the id maps."""
    ids = {entry.id for entry in palette.entries}
    has_unknown = UNKNOWN in ids and len(ids) <= UNKNOWN
    classes = max(ids - {UNKNOWN} if has_unknown else ids, default=0) + 1
    words = ["python -m scripts.prepare check --dataset_mode custom --label_dir", shlex.quote(str(target))]
    words += ["--image_dir", "PHOTOS", "--label_nc", str(classes)]
    return " ".join(words + ["--contain_dontcare_label"] * has_unknown)
