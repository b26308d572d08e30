"""The bar on the terminal while an epoch is trained."""

import time

from tqdm import tqdm

from util.progress import Progress


class ProgressBar(tqdm):
    """Bar of one epoch in images, with images per second; `set_postfix(losses)` adds the last losses."""

    def __init__(self, epoch: int, progress: Progress):
        super().__init__(
            desc=f"epoch {epoch}/{progress.num_epochs}",
            total=progress.images_per_epoch,
            initial=progress.images_this_epoch,
            unit="img",
            dynamic_ncols=True,
        )

    @property
    def seconds_per_image(self) -> float:
        """Mean over this epoch so far."""
        return (time.time() - self.start_t) / max(1, self.n - self.initial)
