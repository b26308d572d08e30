"""Ask people which of two systems makes the better images, as the human evaluation of the paper does.

    python -m scripts.study A B --labels DIR [--output study.html] [--pairs N] [--checks N] [--seed S]
    python -m scripts.study --report ANSWERS.json [MORE.json ...] [--key study.key.json]

A and B are folders of images, or names of runs, whose newest test is meant. The first command writes one page, which
needs no network: send it to people or show it on a screen or a phone. Each person sees every pair once, in an order and
with sides of their own, chooses an image or says that they cannot tell, and saves a file of answers, which the second
command counts: "cannot tell" apart, the preference from the other answers. Which image is whose is only in the key,
written beside the page: keep it, and do not hand it out.
"""

from util.console import exit_statuses

import argparse
from collections.abc import Sequence
from pathlib import Path

from data import DATASETS
from data.files import find_image_files
from scripts.study.answers import read_all
from scripts.study.key import find_key, key_path, make_key, write_key
from scripts.study.labels import LabelMapReader
from scripts.study.page import build_page
from scripts.study.pairs import Pair, PairMaker
from scripts.study.report import report
from util import html
from util.errors import InputError
from util.find_results import find_image_folder
from util.results_page import LABELS, RESULTS, read_classes

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
    html.refuse_other_page(args.output, "scripts.study", formerly="preference_study.py")


def make_pairs(args: argparse.Namespace) -> list[Pair]:
    """Read the images of a study. Raises `InputError` where there are too few, or they do not suit."""
    a, b = (find_image_folder(text, RESULTS, args.results_dir) for text in args.systems)
    beside = a.parent / LABELS
    if not args.labels and not beside.is_dir():
        raise InputError(f"--labels is missing, and there is no {beside}; name the folder of label maps")
    labels = find_image_folder(args.labels, LABELS, args.results_dir) if args.labels else beside
    of_a, of_b, maps = (
        find_image_files(folder, what) for folder, what in ((a, "results"), (b, "results"), (labels, "label maps"))
    )
    reader = LabelMapReader(args.dataset_mode, read_classes(labels.parent.parent))  # the folder of a test
    maker = PairMaker(of_a, of_b, maps, reader, args.seed)
    if not maker.names:
        raise InputError(f"no image has the same name in {a}, {b} and {labels}")
    pairs = maker.make(args.pairs or MOST_PAIRS, args.checks)
    found = sum(not pair.is_check for pair in pairs)
    if not found:
        raise InputError(f"all images in {a} and {b} are the same; name two different systems")
    if args.pairs and found < args.pairs:
        raise InputError(f"--pairs {args.pairs}: {a}, {b} and {labels} have {found} pairs that differ; ask for fewer")
    if args.checks > len(pairs) - found:
        raise InputError(f"--checks {args.checks}: there are images for {len(pairs) - found}")
    return pairs


def make_study(args: argparse.Namespace) -> None:
    """Write page and key of a study, and say where."""
    pairs = make_pairs(args)
    key = make_key(pairs, *args.systems)
    write_key(key, key_path(args.output))
    html.save(build_page(pairs, args.title), args.output)
    checks = f" and {len(key.checks)} attention check{'s' * (len(key.checks) > 1)}" if key.checks else ""
    size = args.output.stat().st_size / 1e6
    print(f"{args.output}: study {key.study}, {len(key.pairs)} pairs{checks}, {size:.1f} MB; hand it to people")
    print(f"{key_path(args.output)}: says which image is whose; keep it for --report, and to yourself")


def count_answers(args: argparse.Namespace) -> None:
    """Print the report of a study."""
    answers = read_all(args.report)
    folders = dict.fromkeys([*(path.parent for path in args.report), Path(), args.output.parent])
    print(report(answers, find_key(answers[0].study, args.key, folders)))


@exit_statuses(PROGRAM)
def main(argv: Sequence[str] | None = None) -> None:
    """Do what the command line says. Bad input ends it with status 2 and one line."""
    args = parse_args(argv)
    if args.report:
        count_answers(args)
    else:
        make_study(args)


if __name__ == "__main__":
    main()
