"""Reading and checking the answer files that participants saved from the page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.study.key import Key, read_json
from scripts.study.order import order
from util.errors import InputError

KIND = "preference study answers"
FORMATS = (1, 2)
"""Of answer files: 1 has no "cannot tell"."""


@dataclass(frozen=True)
class Answer:
    """One answer; the images of a pair are numbered 0 and 1, as in the key; `chosen` is None for "cannot tell"."""

    pair: str
    left: int
    chosen: int | None
    seconds: float


@dataclass(frozen=True)
class Answers:
    """The answers of one participant, in the order of the questions."""

    path: Path
    study: str
    participant: str
    answers: tuple[Answer, ...]


def read_answers(path: Path) -> Answers:
    """Read a file of answers. Raises `InputError` if it is damaged or not one."""
    content = read_json(path, KIND, FORMATS)
    choices = (0, 1) if content["format"] == 1 else (0, 1, None)
    try:
        answers = tuple(Answer(str(a["pair"]), a["left"], a["chosen"], float(a["seconds"])) for a in content["answers"])
        read = Answers(path, content["study"], content["participant"], answers)
        whole = (
            isinstance(read.study, str)
            and isinstance(read.participant, str)
            and all(type(side) in (int, type(None)) for a in answers for side in (a.left, a.chosen))
            and all(a.left in (0, 1) and a.chosen in choices for a in answers)
            and all(math.isfinite(a.seconds) and a.seconds >= 0 for a in answers)
        )
    except (KeyError, TypeError, ValueError):
        whole = False
    if not whole or not read.participant.strip():
        raise InputError(f"{path}: is damaged: name or answers are missing or no answers of the page; save it again")
    return read


def read_all(paths: Sequence[Path]) -> list[Answers]:
    """Read several people's answers to one study. Raises `InputError` for different studies and repeated people."""
    files = [read_answers(path) for path in paths]
    seen: dict[str, Path] = {}
    for file in files:
        if file.study != files[0].study:
            raise InputError(
                f"{file.path} is of study {file.study} and {files[0].path} of study {files[0].study}; report them apart"
            )
        if file.participant in seen:
            raise InputError(f"{seen[file.participant]} and {file.path} are both of {file.participant!r}; give one")
        seen[file.participant] = file.path
    return files


def check_order(file: Answers, key: Key) -> None:
    """Raise `InputError` unless a file answers every question of the study, in this participant's order."""
    places, lefts = order(key.study, file.participant, len(key.ids))
    expected = [(key.ids[place], left) for place, left in zip(places, lefts)]
    if [(answer.pair, answer.left) for answer in file.answers] != expected:
        raise InputError(
            f"{file.path}: {len(file.answers)} answers are not the {len(expected)} that the page asked "
            f"{file.participant!r}; the file is damaged or was edited: get it again"
        )
