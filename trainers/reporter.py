"""Telling how a training goes: what is read, shown and written, and when it is due."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from models.fixed_inputs import FixedInput
from trainers.pix2pix_trainer import Pix2PixTrainer
from util.device import peak_memory_mib
from util.progress import Progress
from util.progress_bar import ProgressBar
from util.score_log import ScoreRecord
from util.visualizer import Visualizer


class Reporter:
    """Gives losses and pictures to a `Visualizer`. Every process has one, and the main one shows what it hears.

    Args:
        visualizer: None in all processes but the main one.
        fixed: label maps and latents to paint at every look; None to do without.
        print_freq, display_freq: images after which losses are read, and pictures shown.
    """

    def __init__(
        self,
        trainer: Pix2PixTrainer,
        progress: Progress,
        visualizer: Visualizer | None,
        fixed: FixedInput | None,
        print_freq: int,
        display_freq: int,
    ):
        self.trainer = trainer
        self.progress = progress
        self.visualizer = visualizer
        self.fixed = fixed
        self.print_freq = print_freq
        self.display_freq = display_freq

    def after_batch(self, bar: ProgressBar) -> None:
        """Do what is due after a batch.

        Raises:
            NonFiniteLossError: training has gone wrong.
        """
        progress, trainer = self.progress, self.trainer
        if progress.at_edge or progress.due(self.print_freq):
            losses, watched = trainer.read_losses(), trainer.read_watched()  # all processes take part
            bar.set_postfix(losses)
            if self.visualizer:
                watched["speed/images_per_second"] = 1 / bar.seconds_per_image
                watched["memory/peak_MiB"] = peak_memory_mib(trainer.model.device)
                self.visualizer.log(
                    progress.epoch,
                    progress.images_this_epoch,
                    progress.images_seen,
                    bar.seconds_per_image,
                    losses,
                    watched,
                    bar.seconds_left,
                )
        if progress.at_edge or progress.due(self.display_freq):
            trainer.finite.check()
            if self.visualizer and trainer.pictures:
                self.visualizer.show(progress.epoch, progress.images_seen, *trainer.pictures, samples=self._paint())

    def tell_scores(self, records: Sequence[ScoreRecord], facts: dict[str, Any]) -> None:
        """Print, log and show what generators have scored at this moment; `facts` go into scores.jsonl."""
        if self.visualizer:
            self.visualizer.log_scores(records, self.progress.images_per_epoch, facts)

    def _paint(self) -> Tensor | None:
        if self.fixed is None:
            return None
        model, precision = self.trainer.model, self.trainer.precision
        return self.trainer.in_evaluation(model.netG, lambda: self.fixed.images(model, precision=precision))
