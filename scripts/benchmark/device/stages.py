"""The stages in order of importance, and how each is carried out in a process of its own that may crash or hang."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmark.device.records import COMPLETE, CUT, FAILED, RUNNING, Record, read_record

ROOT = Path(__file__).parents[3]
TESTS, GENERATOR, TRAINING, KERNELS, COMPILED = "tests", "generator", "training", "kernels", "compiled"
FRACTIONS = {TESTS: 0.2, GENERATOR: 0.28, TRAINING: 0.27, KERNELS: 0.09, COMPILED: 0.16}
"""Stage -> its part of the time; what one leaves over goes to those after it."""
STAGES = tuple(FRACTIONS)
MARGIN = 3.0
"""Seconds before its limit at which a stage begins no more rows."""
LEAST = 5.0
"""Seconds under which a stage is not begun again after a crash."""
DYING = 10.0
"""Seconds that a killed process may take; one that hangs in a driver is left behind."""
COLUMNS = "300"
"""Width of what the processes print: pytest cuts its reasons to it."""
LINES = 25
"""Last lines of a process that failed, which are kept."""


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit status, None if its time was over; and all that it printed."""

    status: int | None
    text: str

    @property
    def last_line(self) -> str:
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        return lines[-1] if lines else "it printed nothing"


def run_limited(words: list[str], seconds: float) -> Ended:
    """Run a Python program of the project for at most `seconds`, after which it and all that it started is ended."""
    with tempfile.TemporaryFile() as log, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        process = subprocess.Popen(
            [sys.executable, *words], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True, env=os.environ | {"PYTHONUNBUFFERED": "1", "TMPDIR": scratch, "COLUMNS": COLUMNS},
        )  # fmt: skip
        try:
            status = process.wait(max(seconds, 0.1))
        except subprocess.TimeoutExpired:
            status = None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # what it started, too
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(DYING)
        log.seek(0)
        return Ended(status, log.read().decode("utf-8", errors="replace"))


def carry_out(record: Record, folder: Path, limit: float, data: Path | None) -> Record:
    """Measure the rows of a stage that are missing within `limit` seconds; return what there is.

    A row during which the process crashes is a failed row, and the others go on in a new process.
    """
    begin = time.monotonic()
    before = record.seconds
    while True:
        record.outcome, record.reason = RUNNING, "the call was ended meanwhile"
        record.write(folder)
        left = limit - (time.monotonic() - begin)
        last_begin = time.monotonic() + left - MARGIN  # this clock is that of all processes
        words = ["-m", "scripts.benchmark.device.job", record.stage, str(folder.resolve()), str(last_begin)]
        ended = run_limited([*words, *([str(data.resolve())] if data else [])], left)
        record = read_record(folder, record.stage) or record
        record.seconds = before + time.monotonic() - begin
        if ended.status == 0 and record.outcome in (COMPLETE, CUT):
            record.last_lines = []
            break
        record.last_lines = ended.text.splitlines()[-LINES:]
        if ended.status is None:
            during = f" during {record.current}" if record.current else ""
            record.outcome, record.reason = CUT, f"its {limit:.0f} seconds were over{during}"
            break
        record.outcome, record.reason = FAILED, f"its process {end_in_words(ended)}"
        if record.current is None or record.current not in record.missing:
            break  # it has no row to blame
        record.rows.append({"key": record.current, "failure": record.reason})
        record.current = None
        if not record.missing or limit - (time.monotonic() - begin) < LEAST:
            break
    record.write(folder)
    return record


def end_in_words(ended: Ended) -> str:
    """How a process ended, for a sentence: "was ended by signal 9: ..."."""
    status = ended.status or 0
    end = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    return f"{end}: {ended.last_line}"
