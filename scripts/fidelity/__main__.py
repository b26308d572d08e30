"""Compare all numbers in recordings of published implementations with those of this project.

    python -m scripts.fidelity NAME.json [MORE.json ...] [--modulation dense|table]

Prints one line per quantity with its largest deviation. Exit status 0: all within tolerance; 1: not; 2: bad input.
"""

from __future__ import annotations

from util.console import exit_statuses

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from options.arguments import process_count
from scripts.fidelity import crn, oasis, pix2pix, pix2pixhd, scores, segmenters, sims, training
from scripts.fidelity.comparison import Result, compare
from scripts.fidelity.recording import Recording
from util.errors import InputError

PROGRAM = "python -m scripts.fidelity"
KINDS = {
    "training": training,
    "pix2pixHD training": pix2pixhd,
    "pix2pix training": pix2pix,
    "CRN training": crn,
    "SIMS": sims,
    "OASIS training": oasis,
    "segmentation network": segmenters,
    "segmentation scores": scores,
}
"""Kind of recording -> module with `recognizes(scalars)`, `replay(recording, modulation)` and `TOLERANCES`."""


def check(path: Path, modulation: str | None = None) -> list[Result]:
    """Replay the recording at `path` (its JSON file), and compare. Raises `InputError` for other files."""
    recording = Recording.read(path)
    for kind in KINDS.values():
        if kind.recognizes(recording.scalars):
            measured, recorded = kind.replay(recording, modulation)
            return compare(measured, recorded, kind.TOLERANCES)
    raise InputError(f"{path}: not a recording of a kind that is known here: {', '.join(KINDS)}")


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status. Raises `InputError` for bad input."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("recordings", nargs="+", type=Path, metavar="NAME.json", help="with NAME.npz beside it")
    parser.add_argument("--modulation", choices=("dense", "table"), help="how SPADE computes gamma and beta")
    parser.add_argument("--threads", type=process_count(1), metavar="N", help="of the CPU (as many as cores)")
    args, failed = parser.parse_args(argv), 0
    if args.threads:
        torch.set_num_threads(args.threads)
    for path in args.recordings:
        print(path)
        for result in check(path, args.modulation):
            failed += not result.passed
            print(f"  {result}")
    print("all within tolerance" if not failed else f"{failed} quantities out of tolerance")
    return 1 if failed else 0


if __name__ == "__main__":
    with exit_statuses(PROGRAM):
        sys.exit(main())
