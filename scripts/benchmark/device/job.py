"""The work of a stage in a process of its own: its rows, one by one, written as they come.

Started as `python -m scripts.benchmark.device.job STAGE DIR END [DATA]` by `stages`.
"""

from __future__ import annotations

from util.console import exit_statuses

import gc
import importlib
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from scripts.benchmark.device.records import COMPLETE, CUT, Record, Row, read_record
from scripts.benchmark.train import reason

LOST = "CUDA error", "device-side assert", "illegal memory access", "cudaErrorLaunchFailure"
"""Beginnings of errors after which nothing works in this process any more."""
NO_TIME = "its time was over before the rows that are missing"


@dataclass
class Job:
    """What a stage may look at.

    Attributes:
        folder: of the results.
        device: "cuda" or "cpu".
        data: folder with real data sets, or None.
    """

    folder: Path
    device: str
    data: Path | None = None

    @property
    def is_tiny(self) -> bool:
        return self.device == "cpu"

    def record(self, stage: str) -> Record:
        """The results of another stage, empty if there are none."""
        return read_record(self.folder, stage) or Record(stage)


Plan = Mapping[str, Callable[[], Row]]
"""Key of a row -> what measures it."""


def carry_out(plan: Plan, record: Record, folder: Path, end: float) -> None:
    """Measure the rows that are missing, until `end` on the monotonic clock; write the record after each.

    A row that fails is a row with the reason. No row is begun for which the time left is less than the longest took.
    """
    record.planned = list(plan)
    slowest, cut = 0.0, record.current
    for key in sorted(record.missing, key=lambda key: key == cut):  # last the one that used up an earlier call
        if time.monotonic() + slowest > end:
            record.outcome, record.reason, record.current = CUT, NO_TIME, None
            record.write(folder)
            return
        record.current = key
        record.write(folder)
        start = time.monotonic()
        try:
            row = plan[key]()
        except Exception as error:  # lack of memory, a compiler or a kernel, for example
            if any(words in str(error) for words in LOST):
                raise
            row = {"failure": reason(error)}
        slowest = max(slowest, time.monotonic() - start)
        record.rows.append({"key": key} | row)
        release()
    record.outcome, record.reason, record.current = COMPLETE, "", None
    record.write(folder)


def release() -> None:
    """Give back the memory of what is no longer used."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def peak_mib(call: Callable[[], object]) -> float | None:
    """Peak MiB of a call above the memory before on the GPU; None without one, after the call."""
    if not torch.cuda.is_available():
        call()
        return None
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


@exit_statuses("python -m scripts.benchmark device")
def main(argv: list[str]) -> None:
    """Carry out a stage: argv is its name, the folder of results, its end on the clock, and perhaps real data."""
    stage, folder, end, *data = argv
    record = read_record(Path(folder), stage)
    assert record is not None, "written by `stages`"
    job = Job(Path(folder), "cuda" if torch.cuda.is_available() else "cpu", Path(data[0]) if data else None)
    plan: Plan = importlib.import_module(f"scripts.benchmark.device.{stage}").plan(job)
    carry_out(plan, record, job.folder, float(end))


if __name__ == "__main__":
    main(sys.argv[1:])
