"""The page of a training: its losses, and what the generator made at every look, newest first."""

import datetime
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from dominate import tags
from PIL import Image

from util import html
from util.image import save_png
from util.loss_chart import loss_charts
from util.loss_log import LossRecord

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
    """A moment of training that has pictures: after `images_seen` images in all, in `epoch`."""

    images_seen: int
    epoch: int

    def file_name(self, kind: str) -> str:
        return f"epoch{self.epoch:03d}_iter{self.images_seen:03d}_{kind}.png"


class TrainingPage:
    """Writes `index.html` and `images/epochEEE_iterNNN_<kind>.png` below `directory`.

    The rows are read from the folder, so the page of a training that goes on also shows what was there before.
    Arguments are those of `ResultsPage`; `directory` is usually `checkpoints/<experiment>/web`.
    """

    def __init__(
        self, directory: Path, title: str, class_names: Iterable[str], class_colors: np.ndarray, display_width: int
    ):
        self.directory = Path(directory)
        self.title = title
        self.chips = html.Chips(class_names, class_colors)
        self.display_width = display_width
        self._newest: Look | None = None
        self._shares: dict[int, float] = {}

    def add(self, epoch: int, images_seen: int, pictures: Mapping[str, np.ndarray], labels: np.ndarray) -> None:
        """Write uint8 `pictures` (H, W, 3) by kind; `labels` are the class ids that the label picture shows."""
        self._newest = Look(images_seen, epoch)
        self._shares = html.shares(labels)
        for kind, picture in pictures.items():
            save_png(picture, self.directory / "images" / self._newest.file_name(kind))

    def save(self, history: Sequence[LossRecord], training: bool) -> Path:
        """Write the page; it reloads itself as long as `training`. Return its path."""
        looks = self._looks()
        body = [self._losses(history)] if history else []
        body += [row for look in looks[:MAX_ROWS] if (row := self._row(look))]
        if not looks:
            body.append(tags.p("No images yet.", cls="note"))
        if len(looks) > MAX_ROWS:
            folder = tags.a("images", href="images/")
            body.append(tags.p(f"Older: {len(looks) - MAX_ROWS:,} more in the folder ", folder, ".", cls="note"))
        notes = {class_id: html.percent(share) for class_id, share in self._shares.items()}
        legend = self.chips.legend("Classes in the newest images", notes) if notes else None
        facts = self._facts(history, training)
        refresh_seconds = REFRESH_SECONDS if training else None
        doc = html.page(self.title, facts, body, legend, refresh_seconds)
        return html.save(doc, self.directory / "index.html")

    def _looks(self) -> list[Look]:
        """Return the looks on disk, newest first, without those an interrupted run took beyond where we are now."""
        names = (FILE_NAME.fullmatch(path.name) for path in self.directory.glob("images/*"))
        looks = [Look(images_seen=int(match[2]), epoch=int(match[1])) for match in names if match]
        return sorted((look for look in looks if not self._newest or look <= self._newest), reverse=True)

    def _row(self, look: Look) -> tags.article | None:
        """Return the row of a look, or None where a picture is missing or damaged that every look has."""
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
            figure = html.picture(path, size, caption, f"{caption}, {when}", css_class)
            figures.setdefault(size[0], []).append(figure)
        heading = tags.h2(f"Epoch {look.epoch}", tags.small(f"{look.images_seen:,} images"))
        return tags.article(heading, [self._pictures(group, width) for width, group in figures.items()])

    def _pictures(self, figures: list[tags.figure], width: int) -> tags.div:
        """Lay out pictures of one width: several samples below each other, sample under sample; one side by side."""
        stacked = width > 2.5 * self.display_width
        return html.picture_row(figures, max(width, self.display_width), stacked)

    def _losses(self, history: Sequence[LossRecord]) -> tags.article:
        first, last = history[0].epoch, history[-1].epoch
        epochs = f"epoch {first}" if first == last else f"epochs {first} to {last}"
        return tags.article(tags.h2("Losses", tags.small(epochs)), loss_charts(history))

    def _facts(self, history: Sequence[LossRecord], training: bool) -> dict[str, str]:
        facts = {"State": "training" if training else "ended"}
        if history:
            facts["Epoch"] = f"{history[-1].epoch}"
            facts["Images of this epoch"] = f"{history[-1].images_this_epoch:,}"
        if self._newest:
            facts["Images shown at"] = f"{self._newest.images_seen:,}"
        return {**facts, "Written": f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S}"}
