"""`scores.jsonl` of a run: a line of JSON for every time its images were scored, by train.py or evaluate.py."""

from __future__ import annotations

import contextlib
import datetime
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from util.files import replacing

IN_TRAINING = "train.py"
GENERATOR_NAMES = {"average": "average of the weights", "raw": "trained weights"}
"""The generators that a training saves, with their descriptions."""


@dataclass(frozen=True)
class ScoreRecord:
    """Scores of a generator during the training.

    Attributes:
        epoch, images_seen: when it was scored.
        generator: "average" for averaged weights, "raw" for the trained weights themselves.
        scores: by evaluate.py's names; fractions are 0 to 1.
        is_best: whether its selection score is the best so far, including other generators scored at the same time.
    """

    epoch: int
    images_seen: int
    generator: str
    scores: Mapping[str, float]
    is_best: bool


def generator_called(words: str | None) -> str | None:
    """The key of a description in `GENERATOR_NAMES`; None for others."""
    return next((generator for generator, known in GENERATOR_NAMES.items() if known == words), None)


def curves_of(phase: str) -> str:
    """The TensorBoard group for scores of a phase: "scores" for "test", and one for each other phase."""
    return "scores" if phase == "test" else f"scores_{phase}"


def append_scores(path: Path, program: str, **facts: Any) -> None:
    """Append a line with date, program name and `facts`, which must be finite JSON values."""
    line = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "program": program}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line | facts, allow_nan=False) + "\n")


class ScoreLog:
    """The scores of a training in `scores.jsonl`.

    A training resumed from a checkpoint repeats later epochs: their lines are removed at the start, so that no epoch
    has two. Lines of evaluate.py stay.

    Args:
        images_seen: where the training starts or resumes.
    """

    def __init__(self, path: Path, images_seen: int):
        self.path = Path(path)
        lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines() if self.path.exists() else []
        records = [_record(line) for line in lines]
        kept = [record is None or record.images_seen <= images_seen for record in records]
        if not all(kept):
            with replacing(self.path) as temporary:
                text = "".join(f"{line}\n" for line, stays in zip(lines, kept) if stays)
                temporary.write_text(text, encoding="utf-8")
        self.history = [record for record, stays in zip(records, kept) if record and stays]

    def append(self, records: Iterable[ScoreRecord], **facts: Any) -> None:
        """Append records, each with `facts`."""
        for record in records:
            self.history.append(record)
            append_scores(
                self.path,
                IN_TRAINING,
                epoch=str(record.epoch),
                images_seen=record.images_seen,
                generator=record.generator,
                scores=dict(record.scores),
                best_so_far=record.is_best,
                **facts,
            )


def _record(line: str) -> ScoreRecord | None:
    """Parse a line of train.py; None for lines of other programs and truncated lines."""
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        found = json.loads(line)
        if found["program"] == IN_TRAINING:
            scores = {str(name): float(value) for name, value in found["scores"].items()}
            place = int(found["epoch"]), int(found["images_seen"])
            return ScoreRecord(*place, str(found["generator"]), scores, bool(found["best_so_far"]))
    return None
