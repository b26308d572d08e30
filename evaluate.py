#!/usr/bin/env python3
"""Score generated images: python evaluate.py --name NAME, or --fake DIR --real DIR [...]; --help says more."""

from util.console import exit_statuses, slow_imports  # first: it answers Ctrl-C from the beginning

import shlex
import sys

from data import PRESETS
from options import EvaluateOptions, parse_options
from util.launcher import warn_of_tasks_apart


@exit_statuses("evaluate.py")
def main(argv: list[str] | None = None) -> int:
    """Evaluate as the command line says; return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    opt = parse_options(EvaluateOptions, argv, PRESETS)
    with slow_imports():  # only now, as PyTorch takes seconds: --help and wrong options are answered at once
        from evaluation.run import evaluate, publish
        from util.device import choose_device, prepare_torch
        from util.distributed import World
        from util.lack_of_memory import advising_smaller

    world = World.from_environment()
    warn_of_tasks_apart()
    prepare_torch(opt.seed, threads=opt.threads)
    device = choose_device(opt.gpu_id_list, world)
    with world.joined(device), advising_smaller("--batch_size", opt.batch_size):
        report, sources = evaluate(opt, world, device, shlex.join(["python", "evaluate.py", *argv]))
        if world.is_main:
            publish(opt, report, sources)
    return 0


if __name__ == "__main__":
    sys.exit(main())
