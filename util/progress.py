"""Progress of a training, counted in images."""

from collections.abc import Iterator


class Progress:
    """Counts epochs and images; says what is due, and where to resume.

        for epoch in progress.epochs():
            for batch in batches_after(progress.batches_done(batch_size)):
                ...
                progress.advance(batch_size)
                if progress.due(print_freq):
                    ...

    Args:
        epochs: epochs of the whole training; they count from 1.
        images_per_epoch: images of all batches of an epoch (over all processes, dropped last batch not counted).
        epoch, images_this_epoch, images_seen: where to start.
    """

    def __init__(
        self, epochs: int, images_per_epoch: int, epoch: int = 1, images_this_epoch: int = 0, images_seen: int = 0
    ):
        assert images_per_epoch > 0, "an epoch without images would never end"
        self.num_epochs = epochs
        self.images_per_epoch = images_per_epoch
        self.load_state_dict({"epoch": epoch, "images_this_epoch": images_this_epoch, "images_seen": images_seen})

    def epochs(self) -> Iterator[int]:
        """Yield the numbers of the remaining epochs; the first one may be resumed in the middle."""
        while self.epoch <= self.num_epochs:
            yield self.epoch
            assert self.epoch_finished, f"epoch {self.epoch} ended after {self.images_this_epoch} images"
            self._begin_next_epoch()

    @property
    def epoch_finished(self) -> bool:
        """Whether this epoch has had all its images (more, if it was resumed with another batch size)."""
        return self.images_this_epoch >= self.images_per_epoch

    def batches_done(self, batch_size: int) -> int:
        """Return the number of batches of this epoch that are done, to be skipped when it is resumed.

        After a change of batch size, a partly done batch is repeated.
        """
        return self.images_this_epoch // batch_size

    def advance(self, images: int) -> None:
        """Count a batch of `images` (over all processes)."""
        self.images_this_epoch += images
        self.images_seen += images
        self._last_advance = images
        self._batches += 1

    @property
    def at_edge(self) -> bool:
        """Whether the last batch was the first one since the start (or a resume), or the last of the training.

        Losses and images are shown then, even if none are due.
        """
        return self._batches == 1 or (self.epoch == self.num_epochs and self.epoch_finished)

    def due(self, freq: int) -> bool:
        """Return whether the last batch reached or passed a multiple of `freq` in `images_seen`."""
        return self.images_seen // freq > (self.images_seen - self._last_advance) // freq

    def epoch_is_due(self, freq: int) -> bool:
        """Return whether the last batch ended an epoch that is a multiple of `freq` or the last one."""
        return self.epoch_finished and (self.epoch % freq == 0 or self.epoch == self.num_epochs)

    def state_dict(self) -> dict[str, int]:
        """Return what a resumed run needs; a finished epoch is stored as the start of the next one."""
        if self.epoch_finished:
            return {"epoch": self.epoch + 1, "images_this_epoch": 0, "images_seen": self.images_seen}
        return {
            "epoch": self.epoch,
            "images_this_epoch": self.images_this_epoch,
            "images_seen": self.images_seen,
        }

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Restore a state. Nothing is due before the next `advance`."""
        self.epoch = state["epoch"]
        self.images_this_epoch = state["images_this_epoch"]
        self.images_seen = state["images_seen"]
        self._last_advance = 0
        self._batches = 0
        if self.epoch_finished:  # only if epochs are shorter now, with fewer images or a larger batch
            self._begin_next_epoch()

    def _begin_next_epoch(self) -> None:
        self.epoch += 1
        self.images_this_epoch = 0
