"""Ask people which of two systems makes the better images, as the human evaluation of the paper does.

    python -m scripts.study A B --labels DIR [--output study.html] [--pairs N] [--checks N] [--seed S]
    python -m scripts.study --report ANSWERS.json [MORE.json ...] [--key study.key.json]

A and B are folders of images, or names of runs, whose newest test is meant. The first command writes one page, which
needs no network: send it to people or show it on a screen or a phone. Each person sees every pair once, in an order and
with sides of their own, chooses an image or says that they cannot tell, and saves a file of answers, which the second
command counts: "cannot tell" apart, the preference from the other answers. Which image is whose is only in the key,
written beside the page: keep it, and do not hand it out.
"""

from util.console import exit_statuses, slow_imports

import argparse
from collections.abc import Sequence
from pathlib import Path

from data import DATASETS
from util.errors import InputError

PROGRAM = "python -m scripts.study"
MOST_PAIRS = 50
"""By default: a quarter of an hour. The paper asks 500 questions for each data set, of 5 people each."""


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse and check the command line; a wrong one ends the program with status 2."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("systems", nargs="*", metavar="A B", help="two folders of images, or names of runs")
    parser.add_argument("--labels", metavar="DIR", help="label maps, colored or ids, or a run (those of A, if a run)")
    parser.add_argument(
        "--dataset_mode",
        choices=DATASETS,
        help="whose classes the label maps hold: colors and names (a run has them)",
    )
    parser.add_argument("--output", type=Path, default="study.html", metavar="FILE", help="the page (%(default)s)")
    parser.add_argument("--pairs", type=int, metavar="N", help=f"pairs to ask about (all, up to {MOST_PAIRS})")
    parser.add_argument("--checks", type=int, default=0, metavar="N", help="attention checks: one image is broken (0)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="which pairs are drawn (%(default)s)")
    parser.add_argument("--title", default="A comparison of images", help="heading of the page (%(default)s)")
    parser.add_argument("--results_dir", type=Path, default="results", metavar="DIR", help="of the runs (%(default)s)")
    parser.add_argument("--report", nargs="+", type=Path, metavar="ANSWERS", help="count the answers in these files")
    parser.add_argument("--key", type=Path, metavar="FILE", help="key of the study (found beside answers, or here)")
    args = parser.parse_args(argv)
    if not args.report:
        _check(args)
    elif args.systems:
        raise InputError(f"--report counts answers and makes no study: leave out {' '.join(args.systems)}")
    return args


def _check(args: argparse.Namespace) -> None:
    if len(args.systems) != 2:
        raise InputError(f"{len(args.systems)} folders given; name two, A and B, or give --report ANSWERS.json")
    if args.pairs is not None and args.pairs < 1:
        raise InputError(f"--pairs {args.pairs}: a study needs 1 pair or more")
    if args.checks < 0:
        raise InputError(f"--checks {args.checks}: must be 0 or more")


@exit_statuses(PROGRAM)
def main(argv: Sequence[str] | None = None) -> None:
    """Do what the command line says. Bad input ends it with status 2 and one line."""
    args = parse_args(argv)
    with slow_imports():  # only now, as NumPy and SciPy take seconds: --help and wrong options are answered at once
        from scripts.study.run import count_answers, make_study
    if args.report:
        count_answers(args)
    else:
        make_study(args, MOST_PAIRS)


if __name__ == "__main__":
    main()
