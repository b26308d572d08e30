"""List the outdoor scenes of ADE20K for `--dataset_mode ade20k_outdoor`, by the rule of data/ade20k_outdoor.py.

Run from the root of the repository: `python -m scripts.prepare outdoor DATAROOT` writes the lists of both parts to
DATAROOT/outdoor_{training,validation}.txt, where the data set looks for them. `... DATAROOT OUT.txt --phase train`
writes one part's list elsewhere, for --file_list. Only label maps are read.
"""

import argparse
from pathlib import Path

from data.ade20k import EDITIONS, FOLDERS, LANDMARKS, Ade20kDataset, find_ade20k
from data.ade20k_outdoor import INDOOR_AT_MOST, OUTDOOR_AT_LEAST, is_outdoor, list_path
from data.derived_maps import add_workers, read_ids, run_parallel
from data.editions import explaining
from data.read import LabelIds
from util.errors import InputError
from util.files import refuse_foreign, replacing

ADE20K_IDS = LabelIds(
    label_nc=Ade20kDataset.preset.both["label_nc"],
    contain_dontcare_label=True,
    unknown_value=Ade20kDataset.unknown_value,
    fixed=Ade20kDataset.published_ids,
    editions=Ade20kDataset.id_editions,
)
RULE = (
    f"outdoor classes cover at least {OUTDOOR_AT_LEAST:.0%} of the picture and indoor ones at most {INDOOR_AT_MOST:.0%}"
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """What the command line says; wrong words end the program with status 2."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.prepare outdoor", description=__doc__.splitlines()[0], allow_abbrev=False
    )
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


def shows_outdoors(path: Path) -> bool:
    """Read one label map and apply the rule. Raises `InputError` for ids of other editions, whose classes differ."""
    return is_outdoor(ADE20K_IDS.check(read_ids(path), path))


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


def main(argv: list[str] | None = None) -> None:
    """Do what the command line says. Bad input ends it with status 2 and one line."""
    args = parse_args(argv)
    lists = {
        phase: args.output or list_path(args.dataroot, phase) for phase in ([args.phase] if args.phase else FOLDERS)
    }
    for path in lists.values():
        refuse_foreign("OUT.txt", path, "list of scripts.prepare outdoor", f" scenes: {RULE}".encode())
    for phase, path in lists.items():
        write_list(args.dataroot, phase, path, args.workers)
