"""The command line of `python -m scripts.reproduce`: its own flags, and those of train.py for every run."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data import PRESETS
from models import METHODS
from options import OptionError, TrainOptions
from options.command_line import CommandLine
from options.data_file import name_of_data
from options.field import PLAIN_NAME
from options.sources import with_data_set
from scripts.reproduce.budget import ALLOWED, read_budget
from util import html
from util.errors import InputError

PROGRAM = "python -m scripts.reproduce"
MADE_BY = "scripts.reproduce"  # in the page
PAGE, MARKDOWN = "index.html", "table.md"
MOST_SEEDS = 100
OWN = {
    "name": "every run has a name of its own; --prefix begins them all",
    "seed": "--seeds N repeats every row with seeds 0 to N - 1",
    "niter": "--budget says how long a row is trained",
    "niter_decay": "--budget says how long a row is trained",
    "max_minutes": "--budget minutes N says how long a row is trained",
    "max_images": "--budget images N says how long a row is trained",
    "continue_train": "a run that was begun goes on by itself",
    "auto_resume": "a run that was begun goes on by itself",
    "load_from_opt_file": "every row is trained from scratch, with its own options",
    "load_pretrained": "every row is trained from scratch, with its own options",
    "which_epoch": "the latest networks are tested; --eval_flags can name others",
}
"""Options of train.py that this tool sets itself, with what to use instead."""


def parse_args(argv: Sequence[str]) -> tuple[argparse.Namespace, dict[str, Any]]:
    """The tool's own arguments, and the values of options of train.py by name, for every run.

    Raises:
        InputError: a value cannot be used.
        SystemExit: status 2 for flags that cannot be parsed.
    """
    parser = _parser()
    table, *rest = argv if argv and not argv[0].startswith("-") else ["", *argv]
    args, others = parser.parse_known_args(rest)  # the table apart: it would take the value of a flag of train.py
    if not table:
        raise InputError("no table; begin with table1, table3, table4 or table5")
    try:
        training = with_data_set(_TrainingFlags(parser).typed(others), PRESETS)
        data = re.sub(r"[^\w-]+", "_", name_of_data(argparse.Namespace(**{"dataset_mode": "landscapes"} | training)))
    except OptionError as error:
        raise InputError(str(error)) from None
    if useless := sorted(OWN.keys() & training.keys()):
        raise InputError(f"--{useless[0]}: leave it out; {OWN[useless[0]]}")
    if not 1 <= args.seeds <= MOST_SEEDS:
        raise InputError(f"--seeds {args.seeds}: must be 1..{MOST_SEEDS}")
    if args.segmenter_minutes is not None and args.segmenter_minutes <= 0:
        raise InputError(f"--segmenter_minutes {args.segmenter_minutes:g}: must be greater than 0")
    args.given = shlex.join(others)
    args.again = _without_jobs(argv)
    args.table, args.budget = table, read_budget(args.budget)
    args.dataset_mode = training.get("dataset_mode", "landscapes")
    args.prefix = f"{table}_{data}" if args.prefix is None else args.prefix
    if not PLAIN_NAME.holds(args.prefix):
        raise InputError(f"--prefix {args.prefix}: must be {PLAIN_NAME.words}")
    args.output = args.output or args.results_dir / args.prefix
    html.refuse_other_page(args.output / PAGE, MADE_BY, formerly=MADE_BY)
    return args, training


def _without_jobs(argv: Sequence[str]) -> list[str]:
    """A command line without --jobs and its value."""
    words = [word for word in argv if not word.startswith("--jobs=")]
    if "--jobs" in words:
        at = words.index("--jobs")
        del words[at : at + 2]
    return words


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage="%(prog)s {table1,table3,table4,table5} [--dataset_mode MODE] [--budget ...] [flags of train.py]",
        description="Train, score and lay side by side the rows of a table of the paper. The same command goes on "
        "where it stopped. All flags that are not listed here are those of train.py, for the runs that use them.",
        allow_abbrev=False,
    )
    parser.add_argument("--rows", "--methods", nargs="+", metavar="ROW", help="only these rows of the table (all)")
    parser.add_argument(
        "--budget", nargs="+", default=["paper"], metavar="WORD", help=f"training of each row: {ALLOWED} (paper)"
    )
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="trainings of each row (%(default)s)")
    parser.add_argument("--dry_run", action="store_true", help="print what would be done, and write nothing")
    parser.add_argument("--jobs", type=Path, metavar="DIR", help="write a Slurm script for each run, and run nothing")
    parser.add_argument("--prefix", metavar="NAME", help="begins the names of all runs (TABLE_MODE)")
    parser.add_argument(
        "--checkpoints_dir", type=Path, default=Path("checkpoints"), metavar="DIR", help="(%(default)s)"
    )
    parser.add_argument("--results_dir", type=Path, default=Path("results"), metavar="DIR", help="(%(default)s)")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help=f"folder of {PAGE} and {MARKDOWN} (RESULTS_DIR/PREFIX)"
    )
    parser.add_argument(
        "--eval_flags",
        default="",
        metavar="TEXT",
        help="flags of test.py and evaluate.py, in quotes, such as --segmenter_weights FILE; with --dataset_mode "
        "custom also the folders to test with: --label_dir DIR --image_dir DIR",
    )
    parser.add_argument(
        "--segmenter_minutes",
        type=float,
        metavar="N",
        help="training of the segmenter, if --eval_flags names none (as python -m scripts.segmenter)",
    )
    return parser


class _TrainingFlags(CommandLine):
    """The flags of train.py, in the name of this program; hints know its own flags, too."""

    def __init__(self, own: argparse.ArgumentParser):
        super().__init__(TrainOptions, PRESETS, METHODS)
        self.prog = PROGRAM
        self._spellings += [spelling for action in own._actions for spelling in action.option_strings]
