"""Starts a training from new or given networks, or resumes the run of its name."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from data import SampleDataset
from trainers.checkpoint import LATEST, Checkpoints, set_aside
from trainers.own_data import keep_data_file
from util.distributed import World
from util.progress import Progress
from util.results_folders import bring_run_back, results_of_run

LAUNCH = ".launch"
"""File in the run's folder with the name of the launch that started or resumed the run."""


def resume_or_load(opt, world: World, checkpoints: Checkpoints) -> bool:
    """Load the networks or the state that training starts from; return whether it resumes the run of this name.

    Processes that torchrun has restarted resume from what their own launch has saved, without a flag.
    """
    # The restart counter rises only on the machine that lost a process.
    was_restarted = world.all_reduce_max(world.restarts) > 0
    restarted = was_restarted and world.broadcast(_launch_of(opt.run_dir) == world.launch_name)
    resumes = opt.continue_train or opt.auto_resume or restarted
    if resumes and opt.which_epoch == LATEST and checkpoints.restore():
        return True
    if opt.continue_train:
        checkpoints.restore_networks(opt.which_epoch)
    elif opt.load_pretrained:
        checkpoints.load_pretrained(Path(opt.load_pretrained), opt.which_epoch, opt.load_what_fits)
    return opt.continue_train


@contextlib.contextmanager
def claimed_folder(opt, world: World, progress: Progress, resumed: bool, dataset: SampleDataset) -> Iterator[None]:
    """Move an earlier run of the name aside unless it is resumed; after the block, save options, data file and launch.

    Nothing else writes into the folder before the block. If the block fails, the earlier run is moved back.
    """
    existed = opt.run_dir.exists()
    aside = None if resumed else set_aside(opt.run_dir)
    try:
        _print_start(opt, progress, resumed, aside)
        yield
        keep_data_file(opt, dataset).save(opt.run_dir / "options.json")
        (opt.run_dir / LAUNCH).write_text(world.launch_name, encoding="utf-8")
    except BaseException:  # also Ctrl-C
        if aside or not existed:
            shutil.rmtree(opt.run_dir, ignore_errors=True)
        if aside:
            bring_run_back(aside, opt.run_dir)
        raise


def _print_start(opt, progress: Progress, resumed: bool, aside: Path | None) -> None:
    if aside:
        print(f"{opt.run_dir} held an earlier run, now in {aside}; --continue_train would have resumed it")
        for results in results_of_run(aside):
            print(f"its results are in {results}")
    if not resumed:
        return
    if progress.epoch > progress.num_epochs:
        print(f"{opt.run_dir}: all {progress.num_epochs} epochs are done; --niter adds more")
        return
    print(f"{opt.run_dir}: resuming in epoch {progress.epoch}, after {progress.images_this_epoch} images of it")
    for change in opt.changes_since(opt.run_dir / "options.json"):
        print(f"changed since: {change}")


def _launch_of(run_dir: Path) -> str:
    path = run_dir / LAUNCH
    return path.read_text(encoding="utf-8") if path.exists() else ""
