"""What a stage has measured so far: one JSON file a stage, whole at every moment. Imports no torch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scripts.benchmark.device.shapes import misfit
from util.errors import InputError
from util.files import replacing

RUNNING, COMPLETE, CUT, FAILED, LEFT_OUT = "running", "complete", "cut", "failed", "left out"
Row = dict[str, Any]


@dataclass
class Record:
    """The results of one stage.

    Attributes:
        stage: its name.
        machine: facts of `machine.describe`, of the machine that measured.
        command: what was typed.
        date: of its start, UTC.
        outcome: `RUNNING`, also if the whole call was ended meanwhile; `COMPLETE`; `CUT` by its time limit; `FAILED`;
            or `LEFT_OUT`, for a reason.
        reason: one line, unless it is complete.
        seconds: that it took, over all calls.
        planned: keys of all rows, in their order.
        rows: results, each with its "key", and perhaps with a "failure" in place of figures.
        current: key of the row that is being measured.
        last_lines: of what the process printed, if it failed.
        data: folder of the real label maps; empty where they are made up.
    """

    stage: str
    machine: dict[str, Any] = field(default_factory=dict)
    command: str = ""
    date: str = ""
    outcome: str = RUNNING
    reason: str = ""
    seconds: float = 0
    planned: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    current: str | None = None
    last_lines: list[str] = field(default_factory=list)
    data: str = ""

    @property
    def missing(self) -> list[str]:
        """Keys of the planned rows that are not there."""
        found = {row["key"] for row in self.rows}
        return [key for key in self.planned if key not in found]

    def row(self, key: str) -> Row | None:
        """The row of a key, unless it is missing or has failed."""
        return next((row for row in self.rows if row["key"] == key and "failure" not in row), None)

    def write(self, folder: Path) -> None:
        """Write the file of the stage, at once or not at all."""
        with replacing(folder / f"{self.stage}.json") as path:
            path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def read_record(folder: Path, stage: str) -> Record | None:
    """The results of a stage; None if there are none. Raises `InputError` for a file that is no such record."""
    path = folder / f"{stage}.json"
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        wrong = misfit(content, stage)
    except ValueError:
        content, wrong = {}, "it is no JSON"
    except RecursionError:
        content, wrong = {}, "it is nested too deeply"
    if wrong:
        raise InputError(f"{path}: is no record of scripts.benchmark device ({wrong}); move it away")
    return Record(**content)
