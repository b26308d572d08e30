"""The scores that evaluate.py wrote for a run, and whether they are comparable with those of another run."""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from evaluation.image_scores import read_counts
from evaluation.scored_images import check_scores_hold, scoring_command
from evaluation.scores import FORMAT, SCORES, shown_scores
from util.errors import InputError
from util.segmentation_scores import MEAN_IOU

OF_THE_WHOLE = ("images", "set of images")
OF_THE_DATA = ("images.photos", "images.label_maps", "images.drawn")
"""Like the former, settings that say nothing about how a single image is measured."""
COLOR = re.compile("#[0-9a-f]{6}")
DEVIATION = "_deviation"
"""Ends the name of the standard deviation of a score."""


KNOWN_PROTOCOLS = {*SCORES, *(score.group for score in SCORES.values() if score.group)}


@dataclass(frozen=True)
class Scores:
    """The content of scores.json for display: fractions in percent, and finite values only.

    Attributes:
        unchecked: the command that makes new scores, if the file does not identify the scored images; else "".
        image_set: digest of the names of the images.
        protocol: settings of the measurement, by name of a score or of a group of them.
        published: scores of the papers for this data set, by method.
        real_photos: segmentation scores of the real photos.
        per_image: scores of each image, by its name.
        intervals: by the bootstrap over images, lowest and highest value by name of the score.
        class_names, class_colors: of the segmenter's classes, in order; colors by name, such as "#46a2c8".
        confusion: of each image by name, ((C + 1) C,) sparse; empty without `image_scores.json`.
    """

    unchecked: str = ""
    dataset_mode: str = ""
    images: int = 0
    image_set: str = ""
    date: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    protocol: Mapping[str, Any] = field(default_factory=dict)
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    real_photos: Mapping[str, float] = field(default_factory=dict)
    per_class_iou: Mapping[str, float] = field(default_factory=dict)
    per_image: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    intervals: Mapping[str, Sequence[float]] = field(default_factory=dict)
    class_names: Sequence[str] = ()
    class_colors: Mapping[str, str] = field(default_factory=dict)
    confusion: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def mean_iou(self) -> str | None:
        """The classes that count for mIoU, a key of `util.segmentation_scores.MEAN_IOU`."""
        rule = flat(self.protocol.get("segmentation")).get("mean_iou")
        return rule if rule in MEAN_IOU else None

    @staticmethod
    def group(score: str) -> str | None:
        """The protocol that a score has in common with others."""
        return SCORES[score].group if score in SCORES else None

    def settings(self, score: str) -> dict[str, str]:
        """The settings with which a score was measured, as flat texts. Scores with equal settings are comparable.

        A protocol whose name says nothing about whom it concerns, concerns every score: a false alarm is better than
        a false comparison.
        """
        mine = {score, self.group(score)}
        concerned = {name: v for name, v in self.protocol.items() if name in mine or name not in KNOWN_PROTOCOLS}
        whole = dict(zip(OF_THE_WHOLE, (f"{self.images:,}", self.image_set)))
        settings = {"data set": self.dataset_mode, **whole, **flat(concerned)}
        settings.pop("images.count", None)  # redundant
        return settings

    def measures_images_like(self, other: "Scores", score: str) -> bool:
        """Whether per-image values of a score are comparable with another run's, regardless of the tested images."""
        ours, theirs = self.settings(score), other.settings(score)
        return all(ours.get(name) == theirs.get(name) for name in {*ours, *theirs} - {*OF_THE_WHOLE, *OF_THE_DATA})


def flat(settings: Any, prefix: str = "") -> dict[str, str]:
    """Nested settings as `outer.inner` -> text."""
    if not isinstance(settings, Mapping):
        return {prefix: settings if isinstance(settings, str) else json.dumps(settings, ensure_ascii=False)}
    result = {}
    for name, value in settings.items():
        result |= flat(value, f"{prefix}.{name}" if prefix else str(name))
    return result


