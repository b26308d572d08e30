#!/usr/bin/env python3
"""Train SPADE: python train.py --name NAME [--dataset_mode coco --dataroot DIR] [...]; --help lists everything."""

from util.console import exit_statuses

import sys
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from functools import cache

import torch
from tqdm import tqdm

from data import PRESETS, DataWorkerError, SampleLoader, SkippedSamples, create_dataset, create_loader, fixed_batches
from evaluation.in_training import ScoresInTraining, about_the_flags, evaluation_options
from evaluation.scores import SCORES, score_text
from models import create_model, create_objective
from models.fixed_inputs import fixed_inputs, forwards
from options import EvaluateOptions, TrainOptions, parse_options
from options.scale import scale_note
from options.train import DECIDING_SCORES
from trainers import NonFiniteLossError, Pix2PixTrainer, create_trainer
from trainers.best import BEST, BestScore
from trainers.checkpoint import Checkpoints
from trainers.reporter import Reporter
from trainers.resume import resume_or_load, taking_folder
from trainers.saves import Saves
from util.device import choose_device, memory_format, prepare_torch
from util.distributed import World
from util.errors import InputError
from util.interrupts import ENDING, Interrupted, Interrupts
from util.launcher import launch, under_launcher, warn_of_tasks_apart
from util.lock import RunLock
from util.optional import require
from util.progress import Progress
from util.progress_bar import ProgressBar
from util.score_log import ScoreRecord
from util.visualizer import Visualizer, check_tensorboard

SHOWN_IMAGES = 4
"""Label maps that are painted at every look, always the same."""
CALIBRATION_IMAGES = 128
"""Label maps from which the averaged generator gets its batch-norm statistics whenever it is saved."""


@dataclass(frozen=True)
class Run:
    """All that takes part in a training."""

    loader: SampleLoader
    trainer: Pix2PixTrainer
    progress: Progress
    skipped: SkippedSamples
    checkpoints: Checkpoints
    reporter: Reporter
    best: BestScore
    scores: ScoresInTraining | None
    scored: tuple[str, ...]
    """Which generators are scored: "average", "raw" or both."""

    def score(self, epoch: int, interrupts: Interrupts) -> str | None:
        """Score the generators as they would be saved now, after `epoch`; return the one that is the best so far.

        If the training is asked to end, the scores are owed, and nothing is returned.

        Raises:
            NonFiniteLossError: training has gone wrong.
        """
        self.trainer.finite.check()
        try:
            scores = {generator: self._scores_of(generator, interrupts) for generator in self.scored}
        except InputError:
            if not self.trainer.world.all_reduce_max(interrupts.is_ending):
                raise
            self.best.owed = epoch
            return None
        self.best.owed = None
        beaten = [name for name in scores if self.best.beaten_by(scores[name], epoch=epoch, generator=name)]
        best = beaten[-1] if beaten else None
        seen = self.progress.images_seen
        records = [ScoreRecord(epoch, seen, name, values, name == best) for name, values in scores.items()]
        self.reporter.tell_scores(records, self.scores.facts)
        return best

    def _scores_of(self, generator: str, interrupts: Interrupts) -> dict[str, float]:
        def go_on() -> None:
            if interrupts.is_ending:
                raise InputError("scoring was interrupted")

        model = self.trainer.model
        netG = self.checkpoints.consistent_average() if generator == "average" else model.netG
        return self.scores.of(netG, model.netE, go_on)

    def save_if_asked(self, interrupts: Interrupts, due: bool, labels: list[str], best: str | None) -> None:
        """Save if it is `due`, by a signal, or for good: under `labels`, and as the best if the generator `best` is.

        Raises:
            Interrupted: a signal asks the training to end.
        """
        asked = interrupts.take(self.trainer.world)
        if asked or due or labels or best:
            without_average = [BEST] if best == "raw" else []
            self.checkpoints.save(*labels, *([BEST] if best else []), without_average=without_average)
        if asked in ENDING:
            raise Interrupted(asked)


def train(opt: TrainOptions, run: Run, world: World) -> None:
    """The whole training of one run, or what is left of it."""
    trainer, progress = run.trainer, run.progress
    with run.loader.naming_dead_workers(), Interrupts() as interrupts:
        if run.scores and run.best.owed:
            best = run.score(run.best.owed, interrupts)
            run.save_if_asked(interrupts, True, [], best)
        for epoch in progress.epochs():
            first_step = progress.batches_done(opt.batch_size)
            run.loader.sampler.set_epoch(epoch, first=first_step * opt.batch_size)
            trainer.set_learning_rate(epoch)
            with ProgressBar(epoch, progress, disable=not world.is_main) as bar:
                for step, batch in enumerate(run.loader, start=first_step):
                    run.skipped.note(batch, world)
                    if step % opt.D_steps_per_G == 0:
                        trainer.generator_step(batch)
                    trainer.discriminator_step(batch)
                    progress.advance(opt.batch_size)
                    bar.update(opt.batch_size)
                    run.reporter.after_batch(bar)
                    keep = [str(epoch)] if progress.epoch_is_due(opt.save_epoch_freq) else []
                    is_due = opt.eval_freq and progress.epoch_is_due(opt.eval_freq)
                    best = run.score(epoch, interrupts) if is_due else None
                    run.save_if_asked(interrupts, progress.due(opt.save_latest_freq), keep, best)


