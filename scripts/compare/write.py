"""Reads the runs that a command line of scripts.compare names, writes their page, and prints their scores."""

import argparse
from collections.abc import Sequence

from evaluation.scores import SCORES, shown_scores
from scripts.compare.causes import causes_of
from scripts.compare.page import build_page, label_map_notes
from scripts.compare.runs import Run, all_samples, differing_samples, read_runs
from scripts.compare.tables import doubts, unchecked_scores
from util import html


def summary(runs: Sequence[Run]) -> str:
    """One line of scores for each scored run, in the order of the table."""
    width = max(len(run.name) for run in runs)
    lines = []
    for run, scores in ((run, run.scores) for run in runs if run.scores):
        shown = [(SCORES[name], scores.scores[name]) for name in shown_scores(scores.scores, scores.mean_iou)]
        words = [f"{score.label} {value:.4g}{' %' if score.is_fraction else ''}" for score, value in shown]
        lines.append(f"{run.name:<{width}}  {', '.join(words)}")
    return "\n".join(lines)


def write_page(args: argparse.Namespace) -> None:
    """Write the page that lays runs side by side, and print its scores."""
    html.refuse_other_page(args.output, "scripts.compare", formerly="compare_runs.py")
    runs = read_runs(args.runs, args.results_dir, args.checkpoints_dir, args.which)
    names = ", ".join(run.name for run in runs)
    doc = build_page(runs, args.title or f"Comparison of {names}", args.output, args.how_many)
    html.save(doc, args.output)
    unscored = [run.name for run in runs if run.scores is None]
    samples = all_samples(runs)
    common = len(set.intersection(*(run.samples for run in runs)))
    counted = "" if common == len(samples) else f", {common:,} of all {len(samples):,} in common"
    print(f"{args.output}: {names}; {len(samples[: args.how_many]):,} label maps{counted}")
    for note in label_map_notes(runs, samples, differing_samples(runs, samples[: args.how_many])):
        print(f"label maps differ: {note}")
    for cause in causes_of(runs):
        print(f"scores do not compare: {cause.sentence(runs)}")
    if scores := summary(runs):
        print(scores)
    if unscored:
        print(f"no scores.json: {', '.join(unscored)}")
    for note in (*unchecked_scores(runs), *doubts(runs)):
        print(note)
