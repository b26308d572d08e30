"""Check and prepare data sets: `python -m scripts.prepare COMMAND ...`."""

from util.console import exit_statuses

import difflib
import importlib
import sys
from collections.abc import Sequence

PROGRAM = "python -m scripts.prepare"

# Command -> what it does. Each is a module of this package with `main(argv) -> int | None`, the exit status; only the
# one that runs is imported.
COMMANDS = {
    "bank": "cut training photos into the bank of segments that --method sims pastes",
    "check": "read every file of a data set before training, and propose the options that fit",
    "convert_labels": "turn color-coded masks into id maps",
    "edges": "make instance maps from label maps alone: the connected regions of each class",
    "features": "cluster the instance features of a pix2pixHD run, to draw from in a test",
    "instances": "make the instance maps of COCO from its annotations",
    "label_photos": "label a folder of photos with a segmentation network",
    "landscapes": "write the landscapes as files, to try a training on files",
    "outdoor": "list the outdoor scenes of ADE20K for --dataset_mode ade20k_outdoor",
    "shards": "pack a data set into tars, which train.py --shards reads",
}


def usage() -> str:
    """All commands, one line each."""
    width = max(map(len, COMMANDS))
    lines = [f"    {name:<{width}}   {purpose}" for name, purpose in COMMANDS.items()]
    return "\n".join([f"usage: {PROGRAM} COMMAND ...", "", *lines, "", f"{PROGRAM} COMMAND --help tells more"])


def main(argv: Sequence[str] | None = None) -> int | None:
    """Run the command that the first word names; return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv:
        print(usage(), file=sys.stderr)
        return 2
    name, *words = argv
    if name in ("-h", "--help"):
        print(usage())
        return 0
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"use one of {', '.join(COMMANDS)}"
        print(f"{PROGRAM}: error: {name}: no such command; {hint}", file=sys.stderr)
        return 2
    command = importlib.import_module(f"scripts.prepare.{name}")
    with exit_statuses(f"{PROGRAM} {name}"):
        return command.main(words)


if __name__ == "__main__":
    sys.exit(main())
