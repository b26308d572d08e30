"""Writing and reading `loss_log.txt`."""

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LINE = re.compile(r"\(epoch: (\d+), iters: (\d+), time: [^)]*\)(.*)")
LOSS = re.compile(r"(\S+): (\S+)")


@dataclass(frozen=True)
class LossRecord:
    """The losses by name after `images_this_epoch` images of `epoch`."""

    epoch: int
    images_this_epoch: int
    losses: dict[str, float]

    @property
    def position(self) -> tuple[int, int]:
        """Sort key along the training."""
        return self.epoch, self.images_this_epoch


class LossLog:
    """Appends to a `loss_log.txt`; `history` also holds what earlier starts of the same training wrote."""

    def __init__(self, path: Path):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._write(f"==== training started {datetime.datetime.now():%Y-%m-%d %H:%M:%S} ====")

    @property
    def history(self) -> list[LossRecord]:
        """The records, read from the file: of a long training too many to keep."""
        return read_history(self.path)

    def append(self, record: LossRecord, seconds_per_image: float) -> str:
        """Write `record` in the published format, `(epoch: e, iters: n, time: s) NAME: 0.000 ...`; return the line."""
        place = f"(epoch: {record.epoch}, iters: {record.images_this_epoch}, time: {seconds_per_image:.3f})"
        line = " ".join([place, *(f"{name}: {value:.3f}" for name, value in record.losses.items())])
        self._write(line)
        return line

    def append_scores(self, epoch: int, images_this_epoch: int, generator: str, scores: Mapping[str, float]) -> None:
        """Write a line `(epoch: e, iters: n, scores: average) fid: 61.2 ...`; it is not part of `history`."""
        named = " ".join(f"{name}: {value:.6g}" for name, value in scores.items())
        self._write(f"(epoch: {epoch}, iters: {images_this_epoch}, scores: {generator}) {named}")

    def _write(self, line: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def read_history(path: Path) -> list[LossRecord]:
    """Return the records of a `loss_log.txt` in the order of the training, one per position."""
    history: list[LossRecord] = []
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if record := parse_line(line):
                _remember(history, record)
    return history


def images_seen(history: Sequence[LossRecord]) -> list[int]:
    """Return the number of images seen since the start of the training, for each record.

    The log does not hold the length of an epoch, which is taken as the largest `images_this_epoch`. This is exact once
    the end of an epoch was logged (that of the last one always is); before, it is too small by less than one logging
    interval.
    """
    epoch_length = max((record.images_this_epoch for record in history), default=0)
    return [(record.epoch - 1) * epoch_length + record.images_this_epoch for record in history]


def _remember(history: list[LossRecord], record: LossRecord) -> None:
    # A training resumed from a checkpoint repeats what came after it; the newer records replace the older.
    while history and history[-1].position >= record.position:
        history.pop()
    history.append(record)


def parse_line(line: str) -> LossRecord | None:
    """Read one line of a `loss_log.txt`; None for a header or a truncated line."""
    if not (match := LINE.fullmatch(line.strip())):
        return None
    epoch, images_this_epoch, losses = match.groups()
    try:
        values = {name: float(value) for name, value in LOSS.findall(losses)}
    except ValueError:
        return None
    return LossRecord(int(epoch), int(images_this_epoch), values)
