"""Skipping samples that cannot be read: --skip_bad_samples."""

from collections.abc import Iterable
from typing import Any

from torch.utils.data import default_collate

from data.sample import AnySamples, Sample, Samples
from data.workers import describe
from util.distributed import World
from util.errors import InputError
from util.warn import SAMPLE_SKIPPED, warn

NAMED = 3  # samples named in the message that ends a run


class SkippingSamples(Samples):
    """Samples in which one that cannot be read is replaced by the next readable one.

    The substitute has a further entry "skipped": a list of lines, each with a file and what is wrong with it.

    Args:
        limit: the number of bad samples in a row that is tolerated, 1 or more. Beyond it, the `InputError` of
            `check_skipped` is raised, instead of trying all the others.
    """

    def __init__(self, dataset: AnySamples, limit: int):
        self.dataset = dataset
        self.limit = limit

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        """Read sample `index`, or the first good one after it, cyclically."""
        skipped: dict[str, None] = {}  # an ordered set: two samples may have a file in common
        for step in range(len(self)):
            candidate = (index + step) % len(self)
            try:
                sample = self.dataset[candidate]
            except (InputError, OSError) as error:
                skipped[self._line(candidate, error)] = None
                check_skipped(skipped, len(skipped), self.limit)
            else:
                return {**sample, "skipped": list(skipped)} if skipped else sample
        raise InputError(f"--skip_bad_samples {self.limit}: none of {len(self)} samples can be read; {_some(skipped)}")

    def _line(self, index: int, error: InputError | OSError) -> str:
        if isinstance(error, InputError):
            return str(error)
        # The file in the system's error may be a library's; the user can fix the sample.
        reason = error if error.filename is None else f"{error.filename}: {error.strerror}"
        return str(InputError(f"{describe(self.dataset, index)}: {reason}"))


def collate(samples: list[Sample]) -> dict[str, Any]:
    """Collate a batch; if samples were skipped, add their lines from `SkippingSamples` as "skipped".

    Scenes, which differ in their number of segments, become a list "scenes".
    """
    skipped = [line for sample in samples for line in sample.pop("skipped", [])]
    scenes = [sample.pop("scene") for sample in samples if "scene" in sample]
    batch = default_collate(samples)
    if scenes:
        batch["scenes"] = scenes
    if skipped:
        batch["skipped"] = skipped
    return batch


class SkippedSamples:
    """The samples that a run has skipped so far, each once.

    Args:
        limit: how many may be skipped (--skip_bad_samples).
    """

    def __init__(self, limit: int):
        self.limit = limit
        self.messages: list[str] = []  # distinct, in order of arrival

    @property
    def count(self) -> int:
        """Samples skipped so far."""
        return len(self.messages)

    def note(self, batch: dict[str, Any], world: World | None = None) -> None:
        """Remove "skipped" from a batch, warn of each new sample, and check the limit.

        Args:
            world: processes whose samples count together; all of them must call this for every batch.

        Raises:
            InputError: more than `limit` samples have been skipped.
        """
        if not self.limit:
            return
        world = world or World()
        new = self.merge(batch.pop("skipped", ()))
        for message in new:
            warn(f"sample skipped: {message}", SAMPLE_SKIPPED)
        if world.all_reduce_max(len(new)):
            self.merge(message for messages in world.all_gather(self.messages) for message in messages)
            check_skipped(self.messages, self.count, self.limit)

    def merge(self, messages: Iterable[str]) -> list[str]:
        """Add messages, such as those of another process; return the new ones, and print nothing."""
        new = [message for message in dict.fromkeys(messages) if message not in self.messages]
        self.messages += new
        return new

    def state_dict(self) -> list[str]:
        """Return the messages, so that a resumed run counts no sample twice."""
        return list(self.messages)

    def load_state_dict(self, state: list[str]) -> None:
        """Restore a `state_dict`."""
        self.messages = list(state)


def check_skipped(messages: Iterable[str], total: int, limit: int) -> None:
    """Raise an `InputError` that names a few samples and the fix if `total` exceeds `limit`."""
    if total > limit:
        raise InputError(f"--skip_bad_samples {limit}: {total} samples cannot be read; {_some(messages)}")


def _some(messages: Iterable[str]) -> str:
    messages = list(messages)
    shown = [*messages[:NAMED], "..."] if len(messages) > NAMED else messages
    return f"python -m scripts.prepare check names all, a higher --skip_bad_samples goes on: {'; '.join(shown)}"
