"""Lay runs side by side on one page: their scores, the options in which they differ, and their images.

    python -m scripts.compare RUN RUN [...] [--output compare.html] [--how_many N] [--which PHASE_EPOCH]
    python -m scripts.compare losses RUN [...]      draws their losses into one image
    python -m scripts.compare colors --name RUN     prints how far mean colors of classes are from real ones

RUN is a name below --results_dir, whose newest test is meant, the folder of a test, or one of images that another
program made for the same label maps. Differences are those from the first run. Scores come from the scores.json that
evaluate.py writes; those of images that have been replaced since are refused; where scores were not measured in the
same way, the page says so. Rows can be sorted by the scores of single images. The page links the images where they
are, so it moves together with them.
"""

from util.console import exit_statuses, slow_imports

import argparse
import difflib
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from util.errors import InputError

PROGRAM = "python -m scripts.compare"
# Command -> module with `main(argv)`, imported on demand.
COMMANDS = {"losses": "scripts.compare.losses", "colors": "scripts.compare.colors"}


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse and check the command line; a wrong one ends the program with status 2."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="name of a run, or a folder")
    parser.add_argument("--output", type=Path, default="compare.html", metavar="FILE", help="the page (%(default)s)")
    parser.add_argument("--how_many", type=int, metavar="N", help="rows of images, in the order of names (all)")
    parser.add_argument("--which", metavar="PHASE_EPOCH", help="which test of every run, such as test_50 (the newest)")
    parser.add_argument("--title", help="heading of the page (names of the runs)")
    parser.add_argument("--results_dir", type=Path, default="results", metavar="DIR", help="of the runs (%(default)s)")
    parser.add_argument(
        "--checkpoints_dir", type=Path, default="checkpoints", metavar="DIR", help="of their options (%(default)s)"
    )
    args = parser.parse_args(argv)
    if args.how_many is not None and args.how_many < 1:
        raise InputError(f"--how_many {args.how_many}: must be 1 or more")
    return args


@exit_statuses(PROGRAM)
def main(argv: Sequence[str] | None = None) -> None:
    """Do what the command line says. Bad input ends it with status 2 and one line."""
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] in COMMANDS:
        importlib.import_module(COMMANDS[argv[0]]).main(argv[1:])
    else:
        args = parse_args(argv)
        with slow_imports():  # only now, as PyTorch takes seconds: --help and wrong options are answered at once
            from scripts.compare.write import write_page
        try:
            write_page(args)
        except InputError as error:
            near = difflib.get_close_matches(args.runs[0], COMMANDS, n=1, cutoff=0.8)
            if near and str(error).startswith(args.runs[0]):
                raise InputError(f"{args.runs[0]}: no such run, folder or command; did you mean {near[0]}?") from None
            raise


if __name__ == "__main__":
    main()
