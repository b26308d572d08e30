"""Timing jobs in turns, with medians, quartiles and ratios."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tqdm import tqdm


@dataclass(frozen=True)
class Times:
    """Seconds of several jobs, `seconds[job][i]` in round i; in each round, all jobs run in turn."""

    seconds: Mapping[str, list[float]]

    def rate(self, job: str, count: int = 1) -> tuple[float, float, float]:
        """Median, lower and upper quartile of the rate, for `count` items per call."""
        low, middle, high = statistics.quantiles([count / seconds for seconds in self.seconds[job]], n=4)
        return middle, low, high

    def ratio(self, job: str, base: str) -> tuple[float, float, float]:
        """How many times faster than `base`: median, lower and upper quartile of the rounds' ratios."""
        pairs = zip(self.seconds[base], self.seconds[job], strict=True)
        low, middle, high = statistics.quantiles([before / after for before, after in pairs], n=4)
        return middle, low, high

    def table(self, base: str, unit: str, count: int = 1) -> str:
        """A Markdown table: rate and ratio to `base` of each job."""
        lines = [f"| | {unit} (quartiles) | times {base} (quartiles) |", "|---|---|---|"]
        for job in self.seconds:
            rate, ratio = self.rate(job, count), self.ratio(job, base)
            lines.append("| {} | {:.3g} ({:.3g}..{:.3g}) | {:.2f} ({:.2f}..{:.2f}) |".format(job, *rate, *ratio))
        return "\n".join(lines)


def take_turns(jobs: Mapping[str, Callable[[int], object]], rounds: int, title: str) -> Times:
    """Call every job with 0, then every job with 1, and so on; the first round is a warm-up and not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for i in tqdm(range(rounds + 1), desc=title, unit="round", leave=False):
        for name, job in jobs.items():
            start = time.perf_counter()
            job(i)
            seconds[name].append(time.perf_counter() - start)
    return Times({name: taken[1:] for name, taken in seconds.items()})
