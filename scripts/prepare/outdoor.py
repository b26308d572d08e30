"""List the outdoor scenes of ADE20K for `--dataset_mode ade20k_outdoor`, by the rule of data/ade20k_outdoor.py.

`python -m scripts.prepare outdoor DATAROOT` writes the lists of both parts to
DATAROOT/outdoor_{training,validation}.txt, where the data set looks for them. `... DATAROOT OUT.txt --phase train`
writes one part's list elsewhere, for --file_list. Only label maps are read.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from data.ade20k import EDITIONS, FOLDERS, LANDMARKS, find_ade20k
from data.ade20k_outdoor import RULE, list_path, shows_outdoors
from data.derived_maps import run_parallel
from data.editions import explaining
from scripts.prepare.arguments import add_workers, subcommand_parser
from util.errors import InputError
from util.files import refuse_foreign, replacing


def parse_args(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line; wrong words end the program with status 2."""
    parser = subcommand_parser("outdoor", __doc__)
    parser.add_argument("dataroot", metavar="DATAROOT", type=Path, help="folder of the data set")
    parser.add_argument("output", metavar="OUT.txt", type=Path, nargs="?", help="the list; needs --phase")
    parser.add_argument("--phase", choices=list(FOLDERS), help="the part to list (both)")
    add_workers(parser)
    args = parser.parse_args(argv)
    if args.output and not args.phase:
        parser.error(f"{args.output}: one list holds one part; add --phase train or --phase val")
    if args.output and args.output.is_dir():
        parser.error(f"{args.output}: is a folder; name the file to write")
    return args


def write_list(dataroot: Path, phase: str, output: Path, workers: int) -> None:
    """List the outdoor scenes of one part. Raises `InputError` for missing folders and files that are broken."""
    with explaining(dataroot, LANDMARKS, EDITIONS):
        labels = find_ade20k(dataroot, phase, photos_required=False).labels
    kept = run_parallel(shows_outdoors, list(labels.values()), workers, phase, "map")
    names = [name for name, outdoor in zip(labels, kept) if outdoor]
    try:
        with replacing(output) as temporary:
            text = "\n".join([f"# {len(names)} of {len(labels)} scenes: {RULE}", *names, ""])
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{output}: cannot be written ({error.strerror}); name another file, as in OUT.txt --phase {phase}, and "
            f"give it to --file_list"
        ) from error
    print(f"{output}: {len(names)} of {len(labels)} scenes")


def main(argv: Sequence[str]) -> None:
    """Write the lists that the command line asks for. Raises `InputError` for bad input."""
    args = parse_args(argv)
    phases = [args.phase] if args.phase else list(FOLDERS)
    lists = {phase: args.output or list_path(args.dataroot, phase) for phase in phases}
    for path in lists.values():
        refuse_foreign("OUT.txt", path, "list of scripts.prepare outdoor", f" scenes: {RULE}".encode())
    for phase, path in lists.items():
        write_list(args.dataroot, phase, path, args.workers)
