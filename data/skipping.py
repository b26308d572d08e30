"""Going on when samples cannot be read: --skip_bad_samples."""

from collections.abc import Iterable
from typing import Any

from torch.utils.data import default_collate

from data.sample import AnySamples, Sample, Samples
from data.workers import describe
from util.distributed import World
from util.errors import InputError
from util.warn import warn

NAMED = 3  # samples in the message that ends a run


class SkippingSamples(Samples):
    """Samples, where one that cannot be read is replaced by the next one that can.

    The substitute has a further entry "skipped": a list of lines, each of which says what is wrong and with which file.

    Args:
        limit: how many may be wrong in a row, 1 or more. If more are, the `InputError` of `check_skipped` is raised
            instead of trying all the others.
    """

    def __init__(self, dataset: AnySamples, limit: int):
        self.dataset = dataset
        self.limit = limit

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        """Read sample `index`, or the first good one after it; after the last sample comes the first."""
        skipped: dict[str, None] = {}  # a set in order: two samples may share a file
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
        # The file that the system names may be a library's; the sample is what can be mended.
        reason = error if error.filename is None else f"{error.filename}: {error.strerror}"
        return str(InputError(f"{describe(self.dataset, index)}: {reason}"))


def collate(samples: list[Sample]) -> dict[str, Any]:
    """Make a batch; it has an entry "skipped", the lines of `SkippingSamples`, only if something was skipped."""
    skipped = [line for sample in samples for line in sample.pop("skipped", [])]
    batch = default_collate(samples)
    if skipped:
        batch["skipped"] = skipped
    return batch


class SkippedSamples:
    """What one run has skipped so far, each sample once.

    Args:
        limit: how many may be skipped, --skip_bad_samples.
    """

    def __init__(self, limit: int):
        self.limit = limit
        self.messages: list[str] = []  # distinct, in the order in which they came

    @property
    def count(self) -> int:
        """Samples skipped so far."""
        return len(self.messages)

    def note(self, batch: dict[str, Any], world: World | None = None) -> None:
        """Take the entry "skipped" out of a batch, warn of each new sample, and check that they are not too many.

        Args:
            world: processes whose samples count together; all of them must call this for every batch.
        Raises:
            InputError: more than `limit` have been skipped.
        """
        if not self.limit:
            return
        world = world or World()
        new = self.merge(batch.pop("skipped", ()))
        for message in new:
            warn(f"sample skipped: {message}")
        if world.all_reduce_max(len(new)):
            self.merge(message for messages in world.all_gather(self.messages) for message in messages)
            check_skipped(self.messages, self.count, self.limit)

    def merge(self, messages: Iterable[str]) -> list[str]:
        """Add what was skipped elsewhere, as by another process; return what is new, and print nothing."""
        new = [message for message in dict.fromkeys(messages) if message not in self.messages]
        self.messages += new
        return new

    def state_dict(self) -> list[str]:
        """What a resumed run must know to count nothing twice."""
        return list(self.messages)

    def load_state_dict(self, state: list[str]) -> None:
        """Go on from a `state_dict`."""
        self.messages = list(state)


def check_skipped(messages: Iterable[str], total: int, limit: int) -> None:
    """Raise an `InputError` that names a few samples and the fix if `total` is more than `limit`."""
    if total > limit:
        raise InputError(f"--skip_bad_samples {limit}: {total} samples cannot be read; {_some(messages)}")


def _some(messages: Iterable[str]) -> str:
    messages = list(messages)
    shown = [*messages[:NAMED], "..."] if len(messages) > NAMED else messages
    return f"python -m scripts.prepare check names all, a higher --skip_bad_samples goes on: {'; '.join(shown)}"