def read_scores(path: Path, names: Iterable[str], folder: Path | None = None) -> Scores | None:
    """Read scores.json; None if there is none.

    Args:
        names: of the images that were scored.
        folder: of these images; None if they need not be those that were scored.
    Raises:
        InputError: it is damaged, of another format, or of other images.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise InputError(f"{path}: is no JSON ({error}); remove the file, and evaluate the run again") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path}: is not in format {FORMAT}, which is read here; evaluate the run again")
    image_set = hashlib.sha256("\n".join(sorted(names)).encode("utf-8", "replace")).hexdigest()[:6]
    try:
        is_checked = folder is None or check_scores_hold(content, path, folder)
        scores = _parse(content, "" if folder is None or is_checked else scoring_command(content, folder), image_set)
        return replace(scores, confusion=read_counts(path, content))
    except InputError:
        raise
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: is damaged ({error}); remove the file, and evaluate the run again") from None


def _parse(content: dict[str, Any], unchecked: str, image_set: str) -> Scores:
    return Scores(
        unchecked=unchecked,
        image_set=image_set,
        dataset_mode=str(content.get("dataset_mode") or ""),
        images=int(content.get("images") or 0),
        date=str(content.get("date") or ""),
        scores=_shown(content.get("scores") or {}),
        protocol=dict(content.get("protocol") or {}),
        published={method: _shown(values) for method, values in (content.get("published") or {}).items()},
        real_photos=_shown((content.get("real_photos") or {}).get("scores") or {}),
        per_class_iou={name: _in_per_cent(v) for name, v in _finite(content.get("per_class_iou") or {}).items()},
        per_image={name.removesuffix(".png"): _shown(v) for name, v in (content.get("per_image") or {}).items()},
        class_names=list(content.get("per_class_iou") or {}),
        class_colors={name: c for name, c in (content.get("class_colors") or {}).items() if COLOR.fullmatch(str(c))},
        intervals={
            name: [*_shown({name: low}).values(), *_shown({name: high}).values()]
            for name, (low, high) in (content.get("intervals") or {}).items()
        },
    )


def _shown(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: _in_per_cent(value) if _is_fraction(name) else value for name, value in _finite(values).items()}


def _is_fraction(name: str) -> bool:
    score = SCORES.get(name.removesuffix(DEVIATION))
    return score is not None and score.is_fraction


def _in_per_cent(fraction: float) -> float:
    if not 0 <= fraction <= 1:
        raise ValueError(f"{fraction:g} is not a fraction, 0 to 1")
    return fraction * 100


def _finite(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: float(v) for name, v in values.items() if v is not None and math.isfinite(v)}


def score_names(scores: Sequence[Scores | None]) -> list[str]:
    """Names of the scores that any of the runs has: the known ones in the order of the table, then others.

    mIoU of classes present is left out where it is mIoU in all runs.
    """
    found = dict.fromkeys(name for one in scores if one for name in one.scores if not name.endswith(DEVIATION))
    if not any("miou_present" in shown_scores(one.scores, one.mean_iou) for one in scores if one):
        found.pop("miou_present", None)
    return [*(name for name in SCORES if name in found), *(name for name in found if name not in SCORES)]


def groups(scores: Sequence[Scores | None], score: str) -> list[int | None]:
    """Number the ways of measuring a score: runs with one number are comparable. None for runs without the score."""
    ways: list[dict[str, str]] = []
    numbers: list[int | None] = []
    for one in scores:
        if one is None or score not in one.scores:
            numbers.append(None)
            continue
        settings = one.settings(score)
        if settings not in ways:
            ways.append(settings)
        numbers.append(ways.index(settings))
    return numbers


def differing_settings(scores: Sequence[Scores | None]) -> dict[str, tuple[list[str | None], list[str]]]:
    """Measurement settings in which runs differ: their values, and the scores that they affect.

    A value is None if a run has scores but lacks the setting, and "" if it has no scores.
    """
    found: dict[str, tuple[list[str | None], list[str]]] = {}
    for score in score_names(scores):
        settings = [one.settings(score) if one and score in one.scores else None for one in scores]
        known = [one for one in settings if one is not None]
        for name in dict.fromkeys(name for one in known for name in one):
            if len({one.get(name) for one in known}) > 1:
                values, concerned = found.setdefault(name, ([""] * len(scores), []))
                concerned.append(score)
                for i, one in enumerate(settings):
                    if one is not None:
                        values[i] = one.get(name)
    return found
