"""The page of a training: what runs, whether it is healthy, curves, fixed samples over time, and warnings."""

from __future__ import annotations

import datetime
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from dominate import tags

from util import html
from util.curves import Curves
from util.duration import in_words
from util.score_log import ScoreRecord
from util.training_hints import Hint, Observed, find_hints, has_enough
from util.training_images import CONDITION, FIXED, Look, TrainingImages
from util.training_log import TrainingLog
from util.warn import SAMPLE_SKIPPED, STEP_SKIPPED

REFRESH_SECONDS = 30
CSS = Path(__file__).with_name("training_page.css").read_text(encoding="utf-8")
SCRIPTS = ("chart_parts.js", "curve_charts.js", "training_page.js")
SCRIPT = "\n".join(Path(__file__).with_name(name).read_text(encoding="utf-8") for name in SCRIPTS)
CHARTS = {
    "loss_G": ("Losses of the generator", "weighted as they are summed"),
    "loss_D": ("Losses of the discriminator", "weighted as they are summed"),
    "scores": ("", "of the validation data"),
    "logits": ("Logits of the discriminator", "means over batch and positions"),
    "grad_norm": ("Norm of the gradients", "of each player"),
    "lr": ("Learning rate", "of each player"),
    "speed": ("Speed", "images per second, mean of the epoch so far"),
    "waiting": ("Waiting for data", "fraction of the time"),
}
"""Titles and units of the charts, by the first part of the names of their curves."""
WRITES = 10
"""Last writes of the page from which its usual interval is taken."""
OVERDUE = 120.0
"""Seconds without a new page from which the script says so, at least."""
UNFOLDED = 8
"""Scored epochs whose table is open at first."""
EXACT = {"scores", "lr"}
"""Charts that are not smoothed."""
SKIPPED = {SAMPLE_SKIPPED: "Samples skipped", STEP_SKIPPED: "Steps skipped"}


@dataclass(frozen=True)
class RunFacts:
    """What the page says of the run itself.

    Attributes:
        command: the command line; empty if there was none.
        options: those that differ from the presets, as one types them.
        device: where it is trained.
        epochs, images_per_epoch: of the whole training.
        samples: which data the fixed samples are of.
        latents: whether the generator has a latent.
        resume, test: command lines that go on with the training, and that test it; empty if unknown.
    """

    command: str = ""
    options: Sequence[str] = ()
    device: str = ""
    epochs: int | None = None
    images_per_epoch: int | None = None
    samples: str = "of the training data"
    latents: bool = True
    resume: str = ""
    test: str = ""


@dataclass(frozen=True)
class Status:
    """Where the training is.

    Attributes:
        state: in words, such as "training".
        training: whether it goes on.
        error: what has stopped it, if anything did.
    """

    state: str = "training"
    training: bool = True
    error: str = ""
    images_per_second: float | None = None
    seconds_left: float | None = None


def as_numbers(scores: Mapping[str, float]) -> dict[str, str]:
    """Format scores as plain numbers, under their own names."""
    return {name: f"{value:.4g}" for name, value in scores.items()}


