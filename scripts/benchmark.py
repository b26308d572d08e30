#!/usr/bin/env python3
"""Measure how fast parts of the project are on this machine, beside plain code for the same job.

    python scripts/benchmark.py data [--data DIR]
    python scripts/benchmark.py generator [--dataroot DIR]
    python scripts/benchmark.py train [--only bf16 compile]

The figures of one run belong together: what is compared takes turns, so that a busy machine slows all of it alike.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from util.console import exit_statuses

from scripts.benchmarks import generating, reading, training

# Command -> module with `HELP`, `add_arguments(parser)` and `run(args)`.
COMMANDS = {"data": reading, "generator": generating, "train": training}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """What the command line says; wrong words end the program with status 2."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, module in COMMANDS.items():
        module.add_arguments(commands.add_parser(name, help=module.HELP, description=module.HELP, allow_abbrev=False))
    return parser.parse_args(argv)


@exit_statuses("benchmark.py")
def main(argv: list[str] | None = None) -> None:
    """Do what the command line says. Bad input ends it with status 2 and one line."""
    args = parse_args(argv)
    COMMANDS[args.command].run(args)


if __name__ == "__main__":
    main()
