"""`history.jsonl` beside the page of a training: all numbers that the page draws, and the warnings of the run."""

from __future__ import annotations

import contextlib
import datetime
import json
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from util.curves import Curves
from util.files import replacing
from util.loss_log import images_seen, read_history

MAX_WARNINGS = 100


@dataclass(frozen=True)
class Warned:
    """A warning of the run.

    Attributes:
        images_seen: when it was said.
        date: local time, as text.
        kind: of `util.warn`.
    """

    images_seen: int
    date: str
    kind: str
    text: str


def loss_names(losses: Mapping[str, float], players: Mapping[str, str]) -> dict[str, float]:
    """Losses under the names of their curves, `loss_PLAYER/NAME`.

    Args:
        players: the player of a loss, by the name of the loss; without it, those that begin with D are D's.
    """
    return {f"loss_{players.get(name, 'D' if name.startswith('D') else 'G')}/{name}": losses[name] for name in losses}


class TrainingLog:
    """Numbers and warnings of a training, over all its starts.

    A training that is resumed repeats what came after its checkpoint: such lines are removed at the start. A run of an
    earlier version has no file, and its losses are taken from `loss_log.txt`.

    Args:
        images_seen: where the training starts or resumes.
        loss_log: the path of `loss_log.txt`.

    Attributes:
        curves: all numbers, by name.
        warnings: the newest ones, oldest first.
        counts: warnings by kind, with those that `warnings` no longer holds.
        epoch, images_seen: of the last numbers; 0 before.
    """

    def __init__(self, path: Path, images_seen: int, loss_log: Path):
        self.path = Path(path)
        self.curves = Curves()
        self.warnings: deque[Warned] = deque(maxlen=MAX_WARNINGS)
        self.counts: Counter[str] = Counter()
        self.epoch = self.images_seen = 0
        if self.path.exists():
            self._restore(images_seen)
        elif loss_log.exists():
            self._import(loss_log, images_seen)

    def add(self, epoch: int, images_seen: int, values: Mapping[str, float]) -> None:
        """Append numbers by the names of their curves."""
        shown = {name: value if abs(value) < float("inf") else str(value) for name, value in values.items()}
        line = {"epoch": epoch, "images_seen": images_seen, "values": shown}
        self._take(line)
        self._append(line)

    def warn(self, images_seen: int, kind: str, text: str) -> None:
        """Append a warning."""
        date = f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S}"
        line = {"warning": asdict(Warned(images_seen, date, kind, text))}
        self._take(line)
        self._append(line)

    def _append(self, line: Mapping[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, separators=(",", ":")) + "\n")

    def _take(self, line: Mapping[str, Any]) -> None:
        if "warning" in line:
            warned = Warned(**line["warning"])
            self.warnings.append(warned)
            self.counts[warned.kind] += 1
            return
        self.epoch, self.images_seen = line["epoch"], line["images_seen"]
        self.curves.add(self.images_seen, line["values"])

    def _restore(self, images_seen: int) -> None:
        """Read the lines up to `images_seen`; remove later and damaged ones from the file."""
        removed = 0
        for _, line in self._lines():
            if line and _position(line) <= images_seen:
                self._take(line)
            else:
                removed += 1
        if removed:
            with replacing(self.path) as temporary, temporary.open("w", encoding="utf-8") as file:
                file.writelines(text for text, line in self._lines() if line and _position(line) <= images_seen)

    def _lines(self) -> Iterator[tuple[str, dict[str, Any] | None]]:
        """Every line with its content; None for a damaged one, such as the last of a killed process."""
        with self.path.open(encoding="utf-8", errors="replace") as file:
            for text in file:
                line = None
                if text.endswith("}\n"):
                    with contextlib.suppress(ValueError):
                        line = json.loads(text)
                yield text, line

    def _import(self, loss_log: Path, until: int) -> None:
        history = read_history(loss_log)
        for record, seen in zip(history, images_seen(history)):
            if seen <= until:
                self.add(record.epoch, seen, loss_names(record.losses, {}))


def _position(line: Mapping[str, Any]) -> int:
    """The number of images after which a line was written."""
    return line.get("warning", line)["images_seen"]
