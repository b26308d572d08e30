"""Draw the losses of one or more runs into one picture: a panel for each loss, a colour for each run.

    python -m scripts.compare losses RUN [RUN ...] [--output losses.png] [--losses GAN VGG ...] [--smooth N]

RUN is a name below --checkpoints_dir, the folder of a run or a loss_log.txt; it is only read. Runs are laid over each
other by the images they have seen, so that epochs of different lengths and batches of different sizes compare. The
faint line is the log, the strong one its mean over N lines; lines that are not finite leave a gap.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator

from util.errors import InputError
from util.files import refuse_foreign, replacing
from util.loss_log import LossRecord, images_seen, read_history

LOG_NAME = "loss_log.txt"
FORMATS = (".png", ".pdf", ".svg")
MADE_BY = "scripts.compare losses"  # in the files, in every format
DOTS_PER_INCH = 150
SMOOTHED_OVER = 40
"""Without --smooth, a mean covers one 40th of the longest run, in images, so that all runs are equally calm."""
SHOWN_QUANTILES = (0.01, 0.99)
"""Of the log's values: a few that are far out may leave the panel, so that they do not flatten all others."""

# Okabe and Ito, Color Universal Design (2008), less the yellow that white paper swallows: told apart by all eyes.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
LINE_STYLES = ("-", "--", ":")  # the next ones when the colours are used up
TEXT, QUIET, LINE = "#1d1f1c", "#666a62", "#e3e4de"
STYLE = {
    "font.size": 9,
    "text.color": TEXT,
    "axes.labelcolor": QUIET,
    "axes.edgecolor": QUIET,
    "text.parse_math": False,  # a run's name may hold dollar signs
    "svg.fonttype": "none",
}


@dataclass(frozen=True)
class Run:
    """What the log of a run says: `losses[name]` (n) at `images` (n), NaN where a line lacks that loss."""

    name: str
    images: np.ndarray
    losses: dict[str, np.ndarray]


