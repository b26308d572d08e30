"""Turn colour-coded masks into id maps: `python -m scripts.prepare convert_labels SRC DST --palette FILE`.

SRC is a folder of RGB, RGBA (opaque), palette or grey pictures, sub-folders and all, grey of 16 bits and floating-point
numbers included; DST gets a grey PNG of the same name for each, 16-bit if an id is above 255. The conversion is exact:
a colour that is not in the palette is refused with file, position and the nearest colour that is. Other files are still
converted; the exit status is then 2.

FILE holds the colours: lines of `id r g b name`, JSON, or what labeling tools write (labelmap.txt, class_dict.csv,
.gpl, .ctbl, .clr, meta.json, a palette PNG, ...); see data/palette.py. `scripts.prepare check --propose_palette`
writes one to start from. Where nothing numbers the classes, their order does; the first line printed says what was
read.

Run again, the script skips what it made from the same file and the same palette. Files that it did not make are never
replaced.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.derived_maps import (
    Files,
    Mark,
    add_workers,
    check_output,
    pair_with_targets,
    run_parallel,
    save_ids,
    to_make,
)
from data.files import find_pictures
from data.id_maps import first, refuse_transparent
from data.masks import is_jpeg, read_colors
from data.palette import UNKNOWN, Palette, pack, read_palette, shown, unpacked
from util.errors import InputError

MESSAGES_SHOWN = 10


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line says; wrong words end the program with status 2."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.prepare convert_labels", description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("source", metavar="SRC", type=Path, help="folder of colour-coded masks")
    parser.add_argument("target", metavar="DST", type=Path, help="folder for the id maps; made if missing")
    parser.add_argument("--palette", metavar="FILE", type=Path, required=True, help="which colour is which id")
    parser.add_argument(
        "--unknown", type=int, metavar="ID", help=f"id of colours of no class (the palette's own, or {UNKNOWN})"
    )
    parser.add_argument("--overwrite", action="store_true", help="convert again what is up to date")
    add_workers(parser)
    return parser.parse_args(argv)


def to_ids(path: Path, palette: Palette) -> np.ndarray:
    """The ids (H, W), uint8 or uint16, of a colour-coded mask. Raises `InputError` for what has none."""
    rgba = read_colors(path)
    ids, is_missing = palette.find(rgba)
    if is_missing.any():
        raise InputError(_refusal(path, rgba, is_missing, palette))
    refuse_transparent(rgba[..., 3], path)
    return ids


def _refusal(path: Path, rgba: np.ndarray, is_missing: np.ndarray, palette: Palette) -> str:
    x, y = first(is_missing)
    missing = np.unique(pack(rgba)[is_missing])
    color = tuple(rgba[y, x, :3].tolist())
    entry, distance = palette.nearest(color)
    if is_jpeg(path):
        fix = "JPEG changes colours: save the masks as PNG"
    elif len(missing) > len(palette.entries):
        fix = "so many colours are made by smooth edges or resizing: save the mask without them"
    else:
        others = [shown(unpacked(int(number))) for number in missing[:4]]
        fix = f"add to the palette: {', '.join(others)}{', ...' if len(missing) > 4 else ''}"
    return (
        f"{path}: the pixel at x {x}, y {y} has the colour {shown(color)}, which is not in {palette.source} (nearest: "
        f"{shown(entry.color)} {entry.name}, distance {distance:.1f}); {int(is_missing.sum())} pixels have "
        f"{len(missing)} such colours; {fix}"
    )


@dataclass(frozen=True)
class Converter:
    """Converts a mask; returns the message of an `InputError`, if there was one."""

    palette: Palette
    mark: Mark

    def __call__(self, files: Files) -> str | None:
        try:
            ids = to_ids(files[0], self.palette)
            save_ids(ids, files, ids.dtype.type, self.mark)
        except InputError as error:
            return str(error)
        return None


def main(argv: Sequence[str] | None = None) -> None:
    """Do what the command line says. Bad input ends it with status 2 and one line."""
    args = parse_args(argv)
    if args.unknown is not None and not 0 <= args.unknown <= 65535:
        raise InputError(f"--unknown {args.unknown}: must be 0..65535")
    palette = read_palette(args.palette, args.unknown)
    print(palette.summary())
    check_output(args.target, args.source, "colour-coded masks")
    files = pair_with_targets(find_pictures(args.source, "colour-coded masks", holds_ids=True), args.target)
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
    print(f"next: {next_command(palette, args.target, args.unknown)}")


def next_command(palette: Palette, target: Path, unknown: int | None) -> str:
    """The check of what was made."""
    ids = {entry.id for entry in palette.entries}
    has_unknown = UNKNOWN in ids and len(ids) <= UNKNOWN
    classes = max(ids - {UNKNOWN} if has_unknown else ids, default=0) + 1
    words = ["python -m scripts.prepare check --dataset_mode custom --label_dir", shlex.quote(str(target))]
    words += ["--image_dir", "PHOTOS", "--label_nc", str(classes)]
    return " ".join(words + ["--contain_dontcare_label"] * has_unknown)
