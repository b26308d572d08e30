"""Logging of a training: loss log, web page, TensorBoard, Weights & Biases."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from util.duration import in_words
from util.errors import InputError, Interrupted
from util.image import mosaic, to_uint8
from util.inputs import drawn, labels_of
from util.loss_log import LossLog, LossRecord
from util.optional import require
from util.score_log import GENERATOR_NAMES, ScoreLog, ScoreRecord, curves_of
from util.training_log import TrainingLog, loss_names
from util.training_page import RunFacts, Status, TrainingPage, as_numbers
from util.wandb_log import WandbLog
from util.warn import warnings_given_to

MAX_SAMPLES = 4
SECONDS_BETWEEN_PAGES = 10
"""The page is also written when losses are logged, but not more often than this."""


def check_tensorboard(run_dir: Path) -> None:
    """Raise an `InputError` if TensorBoard is missing, or cannot write into the folder of the experiment."""
    require("tensorboard")
    try:
        str(run_dir).encode()
    except UnicodeEncodeError:
        raise InputError(
            f"--name, --checkpoints_dir: {str(run_dir)!a} is no UTF-8, so TensorBoard cannot write there; choose "
            f"another name, or train with --no_tensorboard"
        ) from None


class Visualizer:
    """Writes `loss_log.txt` and, if enabled, `web/index.html` and TensorBoard events in `logs/`, below `run_dir`.

    Used in one process of a training only.

    Args:
        run_dir: the folder of the experiment.
        title: heading of the page.
        class_names, class_colors: name and color (n, 3) uint8 of every class id; none with conditioning images.
        html, tensorboard: whether to write these two.
        display_winsize: width of an image on the page in CSS pixels.
        write: prints a line; tqdm.write is compatible with a progress bar.
        wandb_config: the options of the run, to log to Weights & Biases as well; None disables it.
        images_seen: where the training starts or resumes; later scores of an earlier run are removed.
        score_text: formats scores, {name: value} -> {title: text}.
        facts: of the run, for the page.
    Raises:
        InputError: `wandb_config` is given, and Weights & Biases cannot be used.
    """

    def __init__(
        self,
        run_dir: Path,
        *,
        title: str,
        class_names: Iterable[str],
        class_colors: np.ndarray,
        html: bool,
        tensorboard: bool,
        display_winsize: int,
        write: Callable[[str], None] = print,
        wandb_config: Mapping[str, Any] | None = None,
        images_seen: int = 0,
        score_text: Callable[[Mapping[str, float]], Mapping[str, str]] = as_numbers,
        facts: RunFacts | None = None,
    ):
        self.write = write
        self.run_dir = Path(run_dir)
        self.wandb = WandbLog(self.run_dir, wandb_config) if wandb_config is not None else None
        self.class_colors = class_colors
        self.tensorboard = tensorboard
        self.loss_log = LossLog(self.run_dir / "loss_log.txt")
        self.score_log = ScoreLog(self.run_dir / "scores.jsonl", images_seen)
        self._writer = None
        self.page = None
        self._images_seen, self._status, self._page_saved = images_seen, Status(), 0.0
        self._listening = ExitStack()
        if html:
            web = self.run_dir / "web"
            self.training_log = TrainingLog(web / "history.jsonl", images_seen, self.loss_log.path)
            self.page = TrainingPage(
                web, title, class_names, class_colors, display_winsize, score_text, facts or RunFacts()
            )
            self._listening.enter_context(warnings_given_to(self._note_warning))
            self._save_page()

    def __enter__(self) -> Visualizer:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self.close(error)

    def log(
        self,
        epoch: int,
        images_this_epoch: int,
        images_seen: int,
        seconds_per_image: float,
        losses: Mapping[str, float],
        watched: Mapping[str, float] | None = None,
        seconds_left: float | None = None,
        *,
        players: Mapping[str, str] | None = None,
        waiting: float | None = None,
    ) -> None:
        """Print the losses, append them to the log, and give them to TensorBoard at step `images_seen`.

        Args:
            watched: more scalars by name (`lr/G`, `grad_norm/D`), for TensorBoard and Weights & Biases alone.
            seconds_left: until the whole training ends; printed, not logged.
            players: the player of each loss by the loss's name, for the page.
            waiting: fraction of the time in which the training waited for data, for the page.
        """
        record = LossRecord(epoch, images_this_epoch, dict(losses))
        line = self.loss_log.append(record, seconds_per_image)
        self.write(line if seconds_left is None else f"{line}  {in_words(seconds_left)} left")
        scalars = {**losses, **(watched or {})}
        if self.tensorboard:
            for name, value in scalars.items():
                self._tensorboard_writer(images_seen).add_scalar(name, value, images_seen)
        if self.wandb:
            self.wandb.log(images_seen, scalars)
        if self.page:
            curves = loss_names(losses, players or {}) | dict(watched or {})
            self.training_log.add(
                epoch, images_seen, curves | ({} if waiting is None else {"waiting/for data": waiting})
            )
            self._images_seen = images_seen
            self._status = Status(images_per_second=1 / seconds_per_image, seconds_left=seconds_left)
            if time.monotonic() - self._page_saved >= SECONDS_BETWEEN_PAGES:
                self._save_page()

    def log_scores(
        self, records: Sequence[ScoreRecord], images_this_epoch: int, facts: Mapping[str, Any] | None = None
    ) -> None:
        """Print scores, append them to both logs, show them on the page, and give them to TensorBoard and W&B.

        Args:
            records: one for each generator scored at this time. The tags of the first one are those of evaluate.py,
                `scores/NAME`; those of the trained weights beside their average are `scores_raw/NAME`.
            images_this_epoch: position in the epoch.
            facts: about the measurement, for scores.jsonl.
        """
        facts = facts or {}
        self.score_log.append(records, **facts)
        curves = curves_of(facts.get("phase", "test"))
        named: dict[str, float] = {}
        for record in records:
            listed = ", ".join(f"{name} {value:.4g}" for name, value in record.scores.items())
            of = GENERATOR_NAMES.get(record.generator, record.generator)
            self.write(f"epoch {record.epoch}: {listed} ({of}{', the best so far' if record.is_best else ''})")
            self.loss_log.append_scores(record.epoch, images_this_epoch, record.generator, record.scores)
            group = curves if record is records[0] else f"{curves}_{record.generator}"
            named |= {f"{group}/{name}": value for name, value in record.scores.items()}
        images_seen = records[0].images_seen
        if self.tensorboard:
            for name, value in named.items():
                self._tensorboard_writer(images_seen).add_scalar(name, value, images_seen)
        if self.wandb:
            self.wandb.log(images_seen, named)
        self._save_page()

    def show_fixed(self, inputs: Tensor, real: Tensor) -> None:
        """Show what the fixed samples are generated from, see `util.inputs`, and photos (M, 3, H, W) in [-1, 1]."""
        if self.page:
            self.page.add_fixed(list(drawn(inputs, self.class_colors)), list(to_uint8(real)), labels_of(inputs))

    def show(
        self, epoch: int, images_seen: int, inputs: Tensor, fake: Tensor, real: Tensor, samples: Tensor | None = None
    ) -> None:
        """Show the first samples of a batch side by side, at most four, and all `samples`.

        Args:
            inputs: class ids (N, H, W), or conditioning images (N, C, H, W).
            fake, real: images (N, 3, H, W) in [-1, 1].
            samples: images (M, 3, H, W) in [-1, 1] of label maps and styles that are the same at every look.
        """
        shown = inputs[:MAX_SAMPLES]
        images = {
            "input_label": mosaic(drawn(shown, self.class_colors)),
            "synthesized_image": mosaic(to_uint8(fake[:MAX_SAMPLES])),
            "real_image": mosaic(to_uint8(real[:MAX_SAMPLES])),
        }
        if samples is not None:
            images["fixed_sample"] = mosaic(to_uint8(samples))
        if self.page:
            self.page.add(epoch, images_seen, images, labels_of(shown))
            self._save_page()
        if self.tensorboard:
            for kind, image in images.items():
                self._tensorboard_writer(images_seen).add_image(kind, image, images_seen, dataformats="HWC")
        if self.wandb:
            self.wandb.show(images_seen, images)

    def close(self, error: BaseException | None = None) -> None:
        """Write the page a last time, without automatic reload, and close TensorBoard and Weights & Biases.

        Args:
            error: what has ended the training before its time, if anything has.
        """
        self._status = replace(self._status, state=_ending(error), training=False, error=str(error or ""))
        self._save_page()
        self._listening.close()
        if self._writer:
            self._writer.close()
            self._writer = None
        if self.wandb:
            self.wandb.close()

    def _save_page(self) -> None:
        if self.page:
            self.page.save(self.training_log, self._status, self.score_log.history)
            self._page_saved = time.monotonic()

    def _note_warning(self, kind: str, text: str) -> None:
        self.training_log.warn(self._images_seen, kind, text)

    def note_warnings(self, warnings: Iterable[tuple[str, str]]) -> None:
        """Show warnings, as (kind, text), that were said before this object was made."""
        for kind, text in warnings if self.page else ():
            self._note_warning(kind, text)

    def _tensorboard_writer(self, images_seen: int):
        """Return the writer, opened at its first step so that it purges steps which a resumed training repeats."""
        if self._writer is None:
            self._writer = require("tensorboard").SummaryWriter(self.run_dir / "logs", purge_step=images_seen)
        return self._writer


def _ending(error: BaseException | None) -> str:
    """How a training has ended, in words."""
    if error is None:
        return "ended"
    if isinstance(error, Interrupted | KeyboardInterrupt):
        return "interrupted"
    return f"stopped: {str(error) or type(error).__name__}"
