"""Measure how fast parts of the project are on this machine, beside plain code for the same job.

    python -m scripts.benchmark data [--data DIR]
    python -m scripts.benchmark bank [--segments 100000]
    python -m scripts.benchmark generator [--dataroot DIR]
    python -m scripts.benchmark train [--only bf16 compile]
    python -m scripts.benchmark memory [--batch_size 1 4 16] [flags of train.py]
    python -m scripts.benchmark paint [--name RUN]
    python -m scripts.benchmark scaling [--gpus 8 64 1024] [--step_seconds 0.3] [--check] -- [flags of train.py]
    python -m scripts.benchmark device --output DIR [--minutes 8]
    python -m scripts.benchmark report DIR

Compare only figures of one run: compared jobs take turns, so that other load on the machine slows all of them alike.
"""

from __future__ import annotations

from util.console import exit_statuses

import argparse

import torch

from options.arguments import process_count
from scripts.benchmark import bank, data, generator, memory_table, paint, scaling, train
from scripts.benchmark.device import command as device
from scripts.benchmark.device import report

PROGRAM = "python -m scripts.benchmark"

# Command -> module with `HELP`, `add_arguments(parser)` and `run(args)`.
COMMANDS = {
    "data": data,
    "bank": bank,
    "generator": generator,
    "train": train,
    "memory": memory_table,
    "paint": paint,
    "scaling": scaling,
    "device": device,
    "report": report,
}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse and check the command line; a wrong one ends the program with status 2."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=(__doc__ or "").partition("\n")[0], allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, module in COMMANDS.items():
        command = commands.add_parser(name, help=module.HELP, description=module.HELP, allow_abbrev=False)
        module.add_arguments(command)
        if name in ("generator", "train"):
            command.add_argument("--threads", type=process_count(1), metavar="N", help="of the CPU (as many as cores)")
    args, others = parser.parse_known_args(argv)
    if others and args.command != "memory":
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    args.others = others
    return args


@exit_statuses(PROGRAM)
def main(argv: list[str] | None = None) -> None:
    """Do what the command line says. Bad input ends it with status 2 and one line."""
    args = parse_args(argv)
    if getattr(args, "threads", None):
        torch.set_num_threads(args.threads)
    COMMANDS[args.command].run(args)


if __name__ == "__main__":
    main()
