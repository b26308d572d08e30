"""Limits on a training besides its epochs: minutes in the training loop, and images."""

from __future__ import annotations

import time

from util.distributed import World


class TrainingClock:
    """Counts the seconds that a run has spent in the training loop, over all its starts.

    Wall-clock time is a fact about a save, kept in its manifest, and no part of the state of the training: two equal
    trainings end with equal states.

    Attributes:
        before: seconds of earlier starts, up to the save that the run resumes from.
    """

    def __init__(self) -> None:
        self.before = 0.0
        self._since: float | None = None

    def start(self) -> None:
        """Count from now on."""
        self._since = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds so far; building the parts of a run, before the loop, is not counted."""
        return self.before + (0.0 if self._since is None else time.monotonic() - self._since)


class Budget:
    """Says when a training has used up the minutes or the images that it may have, over all its starts.

    Args:
        clock: of the run.
        world: all its processes call `note` after the same batches.
        max_minutes, max_images: of `train.py`; None for no limit.

    Attributes:
        spent: whether a limit is reached; no further step is to be taken.
    """

    def __init__(
        self, clock: TrainingClock, world: World, max_minutes: float | None = None, max_images: int | None = None
    ):
        self.clock, self.world = clock, world
        self.max_seconds = None if max_minutes is None else 60 * max_minutes
        self.max_images = max_images
        self.spent = False

    def note(self, images_seen: int) -> bool:
        """Update and return `spent` after a step, or at the start; `images_seen` are those since the first start."""
        self.spent = self.max_images is not None and images_seen >= self.max_images
        if self.max_seconds is not None:
            # Clocks differ between processes: one that is late ends the training of all.
            late = int(self.clock.seconds >= self.max_seconds)
            self.spent |= bool(self.world.all_reduce_max(late))
        return self.spent

    def seconds_left(self, images_seen: int, seconds_per_image: float) -> float | None:
        """Time until the first limit is reached; None without limits."""
        left = []
        if self.max_seconds is not None:
            left.append(self.max_seconds - self.clock.seconds)
        if self.max_images is not None:
            left.append((self.max_images - images_seen) * seconds_per_image)
        return max(0.0, min(left)) if left else None