def prepare(opt: TrainOptions, world: World, stack: ExitStack) -> Run:
    """Make everything, and go on with the run of this name or begin it. `stack` closes what must be closed."""
    device = choose_device(opt.gpu_id_list, world)
    prepare_torch(opt.seed, opt.precision, opt.deterministic)
    stack.enter_context(world.joined(device))
    with world.failing_together():
        if opt.batch_size % (world.size * opt.accumulate):
            raise InputError(
                f"--batch_size {opt.batch_size}: must be a multiple of {world.size * opt.accumulate}, for "
                f"{world.size} processes and --accumulate {opt.accumulate}"
            )
        if world.is_main:
            stack.enter_context(RunLock(opt.run_dir))
            if opt.wandb:
                require("wandb")  # or fail before an earlier run is moved aside
            if opt.tensorboard:
                check_tensorboard(opt.run_dir)
        evaluation = evaluation_options(opt) if opt.eval_freq else None
        dataset = create_dataset(opt)
        loader = create_loader(opt, dataset, world.rank, world.size, world.local_size)
        model = create_model(opt).to(device, memory_format=memory_format(opt.channels_last, device, opt.modulation))
        objective = create_objective(opt, device)
    trainer = create_trainer(opt, model.train(), objective, world)
    progress = Progress(opt.niter + opt.niter_decay, images_per_epoch=len(loader) * opt.batch_size)
    skipped = SkippedSamples(opt.skip_bad_samples)

    @cache  # read when it is first wanted, then kept: a byte or five a pixel
    def calibration():
        batches = fixed_batches(opt, dataset, CALIBRATION_IMAGES, world.rank, world.size)
        return forwards(model, fixed_inputs(batches, model.z_dim, opt.seed, world), opt.precision)

    deciding = [opt.best_score] if opt.best_score else DECIDING_SCORES
    best = BestScore({name: SCORES[name].better for name in deciding})
    parts = {"progress": progress, "skipped": skipped, "best": best}
    checkpoints = Checkpoints(opt.run_dir, trainer, parts, opt.keep_checkpoints, calibration)
    resumed = resume_or_load(opt, world, checkpoints)
    scores = create_scores(opt, evaluation, dataset, world, device) if evaluation else None
    if scores and best.measured_by(scores.facts["protocol_hash"]) and world.is_main:
        print(
            "warning: --eval_flags, or the data, have changed the protocol of the scores: the best so far is forgotten",
            file=sys.stderr,
        )
    visualizer = fixed = None
    with world.failing_together():
        if world.is_main:
            shown = replace(opt, batch_size=min(SHOWN_IMAGES, len(dataset)))
            fixed = next(fixed_inputs(fixed_batches(shown, dataset, SHOWN_IMAGES), model.z_dim, opt.seed))
            with taking_folder(opt, world, progress, resumed):  # nothing of what was there has been touched before
                visualizer = stack.enter_context(closing(create_visualizer(opt, dataset, progress)))
    reporter = Reporter(trainer, progress, visualizer, fixed, opt.print_freq, opt.display_freq)
    scored = scored_generators(opt)
    return Run(loader, trainer, progress, skipped, checkpoints, reporter, best, scores, scored)


def scored_generators(opt: TrainOptions) -> tuple[str, ...]:
    """Which generators are scored, as --eval_generator says."""
    if opt.eval_generator == "both":
        return "average", "raw"
    return (opt.eval_generator or ("average" if opt.ema is not None else "raw"),)


def create_scores(
    opt: TrainOptions, evaluation: EvaluateOptions, dataset, world: World, device: torch.device
) -> ScoresInTraining:
    """What scores the generator while it is trained on a data set."""
    with about_the_flags(opt):
        scores = ScoresInTraining(evaluation, world, device)
    if opt.best_score and opt.best_score not in scores.names:
        raise InputError(
            f"--best_score {opt.best_score}: is not measured with --eval_flags {opt.eval_flags!r}; measured are "
            f"{', '.join(sorted(scores.names))}"
        )
    if world.is_main and (trained := scores.trained_on(opt, dataset)):
        print(
            f"warning: --eval_flags: {trained} of {len(scores.evaluation.truth)} label maps that are scored are also "
            f"trained on; such scores say little of new label maps",
            file=sys.stderr,
        )
    return scores


def create_visualizer(opt: TrainOptions, dataset, progress: Progress) -> Visualizer:
    """Log, page and events of the run, in the data set's class names and colours."""
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
    )


@exit_statuses("train.py")
def main(argv: list[str] | None = None) -> int:
    """Train as the command line says; return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    opt = parse_options(TrainOptions, argv, PRESETS)
    if not under_launcher() and len(opt.gpu_id_list or ()) > 1:
        return launch(len(opt.gpu_id_list), __file__, argv)
    world = World.from_environment()
    warn_of_tasks_apart()
    if world.is_main:
        print(opt.describe())
        if note := scale_note(opt, PRESETS[opt.dataset_mode]):
            print(f"train.py: warning: {note}", file=sys.stderr)
    try:
        with ExitStack() as stack:
            train(opt, prepare(opt, world, stack), world)
    except Interrupted as interrupted:
        if world.is_main:
            print(f"train.py: saved and ended by {interrupted}; --continue_train goes on", file=sys.stderr)
        return interrupted.exit_status
    except (NonFiniteLossError, DataWorkerError) as error:
        if world.is_main or isinstance(error, DataWorkerError):  # the other one is raised by all processes alike
            has_saved = bool(Saves(opt.run_dir).all())
            kept = f"the last good checkpoint is kept: {opt.run_dir}" if has_saved else "nothing was saved"
            print(f"train.py: stopped: {error}; {kept}", file=sys.stderr)
        return 1
    if world.is_main:
        page = f"; look at {opt.run_dir / 'web' / 'index.html'}" if opt.html else ""
        print(f"Networks are in {opt.run_dir}{page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
