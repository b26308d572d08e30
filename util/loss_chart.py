"""Small SVG charts of losses and scores, one for each."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from dominate import svg, tags

from util.loss_log import LossRecord, images_seen

MAX_POINTS = 240
WIDTH, HEIGHT = 240, 72


def loss_charts(history: Sequence[LossRecord]) -> tags.div:
    """Return one curve for each loss of the newest record, each on its own scale; `history` must not be empty."""
    return charts(images_seen(history), [record.losses for record in history])


def charts(positions: Sequence[int], rows: Sequence[Mapping[str, float]]) -> tags.div:
    """Return one curve for each name in the last row; `positions` of the rows count images of the training."""
    places = np.array(positions)
    figures = []
    for name, last in rows[-1].items():
        values = np.array([row.get(name, math.nan) for row in rows])
        finite = np.isfinite(values)
        figures.append(_chart(name, last, places[finite], values[finite]))
    return tags.div(figures, cls="losses")


def _chart(name: str, last: float, positions: np.ndarray, values: np.ndarray) -> tags.figure:
    """Return the curve of one loss: `values` at `positions` along the training, `last` in words."""
    curve, scale = "", ""
    if len(values) > 1:
        positions, values = thin_out(positions, values, MAX_POINTS)
        low, high = values.min(), values.max()
        x = _rescale(positions) * WIDTH
        y = (1 - _rescale(values)) * HEIGHT
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y))
        curve = svg.svg(
            svg.polyline(points=points),
            viewBox=f"0 0 {WIDTH} {HEIGHT}",
            preserveAspectRatio="none",
            role="img",
            aria_label=f"{name} from {_short(low)} to {_short(high)}",
        )
        scale = tags.small(tags.span(f"low {_short(low)}"), tags.span(f"high {_short(high)}"))
    return tags.figure(tags.figcaption(tags.span(name), tags.b(_short(last))), curve, scale)


def _short(value: float) -> str:
    """Format a loss as in the log, but with four digits if that would be too long for the chart."""
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:.4g}"


def thin_out(positions: np.ndarray, values: np.ndarray, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return at most `points` means of neighbors, so that the curve of a long training is smooth."""
    groups = min(points, len(values))
    means = [[part.mean() for part in np.array_split(array, groups)] for array in (positions, values)]
    return np.array(means[0]), np.array(means[1])


def _rescale(values: np.ndarray) -> np.ndarray:
    """Map values to [0, 1]; all to the middle if they are equal."""
    span = values.max() - values.min()
    return (values - values.min()) / span if span else np.full(len(values), 0.5)
