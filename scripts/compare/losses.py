"""Plot the losses of one or more runs into one image: a panel for each loss, a color for each run.

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
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator
from scipy.ndimage import uniform_filter1d

from util.errors import InputError
from util.files import refuse_foreign, replacing
from util.loss_log import images_seen, read_history

STYLE = Path(__file__).with_name("losses.mplstyle")
LOG_NAME = "loss_log.txt"
FORMATS = (".png", ".pdf", ".svg")
MADE_BY = "scripts.compare losses"  # in the files, in every format
SMOOTHED_OVER = 40
"""Without --smooth, a mean covers 1/40 of the images of the longest run, so that all curves are equally smooth."""
SHOWN_QUANTILES = (0.01, 0.99)
"""Quantiles of the values that a panel must show: a few outliers may leave it, so as not to flatten the rest."""

# Okabe and Ito, Color Universal Design (2008), without yellow, which is invisible on white; safe for color blindness.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
RUN_STYLES = cycler(linestyle=("-", "--", ":")) * cycler(color=COLORS)


@dataclass(frozen=True)
class Run:
    """The log of a run: `losses[name]` (n) at `images` (n), NaN where a line lacks that loss or it is not finite."""

    name: str
    images: np.ndarray
    losses: dict[str, np.ndarray]


def parse_args(argv: Sequence[str]) -> argparse.Namespace:
    """Parse and check the command line; a wrong one ends the program with status 2."""
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
    refuse_foreign("--output", args.output, f"image of {MADE_BY}", MADE_BY.encode())
    return args


def find_log(run: str, checkpoints_dir: Path) -> Path:
    """Return the log of `run`. Raises `InputError` that names the available runs."""
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
    losses = {}
    for loss in dict.fromkeys(name for record in history for name in record.losses):
        values = np.array([record.losses.get(loss, math.nan) for record in history])
        losses[loss] = np.where(np.isfinite(values), values, math.nan)
    name = path.resolve().parent.name if path.name == LOG_NAME else path.stem
    return Run(name, np.array(images_seen(history)), losses)


def choose_losses(runs: Sequence[Run], wanted: Sequence[str] | None) -> list[str]:
    """Return the losses to plot. Raises `InputError` for one that no run has."""
    known = list(dict.fromkeys(name for run in runs for name in run.losses))
    if unknown := [name for name in wanted or () if name not in known]:
        raise InputError(f"--losses {' '.join(unknown)}: in none of the logs; there are {', '.join(known)}")
    return list(dict.fromkeys(wanted or known))


def smooth(values: np.ndarray, width: int) -> np.ndarray:
    """Return the centered moving mean over about `width` values, which causes no delay.

    NaN stays NaN and is ignored in the means of its neighbors, as are positions beyond the ends.
    """
    finite = np.isfinite(values)
    size = 2 * (width // 2) + 1
    sums = uniform_filter1d(np.where(finite, values, 0), size, mode="constant")
    counts = uniform_filter1d(finite.astype(float), size, mode="constant")
    return np.divide(sums, counts, out=np.full(len(values), math.nan), where=finite)


def mean_width(run: Run, longest: int) -> int:
    """Return how many lines of `run` a mean covers without --smooth; `longest` is the images of the longest run."""
    lines = len(run.images)
    lines_per_image = (lines - 1) / max(1, run.images[-1] - run.images[0])
    # A run that has just started is hardly smoothed.
    return max(1, min(round(longest / SMOOTHED_OVER * lines_per_image), lines // 10))


def draw(runs: Sequence[Run], names: Sequence[str], losses: Sequence[str], width: int | None) -> Figure:
    """Return the figure; `names` are those of the runs, `width` the log lines of a mean (None: `mean_width`)."""
    across = 2 if len(losses) == 4 else min(len(losses), 3)
    down = math.ceil(len(losses) / across)
    figure = Figure(figsize=(max(6, 4 * across), 2.7 * down + 0.7), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False, sharex=True).ravel()
    longest = max(run.images[-1] for run in runs)
    legend = {}
    for panel, loss in zip(axes, losses):
        shown = [(name, run, style) for name, run, style in zip(names, runs, RUN_STYLES()) if loss in run.losses]
        for name, run, style in shown:
            values, lines = run.losses[loss], width or mean_width(run, longest)
            if lines > 1:
                panel.plot(run.images, values, color=style["color"], alpha=0.22, linewidth=0.8, zorder=2)
            if np.isfinite(values).sum() == 1:  # a single point would not be visible as a line
                style = style | {"linestyle": "none", "marker": "o"}
            (legend[name],) = panel.plot(run.images, smooth(values, lines), **style, linewidth=1.6, zorder=3)
        set_range(panel, [run.losses[loss] for _, run, _ in shown])
        panel.set_title(loss)
        panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        panel.xaxis.set_major_formatter(EngFormatter(sep=" "))
        panel.yaxis.set_major_locator(MaxNLocator(5))
    for panel in axes[len(losses) :]:
        panel.remove()
    for panel in axes[max(0, len(losses) - across) : len(losses)]:  # the lowest panel of each column
        panel.set_xlabel("images seen")
        panel.tick_params(labelbottom=True)
    shown_names = [name for name in names if name in legend]
    columns = int(figure.get_figwidth() * 10 / (max(map(len, shown_names)) + 8))  # about 10 characters per inch
    handles = [legend[name] for name in shown_names]
    figure.legend(handles, shown_names, loc="outside upper left", ncols=max(1, min(4, columns)), frameon=False)
    return figure


def set_range(panel: Axes, curves: Sequence[np.ndarray]) -> None:
    """Limit the panel to `SHOWN_QUANTILES`, which excludes outliers such as the first values of a training."""
    # Per run: otherwise all values of a short run could count as outliers beside a long one.
    finite = [values[np.isfinite(values)] for values in curves]
    if ranges := [np.quantile(values, SHOWN_QUANTILES) for values in finite if len(values)]:
        low, high = np.min(ranges), np.max(ranges)
        margin = 0.08 * (high - low) or 0.05 * abs(high) or 1
        panel.set_ylim(low - margin, high + margin)


def main(argv: Sequence[str]) -> None:
    """Do what the command line says. Raises `InputError` for bad input."""
    args = parse_args(argv)
    runs = [read_run(run, args.checkpoints_dir) for run in args.runs]
    losses = choose_losses(runs, args.losses)
    called = [run.name for run in runs]
    names = [name if called.count(name) == 1 else given for name, given in zip(called, args.runs)]
    with matplotlib.rc_context(fname=STYLE), replacing(args.output) as temporary:
        figure = draw(runs, names, losses, args.smooth)
        figure.savefig(temporary, format=args.output.suffix[1:].lower(), metadata={"Creator": MADE_BY})
    print(f"{args.output}: {', '.join(losses)} of {', '.join(names)}")
