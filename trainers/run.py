"""A run of train.py: its parts, built from the options, and what is done after each batch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from tqdm import tqdm

from data import SampleDataset, SampleLoader, SkippedSamples, create_dataset, create_loader, extended, fixed_batches
from evaluation.in_training import evaluation_options
from evaluation.scores import SCORES, score_text
from models import create_method, create_model
from models.fixed_inputs import fixed_inputs, forward_passes
from options import TrainOptions
from options.field import declared_options
from options.train import DECIDING_SCORES
from trainers import Pix2PixTrainer, create_trainer
from trainers.best import BEST, BestScore
from trainers.budget import Budget
from trainers.checkpoint import Checkpoints
from trainers.facts import run_facts
from trainers.out_of_memory import advising_on_memory
from trainers.reporter import Reporter
from trainers.resume import claimed_folder, resume_or_load
from trainers.saves import Saves
from trainers.scoring import Scoring, create_scores, scored_generators
from trainers.shown import shown_samples
from util.device import choose_device, place, prepare_torch
from util.distributed import World
from util.errors import InputError, Interrupted, StoppedError
from util.inputs import input_of
from util.interrupts import ENDING, Interrupts
from util.lock import RunLock
from util.optional import require
from util.progress import Progress
from util.training_page import RunFacts
from util.visualizer import Visualizer, check_tensorboard
from util.warn import warnings_given_to

SAVE_AFTER_SECONDS = 300
"""An epoch that ends when the last save is older than this is saved, so that small data sets lose little, too."""
CALIBRATION_IMAGES = 128
"""Number of label maps on which the averaged generator's batch-norm statistics are computed when it is saved."""


@dataclass(frozen=True)
class Run:
    """The parts of a training in this process."""

    opt: TrainOptions
    world: World
    loader: SampleLoader
    trainer: Pix2PixTrainer
    progress: Progress
    skipped: SkippedSamples
    checkpoints: Checkpoints
    reporter: Reporter
    interrupts: Interrupts
    scoring: Scoring | None
    budget: Budget

    @contextlib.contextmanager
    def started(self) -> Iterator[None]:
        """Context for the training: signals ask for a save, and an error names a data worker that has died.

        A score that an interrupted run still owes is measured first.

        Raises:
            Interrupted: a signal asks the training to end.
        """
        with self.loader.naming_dead_workers(), self.interrupts:
            if self.scoring and self.scoring.best.owed:
                best = self.scoring.score(self.scoring.best.owed)
                self._save_if_asked(True, [], best)
            self.budget.clock.start()
            self.budget.note(self.progress.images_seen)
            yield
            if self.budget.spent and self.world.is_main:
                print(self._budget_in_words())

    def after_batch(self, batch: dict[str, Any]) -> None:
        """Count a batch and do what is then due: report, show, score, save, end.

        Raises:
            Interrupted: a signal asks the training to end.
            NonFiniteLossError: a loss or a gradient was not finite.
            InputError: more samples than --skip_bad_samples cannot be read, or the run cannot be saved.
        """
        opt, progress = self.opt, self.progress
        self.skipped.note(batch, self.world)
        progress.advance(opt.batch_size)
        self.reporter.after_batch(opt.batch_size)
        best = None
        if self.scoring and opt.eval_freq and progress.epoch_is_due(opt.eval_freq):
            best = self.scoring.score(progress.epoch)
        labels = [str(progress.epoch)] if progress.epoch_is_due(opt.save_epoch_freq) else []
        is_over = self.budget.note(progress.images_seen)
        due = is_over or progress.due(opt.save_latest_freq) or (progress.epoch_finished and self._save_is_old())
        self._save_if_asked(due, labels, best)

    def _save_is_old(self) -> bool:
        """Whether the last save is long ago by the clock of the main process; all processes call it."""
        return self.world.broadcast(self.checkpoints.seconds_since_save > SAVE_AFTER_SECONDS)

    def _budget_in_words(self) -> str:
        names = [name for name in ("max_minutes", "max_images") if getattr(self.opt, name) is not None]
        limits = " ".join(declared_options(TrainOptions)[name].typed_as(getattr(self.opt, name)) for name in names)
        minutes = self.budget.clock.seconds / 60
        return (
            f"{limits}: used up, with {self.progress.images_seen:,} images in {minutes:.1f} minutes; --continue_train "
            f"with more goes on"
        )

    def _save_if_asked(self, due: bool, labels: list[str], best: str | None) -> None:
        """Save if it is `due`, if a signal asks for it, if there are `labels` to keep it under, or if it is the best.

        Args:
            best: the generator with the best score so far, "average" or "raw"; None if neither has it.
        """
        asked = self.interrupts.take(self.world)
        if asked or due or labels or best:
            without_average = [BEST] if best == "raw" else []
            self.checkpoints.save(*labels, *([BEST] if best else []), without_average=without_average)
        if asked in ENDING:
            raise Interrupted(asked, said_elsewhere=not self.world.is_main)


