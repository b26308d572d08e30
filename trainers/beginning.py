"""How a training begins: anew, from given networks, or where a run of its name has stopped."""

from __future__ import annotations

from pathlib import Path

from trainers.checkpoint import LATEST, Checkpoints, set_aside
from util.distributed import World
from util.progress import Progress

LAUNCH = ".launch"
"""File in the run's folder that names the launch of processes which began the run, or went on with it."""


def begin(opt, world: World, checkpoints: Checkpoints, progress: Progress) -> None:
    """Go on with the run of this name, or begin it; then its folder holds the options of now.

    Processes that torchrun has restarted go on with what this very launch of them has saved, without being told to.
    """
    # Only the machine on which a process was lost counts that as a restart.
    restarted = world.largest(world.restarts) > 0 and world.share(_launch_of(opt.run_dir) == world.launch_name)
    going_on = opt.continue_train or opt.auto_resume or restarted
    if going_on and opt.which_epoch == LATEST and checkpoints.restore():
        resumed = True
    elif resumed := opt.continue_train:
        checkpoints.restore_networks(opt.which_epoch)
    elif opt.load_pretrained:
        checkpoints.load_pretrained(Path(opt.load_pretrained), opt.which_epoch)
    with world.failing_together():
        if world.is_main:
            _say_and_save(opt, progress, resumed)
            (opt.run_dir / LAUNCH).write_text(world.launch_name)


def _say_and_save(opt, progress: Progress, resumed: bool) -> None:
    options_file = opt.run_dir / "options.json"
    if not resumed:
        if aside := set_aside(opt.run_dir):
            print(f"{opt.run_dir} held an earlier run, now in {aside}; --continue_train would have gone on with it")
    elif progress.epoch > progress.num_epochs:
        print(f"{opt.run_dir}: all {progress.num_epochs} epochs are done; --niter adds more")
    else:
        print(f"{opt.run_dir}: going on in epoch {progress.epoch}, after {progress.images_this_epoch} images of it")
        for change in opt.changes_since(options_file):
            print(f"changed since: {change}")
    opt.save(options_file)


def _launch_of(run_dir: Path) -> str:
    path = run_dir / LAUNCH
    return path.read_text() if path.exists() else ""