@dataclass
class TrainingPage:
    """Writes `index.html` in `directory`, which is usually `checkpoints/<experiment>/web`.

    Attributes:
        class_names, class_colors: name and color (n, 3) uint8 of every class id; none with conditioning images.
        display_width: width of a batch's image on the page, in CSS pixels.
        score_text: formats scores, {name: value} -> {title: text}.
    """

    directory: Path
    title: str
    class_names: Iterable[str]
    class_colors: np.ndarray
    display_width: int
    score_text: Callable[[Mapping[str, float]], Mapping[str, str]] = as_numbers
    facts: RunFacts = field(default_factory=RunFacts)

    def __post_init__(self) -> None:
        self.chips = html.Chips(self.class_names, self.class_colors)
        self.images = TrainingImages(self.directory, self.display_width, "label map" if self.chips.names else CONDITION)
        self._fractions, self._fixed_fractions = dict[int, float](), dict[int, float]()
        self._written: deque[float] = deque(maxlen=WRITES)

    def add_fixed(self, inputs: Sequence[np.ndarray], photos: Sequence[np.ndarray], labels: np.ndarray | None) -> None:
        """Write what the fixed samples are generated from, and photos, (H, W, 3) uint8; `labels` as for `add`."""
        self._fixed_fractions = {} if labels is None else html.class_fractions(labels)
        self.images.add_fixed(inputs, photos)

    def add(self, epoch: int, images_seen: int, images: Mapping[str, np.ndarray], labels: np.ndarray | None) -> None:
        """Write images (H, W, 3) uint8 by kind; `labels` are the class ids of the label maps shown, if these are."""
        self._fractions = {} if labels is None else html.class_fractions(labels)
        self.images.add(Look(images_seen, epoch), images)

    def save(self, log: TrainingLog, status: Status, scores: Sequence[ScoreRecord] = ()) -> Path:
        """Write the page, which reloads itself while the training goes on; return its path."""
        looks = self.images.looks()
        self._written.append(time.monotonic())
        data: dict[str, Any] = {"training": status.training, "refresh": REFRESH_SECONDS, "written": _now().timestamp()}
        data |= {"overdue": self._overdue(), "resume": self.facts.resume}
        data |= {"epochLength": self.facts.images_per_epoch, "charts": self._charts(log, scores)}
        observed = Observed(log.curves, scores, log.counts[STEP_SKIPPED], status.training, status.error)
        body = [self._health(find_hints(observed), has_enough(log.curves), status.training)]
        body += [tags.p("Next: ", tags.code(text), id="next")] if (text := self._next_step(status)) else []
        latents = ", always with the same latents" if self.facts.latents else ""
        if strip := self.images.strip(looks[FIXED], f"{self.facts.samples}{latents}, in evaluation mode"):
            body.append(strip[0])
            if self._fixed_fractions:
                strip[0].add(self._legend("Classes in the fixed samples", self._fixed_fractions))
            data |= strip[1]
        if data["charts"]:
            body.append(_curves())
        body += [self._scores(scores)] if scores else []
        body += [self._warnings(log)] if log.warnings else []
        batches = looks["input_label"]
        body.append(self._batches(batches) if batches else tags.p("No images yet.", cls="note"))
        doc = html.page(self.title, self._facts(log, status), body, legend=None)
        doc.body["class"] = "no-script"
        if status.training:
            doc.head.add(tags.noscript(tags.meta(http_equiv="refresh", content=str(REFRESH_SECONDS))))
        if details := self._details():
            doc.body.get(tags.header)[0].add(details)
        html.enliven(doc, CSS, SCRIPT, data)
        html.add_zoom(doc, self.title)
        return html.save(doc, self.directory / "index.html")

    def _facts(self, log: TrainingLog, status: Status) -> dict[str, Any]:
        facts: dict[str, Any] = {"State": tags.span(status.state, id="state")}
        if log.epoch:
            of = "" if self.facts.epochs is None else f" of {self.facts.epochs}"
            facts["Epoch"] = f"{log.epoch}{of}"
            facts["Images seen"] = f"{log.images_seen:,}"
        if status.images_per_second is not None:
            facts["Speed"] = f"{status.images_per_second:.3g} images/s"
        if status.seconds_left is not None and status.training:
            facts["Time left"] = in_words(status.seconds_left)
        if self.facts.device:
            facts["Device"] = self.facts.device
        for kind, title in SKIPPED.items():
            if log.counts[kind]:
                facts[title] = f"{log.counts[kind]:,}"
        return {**facts, "Written": tags.span(f"{_now():%Y-%m-%d %H:%M:%S}", id="written")}

    def _overdue(self) -> float:
        """Seconds without a new page from which the training has probably ended; more before intervals are known."""
        longest = max((after - before for before, after in pairwise(self._written)), default=OVERDUE)
        return max(OVERDUE, 3 * longest)

    def _next_step(self, status: Status) -> str:
        """The command to type when the training has ended; empty before."""
        after = self.facts.test if status.state == "ended" else self.facts.resume
        return "" if status.training else after

    def _legend(self, title: str, fractions: Mapping[int, float]) -> tags.div:
        notes = {class_id: html.percent(fraction) for class_id, fraction in fractions.items()}
        return tags.div(tags.h2(title), self.chips.chip_list(notes), cls="classes")

    def _details(self) -> tags.details | None:
        """The command, and what differs from the presets."""
        if not self.facts.command and not self.facts.options:
            return None
        parts = []
        if self.facts.command:
            parts.append(tags.pre(tags.code(self.facts.command)))
        if self.facts.options:
            parts.append(tags.p("Differs from the presets of the data set and the method:", cls="note"))
            parts.append(tags.ul([tags.li(tags.code(option)) for option in self.facts.options], cls="options"))
        return tags.details(tags.summary("Command and options"), parts, id="command")

    def _health(self, hints: Sequence[Hint], enough: bool, training: bool) -> tags.section:
        if not hints:
            early = "Too early to tell how it goes." if training else "Too short to tell how it went."
            text = "No sign of trouble in losses, scores and speed." if enough else early
            return tags.section(tags.p(tags.b(text)), cls=f"health {'good' if enough else 'early'}", id="health")
        items = []
        for hint in hints:
            since = "" if hint.since is None else f" (since {hint.since:,} images)"
            items.append(tags.li(tags.b(f"{hint.seen}{since}."), tags.p(hint.why, tags.b(" Try: "), hint.advice)))
        return tags.section(tags.ul(items), cls="health bad", id="health")

    def _charts(self, log: TrainingLog, scores: Sequence[ScoreRecord]) -> list[dict[str, Any]]:
        """The charts for the script: title, unit, and curves with their names."""
        charts: dict[str, dict[str, Any]] = {}
        for curves in (log.curves, self._score_curves(scores)):
            for name, curve in curves.items():
                group, _, rest = name.partition("/")
                if group not in CHARTS or not len(curve):
                    continue
                title, unit = CHARTS[group]
                rest = rest.replace("images_per_second", "images/s")
                key, label = (group, rest) if title else (f"{group}/{rest}", "")
                if group == "scores":
                    title, _, label = rest.partition("/")
                    key = f"scores/{title}"
                chart = charts.setdefault(
                    key, {"key": key, "title": title, "unit": unit, "smooth": group not in EXACT, "curves": []}
                )
                chart["curves"].append({"name": label, **curve.data()})
        order = list(CHARTS)
        return sorted(charts.values(), key=lambda chart: order.index(chart["key"].partition("/")[0]))

    def _score_curves(self, scores: Sequence[ScoreRecord]) -> Curves:
        """Curves `scores/TITLE/GENERATOR`, with values in the unit of the title."""
        curves = Curves()
        for record in scores:
            texts = self.score_text(record.scores)
            values = {f"scores/{title}/{record.generator}": text.split()[0] for title, text in texts.items()}
            curves.add(record.images_seen, values)
        return curves

    def _scores(self, records: Sequence[ScoreRecord]) -> tags.details:
        """A table of scores, newest first; the last one that was best so far is the best of all."""
        best = max((record.images_seen, i) for i, record in enumerate(records) if record.is_best or not i)[1]
        titles = list(dict.fromkeys(title for record in records for title in self.score_text(record.scores)))
        rows = [tags.tr([tags.th(title) for title in ("Epoch", "Generator", *titles, "")])]
        for i, record in reversed(list(enumerate(records))):
            texts = self.score_text(record.scores)
            cells = [f"{record.epoch}", record.generator, *(texts.get(title, "") for title in titles)]
            mark = tags.b("best") if i == best and record.is_best else ""
            rows.append(tags.tr([*map(tags.td, cells), tags.td(mark)]))
        table = tags.div(tags.table(rows), cls="scores", tabindex=0)
        folded = {} if len(records) > UNFOLDED else {"open": True}
        return tags.details(tags.summary("Scores of the validation data"), table, id="scores", cls="card", **folded)

    def _warnings(self, log: TrainingLog) -> tags.details:
        total = log.counts.total()
        lines = [
            tags.li(tags.small(f"{warned.date}, {warned.images_seen:,} images"), f" {warned.text}")
            for warned in reversed(log.warnings)
        ]
        shown = f", the newest {len(lines)}" if total > len(lines) else ""
        return tags.details(
            tags.summary(f"Warnings ({total:,}{shown})"), tags.ul(lines, cls="warnings"), id="warnings", cls="card"
        )

    def _batches(self, looks: Sequence[Look]) -> tags.details:
        details = self.images.batches(looks)
        if self._fractions:
            details.children.insert(1, self._legend("Classes in the newest images", self._fractions))
        return details


def _curves() -> tags.article:
    """The place of the charts, which the script draws, with their controls."""
    spans = {"all": "the whole training", "half": "the last half", "tenth": "the last tenth"}
    smoothing = {"min": 0, "max": 0.99, "step": 0.01}
    controls = tags.div(
        tags.label("Smoothing ", tags.input_(type="range", id="smoothing", **smoothing), tags.output(id="smoothed")),
        tags.label(tags.input_(type="checkbox", id="log"), " Log scale"),
        tags.label("Show ", tags.select([tags.option(text, value=key) for key, text in spans.items()], id="span")),
        cls="controls",
    )
    lines = [tags.noscript(tags.p("The curves need JavaScript; loss_log.txt has the numbers.", cls="note"))]
    lines.append(tags.div(controls, tags.div(cls="charts", id="charts"), cls="needs-script"))
    return tags.article(
        tags.h2("Curves", tags.small("over images seen; values as logged (smoothed)")), *lines, id="curves"
    )


def _now() -> datetime.datetime:
    return datetime.datetime.now()