def create_run(opt: TrainOptions, world: World, stack: ExitStack, dataset: SampleDataset | None = None) -> Run:
    """Build all parts, and start or resume the run of this name. `stack` closes them.

    An earlier run of this name is not touched before all other parts have been built.

    Args:
        dataset: the training set; by default that of `opt.dataset_mode`.
    Raises:
        InputError: something that the options name cannot be used.
    """
    said: list[tuple[str, str]] = []
    until_shown = stack.enter_context(ExitStack())
    until_shown.enter_context(warnings_given_to(lambda kind, text: said.append((kind, text))))
    device = choose_device(opt.gpu_id_list, world)
    prepare_torch(opt.seed, opt.precision, opt.deterministic, opt.threads)
    stack.enter_context(world.joined(device))
    stack.enter_context(_naming_last_checkpoint(opt))
    stack.enter_context(advising_on_memory(opt, world, device))
    with world.failing_together():
        _check_batch_size(opt, world)
        if world.is_main:
            stack.enter_context(RunLock(opt.run_dir))
            if opt.wandb:
                require("wandb")  # fail before an earlier run is moved aside
            if opt.tensorboard:
                check_tensorboard(opt.run_dir)
        evaluation = evaluation_options(opt) if opt.eval_freq else None
        dataset = create_dataset(opt) if dataset is None else extended(dataset, opt)
        loader = create_loader(opt, dataset, world.rank, world.size, world.local_size)
        model = place(create_model(opt).train(), device, opt.channels_last, opt.modulation)
        method = create_method(opt, model)
    trainer = create_trainer(opt, method, world)
    progress = Progress(opt.niter + opt.niter_decay, images_per_epoch=len(loader) * opt.batch_size)
    skipped = SkippedSamples(opt.skip_bad_samples)

    @cache  # read at the first save and then kept: labels of 1 byte a pixel, instance ids of 4 more
    def calibration():
        batches = fixed_batches(opt, dataset, CALIBRATION_IMAGES, world.rank, world.size)
        return forward_passes(model, fixed_inputs(batches, model, opt.seed, world), opt.precision)

    deciding = [opt.best_score] if opt.best_score else DECIDING_SCORES
    best = BestScore({name: SCORES[name].better for name in deciding})
    states = {"progress": progress, "skipped": skipped, "best": best}  # saved beside those of the trainer
    checkpoints = Checkpoints(opt.run_dir, trainer, states, opt.keep_checkpoints, calibration)
    budget = Budget(checkpoints.clock, world, opt.max_minutes, opt.max_images)
    resumed = resume_or_load(opt, world, checkpoints)
    scores = create_scores(opt, evaluation, dataset, best, world, device) if evaluation else None
    visualizer = fixed = None
    with world.failing_together():
        if world.is_main:
            shown = shown_samples(opt, dataset, scores)
            fixed = next(fixed_inputs([shown.batch], model, opt.seed))
            facts = run_facts(opt, device, world, progress, shown.of_training)
            with claimed_folder(opt, world, progress, resumed, dataset):
                visualizer = stack.enter_context(_create_visualizer(opt, dataset, progress, facts))
                visualizer.show_fixed(input_of(shown.batch), shown.batch["image"])
                visualizer.note_warnings(said)
    until_shown.close()
    reporter = Reporter(trainer, progress, visualizer, fixed, opt.print_freq, opt.display_freq, budget)
    interrupts = Interrupts()
    scoring = scores and Scoring(scores, best, checkpoints, reporter, interrupts, scored_generators(opt))
    return Run(opt, world, loader, trainer, progress, skipped, checkpoints, reporter, interrupts, scoring, budget)


def _check_batch_size(opt: TrainOptions, world: World) -> None:
    if opt.batch_size % (world.size * opt.accumulate):
        raise InputError(
            f"--batch_size {opt.batch_size}: must be a multiple of {world.size * opt.accumulate}, for "
            f"{world.size} processes and --accumulate {opt.accumulate}"
        )


@contextlib.contextmanager
def _naming_last_checkpoint(opt: TrainOptions) -> Iterator[None]:
    """Add to an error that stops the training whether there is a checkpoint, and where."""
    try:
        yield
    except StoppedError as error:
        has_saved = bool(Saves(opt.run_dir).all())
        kept = f"the last good checkpoint is kept: {opt.run_dir}" if has_saved else "nothing was saved"
        error.args = (f"{error}; {kept}",)
        raise


def _create_visualizer(opt: TrainOptions, dataset: SampleDataset, progress: Progress, facts: RunFacts) -> Visualizer:
    """The visualizer of the run, with the class names and colors of the data set."""
    return Visualizer(
        opt.run_dir,
        title=f"Training of {opt.name}",
        class_names=dataset.class_names,
        class_colors=dataset.class_colors,
        html=opt.html,
        tensorboard=opt.tensorboard,
        display_winsize=opt.display_winsize,
        write=tqdm.write,
        wandb_config=asdict(opt) if opt.wandb else None,
        images_seen=progress.images_seen,
        score_text=score_text,
        facts=facts,
    )
