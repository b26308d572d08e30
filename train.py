#!/usr/bin/env python3
"""Train SPADE: python train.py --name NAME [--dataset_mode coco --dataroot DIR] [...]; --help says more."""

from __future__ import annotations

from util.console import exit_statuses, slow_imports  # first: it answers Ctrl-C from the beginning

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from data import PRESETS
from models import METHODS
from options import TrainOptions, parse_options
from options.scale import scale_note
from options.sources import usual_values
from util.launcher import launch, under_launcher, warn_of_tasks_apart

if TYPE_CHECKING:
    from trainers.run import Run


def train(opt: TrainOptions, run: Run) -> None:
    """Train from the first batch, or from the one at which the run is resumed, to the last."""
    trainer, progress, loader = run.trainer, run.progress, run.loader
    with run.started():
        for epoch in progress.epochs():
            first = progress.batches_done(opt.batch_size)  # more than 0 if the run is resumed within an epoch
            loader.sampler.set_epoch(epoch, first=first * opt.batch_size)
            trainer.set_learning_rate(epoch)
            for index, batch in enumerate(run.reporter.with_bar(loader), start=first):
                if run.budget.spent:
                    return
                trainer.step(batch, index)
                run.after_batch(batch)


@exit_statuses("train.py")
def main(argv: list[str] | None = None) -> int:
    """Train as the command line says; return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    opt = parse_options(TrainOptions, argv, PRESETS, METHODS)
    gpus = len(opt.gpu_id_list or ())
    if gpus > 1 and not under_launcher():
        return launch(gpus, __file__, argv)
    with slow_imports():  # only now, as PyTorch takes seconds: --help and wrong options are answered at once
        from trainers.facts import test_command
        from trainers.run import create_run
        from util.distributed import World

    world = World.from_environment()
    warn_of_tasks_apart()
    if world.is_main:
        print(opt.describe(usual_values(opt, PRESETS, METHODS)))
        if note := scale_note(opt, PRESETS[opt.dataset_mode]):
            print(f"train.py: warning: {note}", file=sys.stderr)
    page = opt.run_dir / "web" / "index.html"
    with ExitStack() as stack:
        run = create_run(opt, world, stack)
        if world.is_main and opt.html:
            print(f"Watch it at {page}")
        train(opt, run)
    if world.is_main:
        print(f"Networks are in {opt.run_dir}{f'; look at {page}' if opt.html else ''}")
        print(f"Next: {test_command(opt)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
