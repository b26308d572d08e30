"""Why scores of runs do not compare: one sentence for each cause, such as another number of images."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dominate import tags
from dominate.dom_tag import dom_tag

from evaluation.scores import SCORES
from scripts.compare.runs import Run
from scripts.compare.scores import differing_settings, groups
from util import html

CAUSES = {
    "number of images": r"images|.*\.(generated_images|real_images|subsets|subset_size)|lpips\.label_maps",
    "set of images": r"set of images",
    "data": r"data set|images\.(photos|label_maps|drawn)|.*\.(statistics_sha256|real_side)",
    "size of images": r"images\.size|segmentation\.(image_size|scored_at)",
    "resize": r"images\.real|.*\.(resize|preprocessing|resolution|labels_resampling)",
    "segmenter": r"segmentation(\..*)?",
    "features": r"(inception|random_feature_distance|features)(\..*)?|.*\.(features|weights.*|dim)",
}
"""What differs, by the settings (regular expressions) that say so; the first that fits counts."""
HASH = re.compile(r"[0-9a-f]{16,}")
DIGITS = 8


@dataclass(frozen=True)
class Cause:
    """One cause.

    Attributes:
        name: a key of `CAUSES`, or the name of the setting where none fits.
        concerned: the scores.
        settings: {setting: value of each run}; "" for a run without such a score.
    """

    name: str
    concerned: Sequence[str]
    settings: Mapping[str, Sequence[str]]

    def sentence(self, runs: Sequence[Run]) -> str:
        """Such as "Number of images: 48 for a, 200 for b. Concerns FID, mIoU."."""
        setting, values = max(self.settings.items(), key=lambda entry: len({*entry[1]}))
        together: dict[str, list[str]] = {}
        for run, value in zip(runs, values):
            if value:
                together.setdefault(value, []).append(run.name)
        texts = ", ".join(f"{value} for {' and '.join(names)}" for value, names in together.items())
        detail = setting.rpartition(".")[2].replace("_", " ")
        detail = f" ({detail})" if detail not in (self.name, "images", "real") and setting != self.name else ""
        labels = ", ".join(SCORES[score].label if score in SCORES else score for score in self.concerned)
        return f"{self.name[0].upper()}{self.name[1:]}{detail}: {texts}. Concerns {labels}."

    def applies(self, run: int, other: int, score: str) -> bool:
        """Whether it makes a score of two runs incomparable."""
        return score in self.concerned and any(values[run] != values[other] for values in self.settings.values())


def causes_of(runs: Sequence[Run]) -> list[Cause]:
    """Everything that makes scores of the runs incomparable, each cause once, in the order of `CAUSES`."""
    found: dict[tuple[str, tuple[str, ...]], dict[str, list[str]]] = {}
    for setting, (values, concerned) in differing_settings([run.scores for run in runs]).items():
        # "" means that a run has no such score, None that its file lacks the setting.
        texts = ["not recorded" if value is None else _short(value) for value in values]
        found.setdefault((_cause(setting), tuple(concerned)), {})[setting] = texts
    causes = [Cause(name, concerned, settings) for (name, concerned), settings in found.items()]
    if any("images" in cause.settings for cause in causes):
        causes = [cause for cause in causes if cause.name != "set of images"]  # it differs for that reason
    order = [*CAUSES, *(cause.name for cause in causes)]
    return sorted(causes, key=lambda cause: order.index(cause.name))


def _cause(setting: str) -> str:
    return next((name for name, pattern in CAUSES.items() if re.fullmatch(pattern, setting)), setting)


def _short(value: str) -> str:
    """A setting in few words: files by name, hashes by their first digits."""
    try:
        files = json.loads(value)
        if isinstance(files, list) and all(isinstance(file, Mapping) for file in files):
            value = ", ".join(f"{file.get('name')} {file.get('sha256', '')}".strip() for file in files)
    except ValueError:
        pass
    return HASH.sub(lambda match: match.group()[:DIGITS], value)


def reasons(runs: Sequence[Run], causes: Sequence[Cause], run: int, score: str) -> list[str]:
    """Names of the causes by which a score of a run differs from that of the first run with the score."""
    ways = groups([run.scores for run in runs], score)
    first = next(k for k, way in enumerate(ways) if way is not None)
    return [cause.name for cause in causes if ways[run] != ways[first] and cause.applies(run, first, score)]


def warning(runs: Sequence[Run], causes: Sequence[Cause]) -> dom_tag | None:
    """Return the warning about scores that do not compare or are missing, with all settings; None without any."""
    stale = [run.stale for run in runs if run.stale]
    if not causes and not stale:
        return None
    article = tags.article(cls="warning")
    if not causes:
        article.add(tags.h2("⚠ Scores are missing or old"), [tags.p(text) for text in stale])
        return article
    article.add(
        tags.h2("⚠ Not all of these scores compare"),
        tags.p("Scores marked ≠ below were not measured alike; those with the same letter were."),
        [tags.p(text) for text in (*(cause.sentence(runs) for cause in causes), *stale)],
    )
    head = tags.tr(tags.th("setting"), [tags.th(run.name) for run in runs], tags.th("concerns"))
    rows = []
    for setting, (values, concerned) in differing_settings([run.scores for run in runs]).items():
        texts = ["not recorded" if value is None else value or "–" for value in values]
        labels = ", ".join(SCORES[score].label if score in SCORES else score for score in concerned)
        rows.append(tags.tr(tags.th(setting), [tags.td(text) for text in texts], tags.td(labels)))
    table = html.scrolling(tags.table(tags.thead(head), tags.tbody(rows)), "settings that differ")
    article.add(tags.details(tags.summary("All settings that differ"), table))
    return article
