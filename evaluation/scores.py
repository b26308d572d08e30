"""The scores there are: what each is called, how it is written, and which way it is better."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

FORMAT = 1
"""Of scores.json."""


@dataclass(frozen=True)
class Score:
    """How a score is read.

    Attributes:
        label: what people call it.
        better: `min` or `max`: takes the better of several values.
        form: how a value is written, such as "{:.2f}".
        is_fraction: kept as a fraction, 0 to 1; shown in percent.
        group: name of the protocol that it shares with others; its own name names one, too.
    """

    label: str
    better: Callable
    form: str
    is_fraction: bool = False
    group: str | None = None

    @property
    def title(self) -> str:
        """The label with the unit."""
        return f"{self.label}, %" if self.is_fraction else self.label

    def text(self, value: float) -> str:
        """A value as it is kept, in words of the title's unit."""
        return self.form.format(100 * value if self.is_fraction else value)


def score_text(scores: Mapping[str, float]) -> dict[str, str]:
    """{title: text} of scores by name; a deviation stands beside what it is of."""
    texts = {}
    for name, score in SCORES.items():
        if name in scores:
            deviation = scores.get(f"{name}_deviation")
            texts[score.title] = score.text(scores[name]) + (f" ± {score.text(deviation)}" if deviation else "")
    return texts


SCORES = {
    "fid": Score("FID", min, "{:.2f}", group="inception"),
    "random_feature_distance": Score("distance of random features", min, "{:.4g}"),
    "kid": Score("KID", min, "{:.5f}", group="inception"),
    "miou": Score("mIoU", max, "{:.1f}", True, "segmentation"),
    "miou_present": Score("mIoU of classes present", max, "{:.1f}", True, "segmentation"),
    "accuracy": Score("pixel accuracy", max, "{:.1f}", True, "segmentation"),
    "accuracy_with_void": Score("pixel accuracy, void is wrong", max, "{:.1f}", True, "segmentation"),
    "lpips_diversity": Score("LPIPS between styles", max, "{:.4f}", group="lpips"),
}
