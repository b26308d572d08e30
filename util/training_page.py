"""The page of a training: losses, scores, and the images saved at intervals, newest first."""

import datetime
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from dominate import tags
from PIL import Image

from util import html
from util.image import save_png
from util.loss_chart import charts, loss_charts
from util.loss_log import LossRecord
from util.score_log import ScoreRecord

REFRESH_SECONDS = 30
MAX_ROWS = 100
KINDS = {
    "input_label": ("label map", "label"),
    "synthesized_image": ("synthesized image", "result"),
    "real_image": ("photo", "photo"),
    "fixed_sample": ("same maps and styles at every look, evaluation mode", "result"),
}
OPTIONAL_KINDS = {"fixed_sample"}
FILE_NAME = re.compile(r"epoch(\d{3,})_iter(\d{3,})_input_label\.png")


@dataclass(frozen=True, order=True)
class Look:
    """A moment at which images were saved: after `images_seen` images of the training, in `epoch`."""

    images_seen: int
    epoch: int

    def file_name(self, kind: str) -> str:
        return f"epoch{self.epoch:03d}_iter{self.images_seen:03d}_{kind}.png"


def as_numbers(scores: Mapping[str, float]) -> dict[str, str]:
    """Format scores as plain numbers, under their own names."""
    return {name: f"{value:.4g}" for name, value in scores.items()}


class TrainingPage:
    """Writes `index.html` and `images/epochEEE_iterNNN_<kind>.png` below `directory`.

    Rows are read from the folder, so the page of a resumed training also shows earlier images. Arguments are those of
    `ResultsPage`; `directory` is usually `checkpoints/<experiment>/web`.

    Args:
        score_text: formats scores, {name: value} -> {title: text}.
    """

    def __init__(
        self,
        directory: Path,
        title: str,
        class_names: Iterable[str],
        class_colors: np.ndarray,
        display_width: int,
        score_text: Callable[[Mapping[str, float]], Mapping[str, str]] = as_numbers,
    ):
        self.directory = Path(directory)
        self.title = title
        self.chips = html.Chips(class_names, class_colors)
        self.display_width = display_width
        self.score_text = score_text
        self._newest: Look | None = None
        self._fractions: dict[int, float] = {}

    def add(self, epoch: int, images_seen: int, images: Mapping[str, np.ndarray], labels: np.ndarray) -> None:
        """Write images (H, W, 3) uint8 by kind; `labels` are the class ids of the label maps shown."""
        self._newest = Look(images_seen, epoch)
        self._fractions = html.class_fractions(labels)
        for kind, image in images.items():
            save_png(image, self.directory / "images" / self._newest.file_name(kind))

    def save(self, history: Sequence[LossRecord], training: bool, scores: Sequence[ScoreRecord] = ()) -> Path:
        """Write the page, which reloads itself while `training`; return its path."""
        looks = self._looks()
        body = [self._losses(history)] if history else []
        body += [self._scores(scores)] if scores else []
        body += [row for look in looks[:MAX_ROWS] if (row := self._row(look))]
        if not looks:
            body.append(tags.p("No images yet.", cls="note"))
        if len(looks) > MAX_ROWS:
            folder = tags.a("images", href="images/")
            body.append(tags.p(f"Older: {len(looks) - MAX_ROWS:,} more in the folder ", folder, ".", cls="note"))
        notes = {class_id: html.percent(fraction) for class_id, fraction in self._fractions.items()}
        legend = self.chips.legend("Classes in the newest images", notes) if notes else None
        facts = self._facts(history, training)
        refresh_seconds = REFRESH_SECONDS if training else None
        doc = html.page(self.title, facts, body, legend, refresh_seconds)
        return html.save(doc, self.directory / "index.html")

    def _looks(self) -> list[Look]:
        """Return the looks on disk, newest first, without later ones that an interrupted run has left."""
        names = (FILE_NAME.fullmatch(path.name) for path in self.directory.glob("images/*"))
        looks = [Look(images_seen=int(match[2]), epoch=int(match[1])) for match in names if match]
        return sorted((look for look in looks if not self._newest or look <= self._newest), reverse=True)

    def _row(self, look: Look) -> tags.article | None:
        """Return the row of a look, or None if a required image is missing or damaged."""
        figures: dict[int, list[tags.figure]] = {}
        when = f"epoch {look.epoch}, {look.images_seen:,} images"
        for kind, (caption, css_class) in KINDS.items():
            path = PurePosixPath("images", look.file_name(kind))
            try:
                with Image.open(self.directory / path) as image:
                    size = image.size
            except OSError:
                if kind in OPTIONAL_KINDS:
                    continue
                return None
            figure = html.image_figure(path, size, caption, f"{caption}, {when}", css_class)
            figures.setdefault(size[0], []).append(figure)
        heading = tags.h2(f"Epoch {look.epoch}", tags.small(f"{look.images_seen:,} images"))
        return tags.article(heading, [self._images(group, width) for width, group in figures.items()])

    def _images(self, figures: list[tags.figure], width: int) -> tags.div:
        """Lay out images of one width: mosaics of several samples below each other, single samples side by side."""
        stacked = width > 2.5 * self.display_width
        return html.image_row(figures, max(width, self.display_width), stacked)

    def _losses(self, history: Sequence[LossRecord]) -> tags.article:
        first, last = history[0].epoch, history[-1].epoch
        epochs = f"epoch {first}" if first == last else f"epochs {first} to {last}"
        return tags.article(tags.h2("Losses", tags.small(epochs)), loss_charts(history))

    def _scores(self, records: Sequence[ScoreRecord]) -> tags.article:
        """Return curves and a table of scores, newest first; the last one that was best so far is the best of all."""
        best = max((record.images_seen, i) for i, record in enumerate(records) if record.is_best or not i)[1]
        several = len({record.generator for record in records}) > 1
        moments: dict[int, dict[str, float]] = {}
        for record in records:
            ending = f" ({record.generator})" if several else ""
            named = {f"{name}{ending}": value for name, value in record.scores.items()}
            moments.setdefault(record.images_seen, {}).update(named)
        titles = list(dict.fromkeys(title for record in records for title in self.score_text(record.scores)))
        rows = [tags.tr([tags.th(title) for title in ("Epoch", "Generator", *titles, "")])]
        for i, record in reversed(list(enumerate(records))):
            texts = self.score_text(record.scores)
            cells = [f"{record.epoch}", record.generator, *(texts.get(title, "") for title in titles)]
            mark = tags.b("best") if i == best and record.is_best else ""
            rows.append(tags.tr([*map(tags.td, cells), tags.td(mark)]))
        return tags.article(
            tags.h2("Scores", tags.small("of the validation data")),
            charts(list(moments), list(moments.values())),
            tags.details(tags.summary("All scored epochs"), tags.div(tags.table(rows), cls="scores"), open=True),
        )

    def _facts(self, history: Sequence[LossRecord], training: bool) -> dict[str, str]:
        facts = {"State": "training" if training else "ended"}
        if history:
            facts["Epoch"] = f"{history[-1].epoch}"
            facts["Images of this epoch"] = f"{history[-1].images_this_epoch:,}"
        if self._newest:
            facts["Images shown at"] = f"{self._newest.images_seen:,}"
        return {**facts, "Written": f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S}"}
