"""Scores the generators of a run while it trains, and keeps track of the best one."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from data import SampleDataset
from evaluation.in_training import ScoresInTraining, naming_eval_flags
from options import EvaluateInTrainingOptions, TrainOptions
from trainers.best import BestScore
from trainers.checkpoint import Checkpoints
from trainers.reporter import Reporter
from util.distributed import World
from util.errors import InputError
from util.interrupts import Interrupts
from util.score_log import ScoreRecord
from util.warn import warn


class Scoring:
    """Scores the generators of a run as they would be saved now.

    Args:
        generators: the generators to score: "average", "raw" or both.
    """

    def __init__(
        self,
        scores: ScoresInTraining,
        best: BestScore,
        checkpoints: Checkpoints,
        reporter: Reporter,
        interrupts: Interrupts,
        generators: Sequence[str],
    ):
        self.scores = scores
        self.best = best
        self.checkpoints = checkpoints
        self.reporter = reporter
        self.interrupts = interrupts
        self.generators = generators

    def score(self, epoch: int) -> str | None:
        """Score the generators after `epoch`; return the name of the one that is the best so far, or None.

        If a signal ends the training meanwhile, `best.owed` records that the scores are still to be computed.

        Raises:
            NonFiniteLossError: a loss or a gradient was not finite.
        """
        trainer = self.checkpoints.trainer
        trainer.finite.check()
        try:
            scores = {generator: self._scores_of(generator) for generator in self.generators}
        except InputError:
            if not trainer.world.all_reduce_max(self.interrupts.is_ending):
                raise
            self.best.owed = epoch
            return None
        self.best.owed = None
        better = [name for name in scores if self.best.update(scores[name], epoch=epoch, generator=name)]
        best = better[-1] if better else None
        seen = self.reporter.progress.images_seen
        records = [ScoreRecord(epoch, seen, name, values, name == best) for name, values in scores.items()]
        self.reporter.report_scores(records, self.scores.facts)
        return best

    def _scores_of(self, generator: str) -> dict[str, float]:
        def stop_if_ending() -> None:
            if self.interrupts.is_ending:
                raise InputError("scoring was interrupted")

        model = self.checkpoints.trainer.model
        netG = self.checkpoints.consistent_average() if generator == "average" else model.netG
        return self.scores.of({**model.networks, "G": netG}, stop_if_ending)


def create_scores(
    opt: TrainOptions,
    evaluation: EvaluateInTrainingOptions,
    dataset: SampleDataset,
    best: BestScore,
    world: World,
    device: torch.device,
) -> ScoresInTraining:
    """The object that computes the scores that --eval_flags asks for; sets the protocol of `best`.

    Raises:
        InputError: the flags, or their data, cannot be used, or do not measure --best_score.
    """
    with naming_eval_flags(opt):
        scores = ScoresInTraining(evaluation, world, device)
    if opt.best_score and opt.best_score not in scores.names:
        raise InputError(
            f"--best_score {opt.best_score}: is not measured with --eval_flags {opt.eval_flags!r}; measured are "
            f"{', '.join(sorted(scores.names))}"
        )
    if world.is_main and (trained := scores.trained_on(opt, dataset)):
        warn(
            f"--eval_flags: {trained} of {len(scores.evaluation.truth)} label maps that are scored are also trained "
            f"on; such scores say little about new label maps"
        )
    if best.use_protocol(scores.facts["protocol_hash"]) and world.is_main:
        warn("--eval_flags, or the data, have changed the protocol of the scores: the best so far is forgotten")
    return scores


def scored_generators(opt: TrainOptions) -> tuple[str, ...]:
    """The generators to score, as --eval_generator says."""
    if opt.eval_generator == "both":
        return "average", "raw"
    return (opt.eval_generator or ("average" if opt.ema is not None else "raw"),)
