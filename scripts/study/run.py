"""Makes a study, and counts its answers, as a command line of scripts.study says."""

import argparse
from pathlib import Path

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


def make_pairs(args: argparse.Namespace, most: int) -> list[Pair]:
    """Read the images of a study. Raises `InputError` where there are too few, or they do not suit.

    Args:
        most: pairs where --pairs does not say.
    """
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
    pairs = maker.make(args.pairs or most, args.checks)
    found = sum(not pair.is_check for pair in pairs)
    if not found:
        raise InputError(f"all images in {a} and {b} are the same; name two different systems")
    if args.pairs and found < args.pairs:
        raise InputError(f"--pairs {args.pairs}: {a}, {b} and {labels} have {found} pairs that differ; ask for fewer")
    if args.checks > len(pairs) - found:
        raise InputError(f"--checks {args.checks}: there are images for {len(pairs) - found}")
    return pairs


def make_study(args: argparse.Namespace, most: int) -> None:
    """Write page and key of a study, and say where; `most` pairs where --pairs does not say."""
    html.refuse_other_page(args.output, "scripts.study", formerly="preference_study.py")
    pairs = make_pairs(args, most)
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
