"""What a person can watch while a training runs: loss log, web page and TensorBoard."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from util.colormap import colorize
from util.image import mosaic, to_uint8
from util.loss_log import LossLog, LossRecord
from util.training_page import TrainingPage

MAX_SAMPLES = 4


class Visualizer:
    """Writes `loss_log.txt`, and as asked for `web/index.html` and TensorBoard events in `logs/`, below `run_dir`.

    Args:
        run_dir: the folder of the experiment.
        title: heading of the page.
        class_names, class_colors: name and colour (n, 3) uint8 of every class id.
        html, tensorboard: whether to write these two.
        display_winsize: width of a picture on the page in CSS pixels.
        write: prints a line; tqdm.write goes together with a progress bar.
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
    ):
        self.write = write
        self.run_dir = Path(run_dir)
        self.class_colors = class_colors
        self.tensorboard = tensorboard
        self.loss_log = LossLog(self.run_dir / "loss_log.txt")
        self._writer = None
        self.page = None
        if html:
            self.page = TrainingPage(self.run_dir / "web", title, class_names, class_colors, display_winsize)
            self.page.save(self.loss_log.history, training=True)

    def log(
        self,
        epoch: int,
        images_this_epoch: int,
        images_seen: int,
        seconds_per_image: float,
        losses: Mapping[str, float],
    ) -> None:
        """Print the losses, append them to the log, and give them to TensorBoard at step `images_seen`."""
        record = LossRecord(epoch, images_this_epoch, dict(losses))
        self.write(self.loss_log.append(record, seconds_per_image))
        if self.tensorboard:
            for name, value in losses.items():
                self._tensorboard_writer(images_seen).add_scalar(name, value, images_seen)

    def show(self, epoch: int, images_seen: int, labels: Tensor, fake: Tensor, real: Tensor) -> None:
        """Show the first samples of a batch side by side, at most four.

        Args:
            labels: class ids (N, H, W).
            fake, real: images (N, 3, H, W) in [-1, 1].
        """
        shown_labels = labels[:MAX_SAMPLES].cpu().numpy()
        pictures = {
            "input_label": mosaic(colorize(shown_labels, self.class_colors)),
            "synthesized_image": mosaic(to_uint8(fake[:MAX_SAMPLES])),
            "real_image": mosaic(to_uint8(real[:MAX_SAMPLES])),
        }
        if self.page:
            self.page.add(epoch, images_seen, pictures, shown_labels)
            self.page.save(self.loss_log.history, training=True)
        if self.tensorboard:
            for kind, picture in pictures.items():
                self._tensorboard_writer(images_seen).add_image(kind, picture, images_seen, dataformats="HWC")

    def close(self) -> None:
        """Write the page a last time, now without reloading itself, and close the event file."""
        if self.page:
            self.page.save(self.loss_log.history, training=False)
        if self._writer:
            self._writer.close()
            self._writer = None

    def _tensorboard_writer(self, images_seen: int):
        """Return the writer; opened at the first step, so that it takes the place of steps that are being repeated."""
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter  # slow to import, and not everybody wants it

            self._writer = SummaryWriter(self.run_dir / "logs", purge_step=images_seen)
        return self._writer
