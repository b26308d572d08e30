"""The table of scores: label, format, and which values are better."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

FORMAT = 1
"""Version of the format of scores.json."""
LEAST_REAL = 0.5
"""mIoU on real photos from which a segmenter of the user is taken to know its classes."""
TOLERANCE = 0.02
"""mIoU by which generated images may be ahead of the photos: those of a perfect generator are sometimes."""
OWN_NETWORKS = ("OwnSegmenter", "ProgramSegmenter")
"""The segmenters of users, by their name in protocols."""


@dataclass(frozen=True)
class Score:
    """One kind of score.

    Attributes:
        label: its name in reports.
        better: `min` or `max`, which returns the better of several values.
        form: format of a value, such as "{:.2f}".
        is_fraction: stored as a fraction, 0 to 1, and shown in percent.
        group: key of a protocol for several scores; a protocol may also have the name of the score.
    """

    label: str
    better: Callable
    form: str
    is_fraction: bool = False
    group: str | None = None

    @property
    def arrow(self) -> str:
        """Where better values are: up or down."""
        return "↑" if self.better is max else "↓"

    @property
    def title(self) -> str:
        """The label with the unit."""
        return f"{self.label}, %" if self.is_fraction else self.label

    def text(self, value: float) -> str:
        """A stored value as text, in the unit of the title."""
        return self.form.format(100 * value if self.is_fraction else value)

    def brackets(self, interval: Sequence[float] | None) -> str:
        """An interval as text to follow its score, such as ` [36.9, 40.6]`; nothing for None."""
        return f" [{', '.join(map(self.text, interval))}]" if interval else ""


def shown_scores(scores: Mapping[str, float], mean_iou: str | None) -> list[str]:
    """The scores that have a row, in the order of the table: mIoU of classes present only if it is another number.

    Args:
        mean_iou: the classes that count for mIoU, a key of `util.segmentation_scores.MEAN_IOU`.
    """
    is_twice = mean_iou == "labelled" and scores.get("miou") == scores.get("miou_present")
    return [name for name in SCORES if name in scores and not (is_twice and name == "miou_present")]


def doubt_of_segmenter(network: str | None, real: float | None, generated: float | None) -> str | None:
    """Why segmentation scores say little, from mIoU in 0 .. 1 on real photos and on generated images; else None.

    Args:
        network: its class. Published networks score what they score; those of the user can be trained longer.
    """
    is_own = network in OWN_NETWORKS
    remedy = "the score says little" + ("; train it longer" if is_own else "")
    if real is not None and real < LEAST_REAL and is_own:
        return f"the segmentation network recognizes only {real:.0%} (mIoU) of the real photos: {remedy}"
    if real is not None and generated is not None and real < generated - TOLERANCE:
        less = f"less of the real photos, {real:.1%} (mIoU), than of the generated images, {generated:.1%}"
        return f"the segmentation network recognizes {less}: {remedy}"
    return None


def score_text(scores: Mapping[str, float]) -> dict[str, str]:
    """Texts by title of scores by name, with the deviation of a score if there is one."""
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
    "random_feature_kernel_distance": Score(
        "kernel distance of random features", min, "{:.4g}", group="random_feature_distance"
    ),
    "precision": Score("precision", max, "{:.3f}", group="inception"),
    "recall": Score("recall", max, "{:.3f}", group="inception"),
    "random_feature_precision": Score("precision in random features", max, "{:.3f}", group="random_feature_distance"),
    "random_feature_recall": Score("recall in random features", max, "{:.3f}", group="random_feature_distance"),
    "own_feature_distance": Score("distance of own features", min, "{:.4g}"),
    "own_feature_kernel_distance": Score(
        "kernel distance of own features", min, "{:.4g}", group="own_feature_distance"
    ),
    "own_feature_precision": Score("precision in own features", max, "{:.3f}", group="own_feature_distance"),
    "own_feature_recall": Score("recall in own features", max, "{:.3f}", group="own_feature_distance"),
    "miou": Score("mIoU", max, "{:.1f}", True, "segmentation"),
    "miou_present": Score("mIoU of classes present", max, "{:.1f}", True, "segmentation"),
    "accuracy": Score("pixel accuracy", max, "{:.1f}", True, "segmentation"),
    "accuracy_with_void": Score("pixel accuracy, void is wrong", max, "{:.1f}", True, "segmentation"),
    "psnr": Score("PSNR, dB", max, "{:.2f}", group="reconstruction"),
    "ssim": Score("SSIM", max, "{:.4f}", group="reconstruction"),
    "lpips_diversity": Score("LPIPS between styles", max, "{:.4f}", group="lpips"),
}
