"""Stage "tests": `pytest -m gpu`, what passes and what fails. Imports no torch."""

from __future__ import annotations

import importlib.util
import re
import time
from pathlib import Path

from scripts.benchmark.device.records import COMPLETE, CUT, FAILED, LEFT_OUT, Record, Row
from scripts.benchmark.device.stages import LINES, ROOT, Ended, end_in_words, run_limited

NEEDED = ("pytest", "hypothesis", "filelock")
"""Packages that the tests need and nothing else here does."""
RESULT = re.compile(r"^(tests/\S+\.py(?:::.+?)?) (PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)\b")
STARTED = re.compile(r"^(tests/\S+\.py::.+?) *$")
REASON = re.compile(r"^(?:FAILED|ERROR) (tests/\S+\.py(?:::.+?)?) - (.+)$")
NO_TESTS = 5
"""Exit status of pytest where no test was selected."""
SOME_FAILED = (0, 1)


def carry_out(record: Record, folder: Path, limit: float) -> Record:
    """Run the tests within `limit` seconds; return and write the record, with a row for each test."""
    start = time.monotonic()
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        record.outcome, record.reason = LEFT_OUT, f"pip install {' '.join(missing)}: the tests need them"
    else:
        files = [path for path in sorted((ROOT / "tests").rglob("test_*.py")) if is_for_gpus(path)]
        # Files that cannot be imported here, for want of a package, do not end the others.
        flags = "-m gpu -vv -rfE --tb=short -p no:cacheprovider --continue-on-collection-errors"
        words = ["-m", "pytest", *flags.split(), *(str(path.relative_to(ROOT)) for path in files)]
        judge(record, run_limited(words, limit), limit)
    record.seconds += time.monotonic() - start
    record.write(folder)
    return record


def is_for_gpus(path: Path) -> bool:
    """Whether a file of tests may hold some for GPUs: the others take long to import."""
    return re.search(r"\bgpu\b", path.read_text(encoding="utf-8"), re.IGNORECASE) is not None


def judge(record: Record, ended: Ended, limit: float) -> None:
    """Fill in the rows and the outcome."""
    record.rows, hanging = parse(ended.text)
    record.last_lines = []
    if ended.status is None:
        during = f" during {hanging}" if hanging else ""
        record.outcome, record.reason = CUT, f"its {limit:.0f} seconds were over{during}"
    elif ended.status in SOME_FAILED and record.rows:
        record.outcome, record.reason = COMPLETE, ""
    elif ended.status == NO_TESTS:
        record.outcome, record.reason = LEFT_OUT, "no test is marked gpu"
    else:
        record.outcome, record.reason = FAILED, f"pytest {end_in_words(ended)}"
    if record.outcome != COMPLETE or any(row["result"] in ("FAILED", "ERROR") for row in record.rows):
        record.last_lines = ended.text.splitlines()[-6 * LINES :]


def parse(text: str) -> tuple[list[Row], str | None]:
    """A row for each test of pytest's verbose output, with its result and why it failed; and the test that was cut."""
    rows: dict[str, Row] = {}
    hanging = None
    for line in text.splitlines():
        if found := RESULT.match(line):
            rows[found[1]] = {"key": found[1], "result": found[2]}
            hanging = None
        elif found := REASON.match(line):
            rows.setdefault(found[1], {"key": found[1], "result": line.split(" ", 1)[0]})["reason"] = found[2]
        elif found := STARTED.match(line):
            hanging = found[1]
    return list(rows.values()), hanging