def parse_args(argv: Sequence[str]) -> argparse.Namespace:
    """What the command line says; wrong words end the program with status 2."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.compare losses",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="name, folder or loss_log.txt of a run")
    parser.add_argument("--output", type=Path, default="losses.png", metavar="FILE", help="(%(default)s)")
    parser.add_argument("--losses", nargs="+", metavar="LOSS", help="only these, in this order")
    parser.add_argument("--smooth", type=int, metavar="N", help="lines in a mean; 1: none (a 40th of the longest run)")
    parser.add_argument("--checkpoints_dir", type=Path, default="checkpoints", metavar="DIR", help="(%(default)s)")
    args = parser.parse_args(argv)
    if args.smooth is not None and args.smooth < 1:
        raise InputError(f"--smooth {args.smooth}: a mean needs 1 line or more")
    if args.output.suffix.lower() not in FORMATS:
        raise InputError(f"--output {args.output}: the name must end in {', '.join(FORMATS)}")
    if args.output.is_dir():
        raise InputError(f"--output {args.output}: is a folder; name a file")
    refuse_foreign("--output", args.output, f"picture of {MADE_BY}", MADE_BY.encode())
    return args


def find_log(run: str, checkpoints_dir: Path) -> Path:
    """Return the log that `run` means. Raises `InputError` with the runs that there are."""
    places = (checkpoints_dir / run / LOG_NAME, Path(run) / LOG_NAME, Path(run))
    for path in places:
        if path.is_file():
            return path
    known = sorted(path.parent.name for path in checkpoints_dir.glob(f"*/{LOG_NAME}"))
    raise InputError(
        f"{run}: neither {places[0]} nor {places[1]} exists; runs with a log in {checkpoints_dir}: "
        f"{', '.join(known) or 'none (--checkpoints_dir names another folder)'}"
    )


def read_run(run: str, checkpoints_dir: Path) -> Run:
    """Read the log of a run. Raises `InputError` if there is none or it holds no losses."""
    path = find_log(run, checkpoints_dir)
    history = [record for record in read_history(path) if record.losses]
    if not history:
        raise InputError(f"{path}: no losses in it yet; wait for the first line or leave this run out")
    name = path.resolve().parent.name if path.name == LOG_NAME else path.stem
    return Run(name, np.array(images_seen(history)), columns(history))


def columns(history: Sequence[LossRecord]) -> dict[str, np.ndarray]:
    """Return each loss over all records, in the order in which their names come up; NaN where it is not finite."""
    names = dict.fromkeys(name for record in history for name in record.losses)
    table = {name: np.array([record.losses.get(name, math.nan) for record in history]) for name in names}
    return {name: np.where(np.isfinite(values), values, math.nan) for name, values in table.items()}


def choose_losses(runs: Sequence[Run], wanted: Sequence[str] | None) -> list[str]:
    """Return the losses to draw. Raises `InputError` for one that no run has."""
    known = list(dict.fromkeys(name for run in runs for name in run.losses))
    unknown = [name for name in wanted or () if name not in known]
    if unknown:
        raise InputError(f"--losses {' '.join(unknown)}: in none of the logs; there are {', '.join(known)}")
    return list(dict.fromkeys(wanted or known))


def distinct_names(runs: Sequence[Run], given: Sequence[str]) -> list[str]:
    """Return what the legend calls the runs: their names, or as they were given where two have the same."""
    names = [run.name for run in runs]
    return [name if names.count(name) == 1 else text for name, text in zip(names, given)]


def smooth(values: np.ndarray, width: int) -> np.ndarray:
    """Return the mean of about `width` values around each, as many before as after it, so that nothing is delayed.

    Beyond the ends there is nothing to count. NaN stays NaN and does not count for its neighbours.
    """
    counts = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(counts, values, 0))])
    totals = np.concatenate([[0], np.cumsum(counts)])
    index = np.arange(len(values))
    first = np.maximum(0, index - width // 2)
    end = np.minimum(len(values), index + width // 2 + 1)
    means = (sums[end] - sums[first]) / np.maximum(1, totals[end] - totals[first])
    return np.where(counts, means, math.nan)


def mean_width(run: Run, longest: int) -> int:
    """Return how many lines of `run` a mean covers if nobody says it; `longest` is the images of the longest run."""
    lines = len(run.images)
    lines_per_image = (lines - 1) / max(1, run.images[-1] - run.images[0])
    # A run that has only begun keeps its shape.
    return max(1, min(round(longest / SMOOTHED_OVER * lines_per_image), lines // 10))


def draw(runs: Sequence[Run], names: Sequence[str], losses: Sequence[str], width: int | None) -> Figure:
    """Return the picture; `names` are those of the runs, `width` the log lines of a mean (None: `mean_width`)."""
    across = 2 if len(losses) == 4 else min(len(losses), 3)
    down = math.ceil(len(losses) / across)
    figure = Figure(figsize=(max(6, 4 * across), 2.7 * down + 0.7), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False, sharex=True).ravel()
    longest = max(run.images[-1] for run in runs)
    legend = {}
    for panel, loss in zip(axes, losses):
        for index, (run, name) in enumerate(zip(runs, names)):
            if loss in run.losses:
                line = draw_line(panel, run.images, run.losses[loss], index, width or mean_width(run, longest))
                legend.setdefault(index, (line, name))
        set_range(panel, loss, runs)
        decorate(panel, loss)
    for panel in axes[len(losses) :]:
        panel.remove()
    for panel in axes[max(0, len(losses) - across) : len(losses)]:  # the lowest of each column
        panel.set_xlabel("images seen")
        panel.tick_params(labelbottom=True)
    handles, labels = zip(*(legend[index] for index in sorted(legend)))
    columns_of_names = int(figure.get_figwidth() * 10 / (max(map(len, labels)) + 8))  # about 10 letters an inch
    figure.legend(handles, labels, loc="outside upper left", ncols=max(1, min(4, columns_of_names)), frameon=False)
    return figure


def draw_line(panel: Axes, images: np.ndarray, values: np.ndarray, index: int, width: int) -> Line2D:
    """Draw a loss of run number `index`, faintly as logged and strongly as a mean; return the strong line."""
    color = COLORS[index % len(COLORS)]
    style = LINE_STYLES[index // len(COLORS) % len(LINE_STYLES)]
    if width > 1:
        panel.plot(images, values, color=color, alpha=0.22, linewidth=0.8, zorder=2)
    if np.isfinite(values).sum() == 1:  # one point is no line
        style = "o"
    return panel.plot(images, smooth(values, width), style, color=color, linewidth=1.6, zorder=3)[0]


def set_range(panel: Axes, loss: str, runs: Sequence[Run]) -> None:
    """Leave a few values that are far out outside, such as those of the first lines of a training."""
    finite = [values[np.isfinite(values)] for run in runs if (values := run.losses.get(loss)) is not None]
    # Of each run by itself: a short one beside a long one is more than a few values.
    if ranges := [np.quantile(values, SHOWN_QUANTILES) for values in finite if len(values)]:
        low, high = np.min(ranges), np.max(ranges)
        margin = 0.08 * (high - low) or 0.05 * abs(high) or 1
        panel.set_ylim(low - margin, high + margin)


def decorate(panel: Axes, loss: str) -> None:
    """Name of the loss, light grid lines, no frame."""
    panel.set_title(loss, loc="left", fontweight="bold", fontsize=10)
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.grid(axis="y", color=LINE, linewidth=0.8)
    panel.set_axisbelow(True)
    panel.tick_params(colors=QUIET, length=0)
    panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    panel.xaxis.set_major_formatter(EngFormatter(sep=" "))
    panel.yaxis.set_major_locator(MaxNLocator(5))
    panel.margins(x=0.01)


def main(argv: Sequence[str]) -> None:
    """Do what the command line says. Raises `InputError` for bad input."""
    args = parse_args(argv)
    runs = [read_run(run, args.checkpoints_dir) for run in args.runs]
    losses = choose_losses(runs, args.losses)
    names = distinct_names(runs, args.runs)
    with matplotlib.rc_context(STYLE), replacing(args.output) as temporary:
        figure = draw(runs, names, losses, args.smooth)
        figure.savefig(
            temporary,
            format=args.output.suffix[1:].lower(),
            dpi=DOTS_PER_INCH,
            facecolor="white",
            metadata={"Creator": MADE_BY},
        )
    print(f"{args.output}: {', '.join(losses)} of {', '.join(names)}")
