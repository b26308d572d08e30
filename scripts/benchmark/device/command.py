"""`python -m scripts.benchmark device --output DIR`: proves and measures a GPU machine in one call."""

from __future__ import annotations

import argparse
import shlex
import tempfile
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from scripts.benchmark.device import stages, tests
from scripts.benchmark.device.machine import describe
from scripts.benchmark.device.records import COMPLETE, LEFT_OUT, Record, read_record
from scripts.benchmark.device.report import render
from scripts.benchmark.device.stages import COMPILED, FRACTIONS, STAGES, TESTS
from util.errors import InputError
from util.files import replacing

HELP = "prove and measure a GPU machine in one call: tests, generator, training, kernels; writes a report"
REPORT = "report.md"
FOR_GPUS = {TESTS: "there is no GPU here", COMPILED: "there is no GPU here, and compiling for a CPU takes minutes"}
"""Stage -> why it is left out on a CPU."""
SAME = "device", "torch"
"""Facts of a machine that all figures of a folder have in common."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this command to its parser."""
    parser.add_argument(
        "--output", metavar="DIR", type=Path, required=True,
        help="folder for a JSON file of each stage and report.md; a second call goes on with what is missing there",
    )  # fmt: skip
    parser.add_argument(
        "--minutes", metavar="N", type=float, default=8.0, help="of all stages together, at most (%(default)s)"
    )
    parser.add_argument(
        "--only", metavar="STAGE", nargs="+", choices=STAGES, help=f"some of: {', '.join(STAGES)} (default: all)"
    )
    parser.add_argument(
        "--data", metavar="DIR", type=Path,
        help="folder with coco_stuff/ and cityscapes/ for real label maps (default: label maps are made up)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> None:
    """Measure stage by stage, write the report after each, and print it. Raises `InputError` for wrong arguments."""
    if not 0.2 <= args.minutes <= 24 * 60:
        raise InputError(f"--minutes {args.minutes:g}: must be from 0.2 to 1440")
    if args.data is not None and not args.data.is_dir():
        raise InputError(f"--data {args.data}: no such folder; name the one that holds coco_stuff or cityscapes")
    check_folder(args.output)
    machine, data = describe(), str(args.data.resolve()) if args.data else ""
    records = {name: begun(args.output, name, machine, data, command(args)) for name in args.only or STAGES}
    waiting = to_do(records)
    if machine["kind"] == "cpu":
        print("There is no GPU here: tiny networks on the CPU show that everything runs; their figures mean nothing.")
    end = time.monotonic() + 60 * args.minutes
    while waiting:
        name, left = waiting[0], end - time.monotonic()
        limit = left * FRACTIONS[name] / sum(FRACTIONS[other] for other in waiting)
        print(f"{name}: up to {limit:.0f} seconds", flush=True)
        if machine["kind"] == "cpu" and name in FOR_GPUS:
            record = left_out(records[name], args.output, FOR_GPUS[name])
        elif name == TESTS:
            record = tests.carry_out(records[name], args.output, limit)
        else:
            record = stages.carry_out(records[name], args.output, limit, args.data)
        print(f"{name}: {record.outcome}{f', {record.reason}' if record.reason else ''}", flush=True)
        waiting.pop(0)
        write_report(args.output)
    write_report(args.output)
    print(f"\n{(args.output / REPORT).read_text(encoding='utf-8')}")
    print(f"Report: {args.output / REPORT}; again from its files: python -m scripts.benchmark report {args.output}")


def to_do(records: Mapping[str, Record]) -> list[str]:
    """The stages that are not complete. What was left out is tried again, unless its machine can never carry it out."""
    return [
        name
        for name, record in records.items()
        if record.outcome != COMPLETE
        and not (record.outcome == LEFT_OUT and record.machine["kind"] == "cpu" and name in FOR_GPUS)
    ]


def check_folder(folder: Path) -> None:
    """Raise an `InputError` now, rather than after the first stage, if no results can be written to a folder."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--output {folder}: is a file; name a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"--output {folder}: cannot be written ({error.strerror}); name another folder") from None


def begun(folder: Path, name: str, machine: dict[str, Any], data: str, typed: str) -> Record:
    """The record of a stage to go on with, or a new one.

    Raises:
        InputError: another machine has begun it, or this one with other label maps.
    """
    date = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    record = read_record(folder, name)
    if record is None:
        return Record(name, machine, typed, date, data=data)
    for fact in SAME:
        if record.machine.get(fact) != machine[fact]:
            raise InputError(
                f"--output {folder}: {name}.json has figures of {record.machine.get(fact)}, and this is "
                f"{machine[fact]}; name another folder"
            )
    if record.data != data:
        found, here = (f"label maps of --data {of}" if of else "made-up label maps" for of in (record.data, data))
        raise InputError(
            f"--output {folder}: {name}.json has figures of {found}, and these are {here}; name another folder"
        )
    return record


def left_out(record: Record, folder: Path, reason: str) -> Record:
    """A stage that this machine cannot carry out."""
    record.outcome, record.reason = LEFT_OUT, reason
    record.write(folder)
    return record


def write_report(folder: Path) -> None:
    """Write report.md; a mistake in it must not cost the stages that follow, so it is only printed."""
    try:
        text = render(folder)
    except Exception as error:
        text = f"The report could not be written: {type(error).__name__}: {error}\n"
        print(text, end="", flush=True)
    with replacing(folder / REPORT) as path:
        path.write_text(text, encoding="utf-8")


def command(args: argparse.Namespace) -> str:
    """What was typed, without the folder."""
    words = ["--minutes", f"{args.minutes:g}"] + (["--only", *args.only] if args.only else [])
    words += ["--data", str(args.data)] if args.data else []
    return shlex.join(["python", "-m", "scripts.benchmark", "device", "--output", "DIR", *words])
