"""Reports the losses, images and scores of a training when they are due."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from models.fixed_inputs import FixedInput
from trainers.budget import Budget
from trainers.pix2pix_trainer import Pix2PixTrainer
from util.device import peak_memory_mib
from util.progress import Progress
from util.progress_bar import ProgressBar
from util.score_log import ScoreRecord
from util.visualizer import Visualizer

Batch = TypeVar("Batch")


class Reporter:
    """Sends losses and images to a progress bar and a `Visualizer`. Every process has a reporter; the main one shows.

    Args:
        visualizer: None in all processes but the main one.
        fixed: input from which sample images are generated whenever images are shown; None for none.
        print_freq, display_freq: how often losses are read and images shown, in images.
        budget: limits the time that is left, if given.
    """

    def __init__(
        self,
        trainer: Pix2PixTrainer,
        progress: Progress,
        visualizer: Visualizer | None,
        fixed: FixedInput | None,
        print_freq: int,
        display_freq: int,
        budget: Budget | None = None,
    ):
        self.trainer = trainer
        self.progress = progress
        self.visualizer = visualizer
        self.fixed = fixed
        self.print_freq = print_freq
        self.display_freq = display_freq
        self.budget = budget
        self.bar = ProgressBar(progress.epoch, progress, disable=True)  # replaced in each epoch
        self._waited, self._waited_since = 0.0, time.monotonic()  # seconds spent waiting for data since the last report

    def with_bar(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Yield the batches of an epoch beside a progress bar."""
        with ProgressBar(self.progress.epoch, self.progress, disable=not self.trainer.world.is_main) as self.bar:
            start = time.monotonic()
            for batch in batches:
                self._waited += time.monotonic() - start
                yield batch
                start = time.monotonic()

    def after_batch(self, images: int) -> None:
        """Report what is due after a batch of `images` over all processes; `progress` has already counted it.

        Raises:
            NonFiniteLossError: a loss or a gradient was not finite.
        """
        progress, trainer, bar = self.progress, self.trainer, self.bar
        bar.update(images)
        if progress.at_edge or progress.due(self.print_freq):
            losses, metrics = trainer.read_losses(), trainer.read_metrics()  # collective: in all processes
            bar.set_postfix(losses)
            if self.visualizer:
                metrics["speed/images_per_second"] = 1 / bar.seconds_per_image
                metrics["memory/peak_MiB"] = peak_memory_mib(trainer.model.device)
                self.visualizer.log(
                    progress.epoch,
                    progress.images_this_epoch,
                    progress.images_seen,
                    bar.seconds_per_image,
                    losses,
                    metrics,
                    self._seconds_left(),
                    players={loss: player.name for player in trainer.players for loss in player.losses},
                    waiting=self._fraction_waited(),
                )
        if progress.at_edge or progress.due(self.display_freq):
            trainer.finite.check()
            if self.visualizer and trainer.shown:
                samples = None if self.fixed is None else self._generate(self.fixed)
                self.visualizer.show(progress.epoch, progress.images_seen, *trainer.shown, samples=samples)

    def _fraction_waited(self) -> float:
        """Fraction of the time since the last report in which the training waited for data."""
        now = time.monotonic()
        fraction = self._waited / max(now - self._waited_since, 1e-9)
        self._waited, self._waited_since = 0.0, now
        return fraction

    def _seconds_left(self) -> float | None:
        """Time until the last epoch ends or the budget is used up; None before it can be told."""
        bar = self.bar
        limits = [bar.seconds_left]
        if self.budget:
            limits.append(self.budget.seconds_left(self.progress.images_seen, bar.seconds_per_image))
        return min((seconds for seconds in limits if seconds is not None), default=None)

    def report_scores(self, records: Sequence[ScoreRecord], facts: dict[str, Any]) -> None:
        """Print, log and show scores; `facts` go into scores.jsonl."""
        if self.visualizer:
            self.visualizer.log_scores(records, self.progress.images_per_epoch, facts)

    @torch.no_grad()
    def _generate(self, fixed: FixedInput) -> Tensor:
        """Images of the generator in evaluation mode; the state of the training does not change."""
        model = self.trainer.model
        model.netG.eval()
        try:
            return fixed.images(model, precision=self.trainer.precision)
        finally:
            model.netG.train()
