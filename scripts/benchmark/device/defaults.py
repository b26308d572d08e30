"""Which defaults follow from the figures: what wins by more than the spread. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from scripts.benchmark.device.records import Record, Row
from scripts.benchmark.device.tables import best_dense, quartiles, times_of, training_ratio
from scripts.benchmark.timing import Times

NO_DIFFERENCE = "no difference beyond the spread"
NCHW, CHANNELS_LAST, TABLE = "dense", "dense, channels-last", "table"


@dataclass(frozen=True)
class Verdict:
    """A comparison of two values of an option.

    Attributes:
        option: of train.py and test.py.
        where: what was measured.
        value, other: of the option; `ratio` is how many times faster the first is: median, lower and upper quartile.
        default: today's on a GPU.
    """

    option: str
    where: str
    value: str
    other: str
    ratio: tuple[float, float, float]
    default: str

    @property
    def winner(self) -> str | None:
        """The faster value, if the ratio is on one side of 1 with both quartiles."""
        _, low, high = self.ratio
        return self.value if low > 1 else self.other if high < 1 else None


def defaults_lines(records: Mapping[str, Record]) -> Iterator[str]:
    """Markdown: each comparison with its winner, and whether the default of today is that."""
    if any(record.machine.get("kind") == "cpu" for record in records.values()):
        yield "Nothing follows from tiny networks on a CPU. On GPUs: not measured."
        return
    verdicts = [*generator_verdicts(records.get("generator")), *training_verdicts(records.get("training"))]
    if not verdicts:
        yield "Not measured."
        return
    yield "| option | where | faster | times the other (quartiles) | default on a GPU | agrees |"
    yield "|---|---|---|---|---|---|"
    for verdict in verdicts:
        winner = verdict.winner
        cells = [
            f"`{verdict.option}`",
            verdict.where,
            winner or NO_DIFFERENCE,
            f"{verdict.value} / {verdict.other}: {quartiles(verdict.ratio)}",
            verdict.default,
            "" if winner is None else "yes" if winner == verdict.default else "**no**",
        ]
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield (
        "A default should change where every row of an option says so. Precisions are compared across rows, not in "
        "turns; fp32 stays what published numbers were made with, and 16 bits change images."
    )


def generator_verdicts(record: Record | None) -> Iterator[Verdict]:
    """From the stage "generator": tables against the best dense way, memory formats, precisions."""
    rows = [row for row in record.rows if "ways" in row] if record else []
    for row in rows:
        times, where = times_of(row), f"generating, {row['key']}"
        best = best_dense(times)
        if best and TABLE in times.seconds:
            yield Verdict("--modulation", where, "table", "dense", times.ratio(TABLE, best), "dense")
        if NCHW in times.seconds and CHANNELS_LAST in times.seconds:
            yield Verdict("--channels_last", where, "on", "off", times.ratio(CHANNELS_LAST, NCHW), "on")
    by_key = {row["key"]: times_of(row) for row in rows}
    for row in rows:
        exact = by_key.get(f"{row['mode']} {row['batch']} fp32")
        if row["precision"] != "fp32" and exact and (ratio := across(times_of(row), exact)):
            yield Verdict("--precision", f"generating, {row['key']}", row["precision"], "fp32", ratio, "fp32")


def across(times: Times, other: Times) -> tuple[float, float, float] | None:
    """How many times faster the best dense way of one row is than that of another; quartiles as far apart as can be."""
    ours, theirs = best_dense(times), best_dense(other)
    if ours is None or theirs is None:
        return None
    return apart(times.rate(ours), other.rate(theirs))


def apart(a: tuple[float, float, float], b: tuple[float, float, float]) -> tuple[float, float, float]:
    """The ratio of two rates (median, lower, upper quartile) that were not measured in turns."""
    return a[0] / b[0], a[1] / b[2], a[2] / b[1]


def training_verdicts(record: Record | None) -> Iterator[Verdict]:
    """From the stage "training"."""
    rows: dict[tuple[str, str], Row] = (
        {(row["precision"], row["name"]): row for row in record.rows if "flags" in row} if record else {}
    )
    for precision in dict.fromkeys(precision for precision, _ in rows):
        where = f"training, {precision}"
        table, plain = rows.get((precision, "table")), rows.get((precision, "NCHW"))
        if table:
            ratio = training_ratio(table)
            if plain and training_ratio(plain)[0] > 1:  # NCHW is the best dense setting
                ratio = apart(ratio, training_ratio(plain))
            yield Verdict("--modulation", where, "table", "dense", ratio, "dense")
        if plain:
            middle, low, high = training_ratio(plain)
            yield Verdict("--channels_last", where, "on", "off", (1 / middle, 1 / high, 1 / low), "on")
        ours, exact = rows.get((precision, "dense")), rows.get(("fp32", "dense"))
        if precision != "fp32" and ours and exact:
            ratio = apart(*(Times({"own": row["seconds"]}).rate("own", row["batch"]) for row in (ours, exact)))
            yield Verdict("--precision", where, precision, "fp32", ratio, "fp32")
