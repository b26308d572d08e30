"""Reports on a training: which losses and images are read, shown and written, and when they are due."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from models.fixed_inputs import FixedInput
from trainers.pix2pix_trainer import Pix2PixTrainer
from util.device import peak_memory_mib
from util.progress import Progress
from util.progress_bar import ProgressBar
from util.score_log import ScoreRecord
from util.visualizer import Visualizer

Batch = TypeVar("Batch")


class Reporter:
    """Gives losses and images to a progress bar and a `Visualizer`. Every process has one; the main one shows them.

    Args:
        visualizer: None in all processes but the main one.
        fixed: label maps and latents from which images are generated whenever images are due; None for none.
        print_freq, display_freq: images after which losses are read, and images shown.
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
        self.bar = ProgressBar(progress.epoch, progress, disable=True)  # until there is an epoch

    def with_bar(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Yield the batches of an epoch beside a progress bar."""
        with ProgressBar(self.progress.epoch, self.progress, disable=not self.trainer.world.is_main) as self.bar:
            yield from batches

    def after_batch(self, images: int) -> None:
        """Do what is due after a batch of `images`, over all processes, which `progress` has counted.

        Raises:
            NonFiniteLossError: training has gone wrong.
        """
        progress, trainer, bar = self.progress, self.trainer, self.bar
        bar.update(images)
        if progress.at_edge or progress.due(self.print_freq):
            losses, metrics = trainer.read_losses(), trainer.read_metrics()  # all processes take part
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
                    bar.seconds_left,
                )
        if progress.at_edge or progress.due(self.display_freq):
            trainer.finite.check()
            if self.visualizer and trainer.shown:
                samples = None if self.fixed is None else self._generate(self.fixed)
                self.visualizer.show(progress.epoch, progress.images_seen, *trainer.shown, samples=samples)

    def report_scores(self, records: Sequence[ScoreRecord], facts: dict[str, Any]) -> None:
        """Print, log and show the scores of generators at this moment; `facts` go into scores.jsonl."""
        if self.visualizer:
            self.visualizer.log_scores(records, self.progress.images_per_epoch, facts)

    @torch.no_grad()
    def _generate(self, fixed: FixedInput) -> Tensor:
        """Images of the generator in evaluation mode; the training goes on as if there had been none."""
        model = self.trainer.model
        model.netG.eval()
        try:
            return fixed.images(model, precision=self.trainer.precision)
        finally:
            model.netG.train()
