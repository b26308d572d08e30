"""The progress bar of an epoch."""

import time

from tqdm import tqdm

from util.progress import Progress


class ProgressBar(tqdm):
    """Bar of one epoch in images, with images per second; `set_postfix(losses)` shows the last losses.

    Call `update(images)` once per batch, after `progress.advance(images)`. A disabled bar shows nothing and measures
    nothing.
    """

    def __init__(self, epoch: int, progress: Progress, disable: bool = False):
        self._progress = progress
        self._start = time.time()
        self._warm: tuple[float, int] | None = None
        super().__init__(
            desc=f"epoch {epoch}/{progress.num_epochs}",
            total=progress.images_per_epoch,
            initial=progress.images_this_epoch,
            unit="img",
            dynamic_ncols=True,
            disable=disable,
        )

    def update(self, n: int = 1) -> bool | None:
        """Move on by `n` images."""
        displayed = super().update(n)
        if self._warm is None:
            self._warm = time.time(), self.n
        return displayed

    @property
    def seconds_per_image(self) -> float:
        """Mean over this epoch so far."""
        return (time.time() - self._start) / max(1, self.n - self.initial)

    @property
    def seconds_left(self) -> float | None:
        """Time until the end of the training at the speed of this epoch so far; None before the first batch.

        The first batch includes the start of data workers and the selection of kernels, so it counts only until the
        second one is done.
        """
        if self._warm is None:
            return None
        since, images = self._warm
        trained = self.n - images
        seconds_per_image = (time.time() - since) / trained if trained else self.seconds_per_image
        progress = self._progress
        this_epoch = max(0, progress.images_per_epoch - progress.images_this_epoch)
        return seconds_per_image * (this_epoch + (progress.num_epochs - progress.epoch) * progress.images_per_epoch)
