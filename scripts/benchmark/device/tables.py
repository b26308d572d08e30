"""The tables of the report, from the rows of each stage. Imports no torch."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from scripts.benchmark.device.records import Record, Row
from scripts.benchmark.timing import Times

NOT_BEGUN = "Not measured: the stage was not begun."
DENSE_WAYS = ("dense", "dense, channels-last", "dense, compiled")
"""Ways of the generator among which the best one is what tables are compared with."""


def quartiles(figures: Sequence[float], form: str = "{:.2f}") -> str:
    """Median, lower and upper quartile: "1.32 (1.28..1.36)"."""
    return f"{form} ({form}..{form})".format(*figures)


def times_of(row: Row) -> Times:
    """Seconds of the rounds of all ways of a row of the generator that worked."""
    return Times({way: found["seconds"] for way, found in row["ways"].items() if found.get("seconds")})


def best_dense(times: Times) -> str | None:
    """The fastest dense way by its median; None if there is none."""
    ways = [way for way in DENSE_WAYS if way in times.seconds]
    return min(ways, key=lambda way: statistics.median(times.seconds[way]), default=None)


def generator_lines(record: Record | None) -> Iterator[str]:
    """A table for each data set and batch."""
    rows = [row for row in record.rows if "ways" in row] if record else []
    if not rows:
        yield f"The generator: {'not measured' if record else 'not measured, the stage was not begun'}."
        yield ""
        return
    for subject in dict.fromkeys((row["mode"], row["size"], row["batch"], row["ngf"], row["maps"]) for row in rows):
        mode, size, batch, ngf, maps = subject
        yield f"Generator for {mode}, {size} pixels, batch {batch}, ngf {ngf}; {maps} label maps."
        yield ""
        yield "| precision | way | images/s (quartiles) | times best dense (quartiles) | MiB | of it | difference |"
        yield "|---|---|---|---|---|---|---|"
        for row in rows:
            if (row["mode"], row["size"], row["batch"], row["ngf"], row["maps"]) == subject:
                yield from _way_lines(row)
        yield ""
    yield (
        "Ways take turns, so ratios are of neighboring calls. Peak memory: of one batch, above the loaded networks. "
        "Difference: the largest from dense images in full 32 bits, as a fraction of the largest value."
    )
    yield ""


def _way_lines(row: Row) -> Iterator[str]:
    times = times_of(row)
    best = best_dense(times)
    best_peak = row["ways"][best]["peak_mib"] if best else None
    for way, found in row["ways"].items():
        if way not in times.seconds:
            yield f"| {row['precision']} | {way} | failed: {found.get('failure', 'no rounds')} | | | | |"
            continue
        peak = found["peak_mib"]
        cells = [
            row["precision"],
            f"**{way}**" if way == best else way,
            quartiles(times.rate(way, row["batch"]), "{:.3g}"),
            quartiles(times.ratio(way, best)) if best else "",
            f"{peak:.0f}" if peak is not None else "",
            f"{peak / best_peak:.2f}" if peak is not None and best_peak else "",
            f"{found['difference']:.1e}",
        ]
        yield f"| {' | '.join(cells)} |"


def training_lines(record: Record | None) -> Iterator[str]:
    """A table of all trainings, and what the loader gives."""
    rows = [row for row in record.rows if "flags" in row] if record else []
    feeds = [row for row in record.rows if "samples_loader" in row] if record else []
    if not rows:
        yield f"Training: {'not measured' if record else 'not measured, the stage was not begun'}."
    else:
        first = rows[0]
        losses = "all losses, VGG-19 with random weights" if first["vgg"] else "without the perceptual loss"
        yield f"COCO, {first['size']} pixels, ngf and ndf {first['ngf']}; {losses}."
        yield ""
        yield "| flags of train.py | batch | images/s (quartiles) | times dense (quartiles) | peak MiB | of dense |"
        yield "|---|---|---|---|---|---|"
    peaks = {row["precision"]: row["peak_mib"] for row in rows if row["name"] == "dense"}
    for row in rows:
        times, peak, dense = Times({"own": row["seconds"]}), row["peak_mib"], peaks.get(row["precision"])
        cells = [
            f"`{row['flags']}`",
            str(row["batch"]),
            quartiles(times.rate("own", row["batch"]), "{:.3g}"),
            "1" if row["name"] == "dense" else quartiles(training_ratio(row)),
            f"{peak:.0f}" if peak is not None else "",
            f"{peak / dense:.2f}" if peak is not None and dense else "",
        ]
        yield f"| {' | '.join(cells)} |"
    for row in feeds:
        fed = row["images_loader"] / row["images_memory"]
        yield ""
        yield (
            f"The loader ({row['precision']}, batch {row['batch']}, made-up JPEG files like COCO's): "
            f"{row['samples_one_process']:.0f} samples/s in one process, {row['samples_loader']:.0f} with "
            f"{row['workers']} workers. Dense steps make {row['images_loader']:.1f} images/s with it, with a batch in "
            f"memory {row['images_memory']:.1f}: the device is {'fed' if fed > 0.95 else f'fed to {fed:.0%}'}."
        )
    yield ""


def training_ratio(row: Row) -> tuple[float, float, float]:
    """How many times faster than dense a training is: median, lower and upper quartile of pairs of steps."""
    return Times({"dense": row["dense_seconds"], "own": row["seconds"]}).ratio("own", "dense")


def kernel_lines(record: Record | None) -> Iterator[str]:
    """Measured speed of the device, and what the fastest rows reach of it."""
    speed = next((row for row in record.rows if "products" in row), None) if record else None
    if record is None or speed is None:
        yield NOT_BEGUN if record is None else "Not measured."
        return
    products = ", ".join(f"{name} {2 * rate / 1e12:.3g}" for name, rate in speed["products"].items())
    yield f"A large matrix product here: {products} TFLOP/s; a large copy: {speed['copy'] / 1e9:.4g} GB/s."
    yield ""
    yield "| row | ms | kernels run | of the product's rate | of the copy's bandwidth | largest kernels |"
    yield "|---|---|---|---|---|---|"
    for row in record.rows:
        if "kernels" not in row:
            continue
        rate = speed["products"].get(row["precision"])
        kernels = "; ".join(f"`{short(kernel['name'])}` {kernel['fraction']:.0%}" for kernel in row["kernels"])
        cells = [
            f"{row['key']}: {row['of']}",
            f"{1000 * row['seconds']:.3g}",
            f"{row['kernel_seconds'] / row['seconds']:.0%}",
            f"{row['multiply_adds'] / row['seconds'] / rate:.0%}" if rate else "",
            f"{row['bytes'] / row['seconds'] / speed['copy']:.0%}",
            kernels,
        ]
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield (
        "Kernels run: their time as a fraction of the whole; the device waits for the program otherwise. Rates are of "
        "counted multiply-adds, and of the bytes of all tensors that PyTorch's operators read and write."
    )


def short(name: str, length: int = 60) -> str:
    """The name of a kernel without what templates make of it."""
    name = name.removeprefix("void ").replace("|", "/").replace("`", "'")
    return name if len(name) <= length else f"{name[: length - 3]}..."
