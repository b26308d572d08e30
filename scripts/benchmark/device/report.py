"""`python -m scripts.benchmark report DIR`: the results of `device` as the tables of docs/performance.md. No torch."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from scripts.benchmark.device.defaults import defaults_lines
from scripts.benchmark.device.records import COMPLETE, FAILED, Record, read_record
from scripts.benchmark.device.stages import COMPILED, GENERATOR, KERNELS, STAGES, TESTS, TRAINING
from scripts.benchmark.device.tables import generator_lines, kernel_lines, training_lines
from util.errors import InputError

HELP = "the results of `device` in a folder as Markdown tables"
TINY = "**No GPU: tiny networks on a CPU, which show that everything runs. These figures mean nothing else.**"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command to its parser."""
    parser.add_argument("folder", metavar="DIR", type=Path, help="what was given to `device --output`")


def run(args: argparse.Namespace) -> None:
    """Print the report. Raises `InputError` for a folder without results."""
    print(render(args.folder), end="")


def render(folder: Path) -> str:
    """The whole report. Raises `InputError` for a folder without results."""
    if folder.is_file():
        raise InputError(f"{folder}: is a file; name a folder")
    records = {stage: record for stage in STAGES if (record := read_record(folder, stage))}
    if not records:
        raise InputError(f"{folder}: no results here; python -m scripts.benchmark device --output {folder} writes them")
    sections = [
        heading(records),
        ["## Stages", "", *stage_lines(records)],
        ["## Tests on the GPU", "", *test_lines(records.get(TESTS))],
        ["## The generator", "", *generator_lines(records.get(GENERATOR))],
        ["## A training step", "", *training_lines(records.get(TRAINING))],
        ["## With torch.compile", "", *generator_lines(records.get(COMPILED)), *training_lines(records.get(COMPILED))],
        ["## Where the time goes", "", *kernel_lines(records.get(KERNELS))],
        ["## Defaults that follow", "", *defaults_lines(records)],
        ["## Not measured", "", *missing_lines(records)],
    ]
    return "\n".join("\n".join(lines).rstrip() + "\n" for lines in sections)


def heading(records: dict[str, Record]) -> list[str]:
    """Device, versions, dates and commands."""
    first = next(iter(records.values()))
    lines = [f"# Measured on {first.machine.get('device', 'an unknown device')}", ""]
    lines += [TINY, ""] if first.machine.get("kind") == "cpu" else []
    lines += [f"- {', '.join(f'{name} {value}' for name, value in first.machine.items() if name != 'kind')}"]
    lines += dict.fromkeys(f"- `{record.command}`, {record.date}" for record in records.values())
    return lines


def stage_lines(records: dict[str, Record]) -> list[str]:
    """How each stage ended."""
    lines = ["| stage | outcome | rows | failed | missing | seconds |", "|---|---|---|---|---|---|"]
    for stage in STAGES:
        record = records.get(stage)
        if record is None:
            lines.append(f"| {stage} | not begun | | | | |")
            continue
        failed = sum("failure" in row or row.get("result") in ("FAILED", "ERROR") for row in record.rows)
        outcome = f"{record.outcome}: {in_cell(record.reason)}" if record.reason else record.outcome
        cells = (stage, outcome, len(record.rows), failed, len(record.missing), f"{record.seconds:.0f}")
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def test_lines(record: Record | None) -> Iterator[str]:
    """How many tests pass, and why the others do not."""
    if record is None or not record.rows:
        yield f"Not measured: {record.reason if record else 'the stage was not begun'}."
        return
    results = [row["result"] for row in record.rows]
    yield f"{', '.join(f'{results.count(result)} {result.lower()}' for result in dict.fromkeys(results))}."
    others = [row for row in record.rows if row["result"] not in ("PASSED", "XFAIL")]
    if others:
        yield from ("", "| test | result | reason |", "|---|---|---|")
    for row in others:
        yield f"| `{in_cell(row['key'])}` | {row['result'].lower()} | {in_cell(row.get('reason', ''))} |"


def missing_lines(records: dict[str, Record]) -> Iterator[str]:
    """What a report of everything would hold besides, and why it is not here."""
    lines = []
    for stage in STAGES:
        record = records.get(stage)
        if record is None:
            lines.append(f"- {stage}: not begun")
        elif record.outcome != COMPLETE:
            keys = f": {', '.join(record.missing)}" if record.missing else ""
            lines.append(f"- {stage}{keys} ({record.reason or record.outcome})")
        if record and record.outcome == FAILED and record.last_lines:
            lines += ["", "```", *record.last_lines, "```", ""]
        for row in record.rows if record else ():
            if "failure" in row:
                lines.append(f"- {stage}: {row['key']} failed: {row['failure']}")
            for way, found in row.get("ways", {}).items():
                if "failure" in found:
                    lines.append(f"- {stage}: {row['key']}, {way} failed: {found['failure']}")
    yield from lines or ["Everything was measured."]


def in_cell(text: str) -> str:
    """Text that may stand in a cell of a table."""
    return " ".join(text.replace("|", "/").split())
