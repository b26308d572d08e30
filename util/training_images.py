"""The images of a training on its page: fixed samples over time, and batches of the training."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from dominate import tags
from PIL import Image

from util import html
from util.image import GAP, save_png

MAX_ROWS = 40
"""Batches on the page; the folder holds all."""
MAX_MOMENTS = 300
"""Moments of the fixed samples on the page."""
CONDITION = "condition"
"""Caption of conditioning images."""
INPUTS = ("input_label", "label_map")
"""Kinds whose caption is that of label maps or of what is in their place."""
KINDS = {
    "input_label": ("label map", "label"),
    "synthesized_image": ("generated image", "result"),
    "real_image": ("photo", "photo"),
}
FIXED = "fixed_sample"
FIXED_INPUTS = {"label_map": ("label map", "label"), "photo": ("photo", "photo")}
FILE_NAME = re.compile(rf"epoch(\d{{3,}})_iter(\d{{3,}})_({'|'.join([*KINDS, FIXED])})\.png")


@dataclass(frozen=True, order=True)
class Look:
    """A moment at which images were saved: after `images_seen` images of the training, in `epoch`."""

    images_seen: int
    epoch: int

    def file_name(self, kind: str) -> str:
        return f"epoch{self.epoch:03d}_iter{self.images_seen:03d}_{kind}.png"

    def __str__(self) -> str:
        return f"epoch {self.epoch}, {self.images_seen:,} images"


class TrainingImages:
    """Images in `images/epochEEE_iterNNN_<kind>.png` and `fixed/<kind>_<number>.png` below `directory`.

    They are found in the folder, so that a resumed training also shows earlier images.

    Args:
        display_width: width of a batch's image on the page, in CSS pixels.
        input_caption: what networks generate from, in words.
    """

    def __init__(self, directory: Path, display_width: int, input_caption: str = "label map"):
        self.directory = Path(directory)
        self.display_width = display_width
        self.input_caption = input_caption
        self.newest: Look | None = None
        self._sizes: dict[PurePosixPath, tuple[tuple[int, int], tuple[int, int] | None]] = {}

    def add(self, look: Look, images: Mapping[str, np.ndarray]) -> None:
        """Write images (H, W, 3) uint8 by kind."""
        self.newest = look
        for kind, image in images.items():
            save_png(image, self.directory / "images" / look.file_name(kind))

    def add_fixed(self, label_maps: Sequence[np.ndarray], photos: Sequence[np.ndarray]) -> None:
        """Write what the fixed samples are generated from, (H, W, 3) uint8 each."""
        for kind, images in zip(FIXED_INPUTS, (label_maps, photos)):
            for number, image in enumerate(images, start=1):
                save_png(image, self.directory / "fixed" / f"{kind}_{number}.png")

    def looks(self) -> dict[str, list[Look]]:
        """The looks on disk by kind, newest first, without later ones that an interrupted run has left."""
        names = (FILE_NAME.fullmatch(path.name) for path in self.directory.glob("images/*"))
        found: dict[str, list[Look]] = {kind: [] for kind in [*KINDS, FIXED]}
        for match in filter(None, names):
            look = Look(images_seen=int(match[2]), epoch=int(match[1]))
            if self.newest is None or look <= self.newest:
                found[match[3]].append(look)
        return {kind: sorted(looks, reverse=True) for kind, looks in found.items()}

    def batches(self, looks: Sequence[Look]) -> tags.details:
        """The label maps, images and photos of training batches, newest first and folded."""
        rows = [row for look in looks[:MAX_ROWS] if (row := self._row(look))]
        if len(looks) > MAX_ROWS:
            folder = tags.a("images", href="images/")
            rows.append(tags.p(f"Older: {len(looks) - MAX_ROWS:,} more in the folder ", folder, ".", cls="note"))
        return tags.details(tags.summary("Batches of the training, newest first"), rows, id="batches", cls="card")

    def strip(self, looks: Sequence[Look], source: str) -> tuple[tags.article, dict[str, Any]] | None:
        """The fixed samples with a slider over `looks`, and the data of its script; None if there are no images.

        Args:
            source: which data the samples are of, and how they are generated.
        """
        sizes = {look: self._size(PurePosixPath("images", look.file_name(FIXED))) for look in _thinned(looks)}
        last = next(iter(sizes.values()), None)
        moments = [look for look, size in sizes.items() if size == last][::-1]  # oldest first
        if last is None:
            return None
        title = tags.h2("Fixed samples", tags.small(source))
        newest = PurePosixPath("images", moments[-1].file_name(FIXED))
        tiles = [tags.div(tile, cls="sample") for tile in self._tiles(newest, last)]
        control = {"type": "range", "min": 0, "max": len(moments) - 1, "value": len(moments) - 1, "step": 1}
        controls = tags.div(
            tags.button("Play", type="button", id="play"),
            tags.label(tags.span("Moment", cls="hidden"), tags.input_(id="moment", **control)),
            tags.output(str(moments[-1]), id="when"),
            cls="controls needs-script",
        )
        data = [
            {"src": f"images/{look.file_name(FIXED)}", "seen": look.images_seen, "when": str(look)} for look in moments
        ]
        return tags.article(title, controls, tags.div(tiles, cls="samples"), id="samples"), {"moments": data}

    def _tiles(self, path: PurePosixPath, size: tuple[int, int]) -> list[list[tags.figure]]:
        """For each sample the figures of label map, image and photo; one figure of all images if inputs are unknown."""
        numbered = ({kind: PurePosixPath("fixed", f"{kind}_{i}.png") for kind in FIXED_INPUTS} for i in count(1))
        inputs = list(
            takewhile(lambda files: all((self.directory / path).is_file() for path in files.values()), numbered)
        )
        tile = self._size(inputs[0]["photo"]) if inputs else None
        if tile is None or not _fits(size, tile, len(inputs)):
            return [[html.image_figure(path, size, "generated", "fixed samples", "result moment")]]
        columns = min(len(inputs), 4)
        tiles = []
        for number, files in enumerate(inputs):
            corner = [place * (length + GAP) for place, length in zip((number % columns, number // columns), tile)]
            frame = f"aspect-ratio:{tile[0]}/{tile[1]}"
            crop = (
                f"width:{100 * size[0] / tile[0]:.4f}%;left:{-100 * corner[0] / tile[0]:.4f}%;"
                f"top:{-100 * corner[1] / tile[1]:.4f}%"
            )
            image = tags.img(src=html.url(path), width=size[0], height=size[1], style=crop, alt=f"sample {number + 1}")
            generated = tags.figure(
                tags.a(image, href=html.url(path), style=frame), tags.figcaption("generated"), cls="result moment crop"
            )
            given = {
                kind: html.image_figure(files[kind], tile, caption, f"{caption} of sample {number + 1}", css_class)
                for kind, (caption, css_class) in self._captioned(FIXED_INPUTS).items()
            }
            tiles.append([given["label_map"], generated, given["photo"]])
        return tiles

    def _captioned(self, kinds: Mapping[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
        """The kinds with the caption of this training's inputs."""
        return {
            kind: (self.input_caption if kind in INPUTS else caption, css_class)
            for kind, (caption, css_class) in kinds.items()
        }

    def _row(self, look: Look) -> tags.section | None:
        """Return the images of a batch, or None if one is missing or damaged."""
        paths = {kind: PurePosixPath("images", look.file_name(kind)) for kind in KINDS}
        sizes = [self._size(path) for path in paths.values()]
        known = [size for size in sizes if size is not None]
        if len(known) < len(KINDS):
            return None
        figures = [
            html.image_figure(paths[kind], size, caption, f"{caption}, {look}", css_class)
            for (kind, (caption, css_class)), size in zip(self._captioned(KINDS).items(), known)
        ]
        heading = tags.h2(f"Epoch {look.epoch}", tags.small(f"{look.images_seen:,} images"))
        # Mosaics of several samples lie below each other, single samples side by side.
        width = known[0][0]
        stacked = width > 2.5 * self.display_width
        return tags.section(heading, html.image_row(figures, max(width, self.display_width), stacked, str(look)))

    def _size(self, path: PurePosixPath) -> tuple[int, int] | None:
        """Width and height of an image; None if it is missing or damaged. Unchanged files are read once."""
        try:
            stat = (self.directory / path).stat()
            state = stat.st_mtime_ns, stat.st_size
            if path not in self._sizes or self._sizes[path][0] != state:
                self._sizes[path] = state, None
                with Image.open(self.directory / path) as image:
                    self._sizes[path] = state, image.size
        except OSError:
            return None
        return self._sizes[path][1]


def _fits(mosaic: tuple[int, int], tile: tuple[int, int], tiles: int) -> bool:
    """Whether a mosaic holds this number of tiles, four in a row."""
    places = min(tiles, 4), (tiles + 3) // 4
    return mosaic == tuple(place * (length + GAP) - GAP for place, length in zip(places, tile))


def _thinned(looks: Sequence[Look]) -> list[Look]:
    """At most `MAX_MOMENTS` of the looks, evenly; the newest and the oldest are among them."""
    if len(looks) <= MAX_MOMENTS:
        return list(looks)
    return [looks[int(place)] for place in np.linspace(0, len(looks) - 1, MAX_MOMENTS).round()]
