"""The page of a test: every label map beside the images generated from it."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from dominate import tags
from dominate.dom_tag import dom_tag
from dominate.util import raw

from util import html
from util.colormap import colorize
from util.errors import InputError
from util.files import replacing
from util.image import save_png

LABELS, RESULTS, PHOTOS = "input_label", "synthesized_image", "real_image"
CANVASES = "input_canvas"
STYLE_PHOTO = re.compile(r"style_image(_\d+)?\.png")
SCORES_NAME, IMAGE_SCORES_NAME, CONFUSION_NAME = "scores.json", "image_scores.json", "confusion.png"
"""Files that evaluate.py writes beside the page."""
FACTS_NAME = "test_facts.json"
"""The facts of the page, for other programs; exists only if the test that wrote the images has completed."""
LABEL_MAPS = "Label maps"
"""The fact that names the folder of label maps; missing for a data set that is drawn."""
TILES = "Tiles"
"""The fact that images are as large as their label maps, computed in tiles; missing for images of one size."""
IMAGE_FOLDER = re.compile(rf"{LABELS}|{CANVASES}|{RESULTS}(_style\d+)?|{PHOTOS}")
STYLE, SCRIPT = (Path(__file__).with_name(f"results_page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
FRACTION_DIGITS = 4
"""Of class fractions in the page's data."""


def result_folder(k: int) -> str:
    """Return the folder of the k-th result of every sample, from 1: each is a complete set that can be scored."""
    return RESULTS if k == 1 else f"{RESULTS}_style{k}"


class ResultsPage:
    """Writes `index.html` and `images/<kind>/<sample name>.png` below `directory`.

    Images are written immediately, the page by `save`. Scores and images of an earlier test in the same folder are
    removed first, so that folder and page hold only what this test made, even if it is interrupted. Those of a scored
    test of other label maps are kept: `InputError` says where this test can go.

    Args:
        directory: usually `results/<experiment>/<phase>_<epoch>`.
        title: heading of the page.
        class_names, class_colors: name and color (n, 3) uint8 of every class id.
        display_width: maximum width of an image on the page, in CSS pixels.
        facts: facts about this test, by name; the number of images is added.
        style_photos: uint8 (H, W, 3) by name: from which photo each result of a sample takes its style, if they do.
    """

    def __init__(
        self,
        directory: Path,
        title: str,
        class_names: Iterable[str],
        class_colors: np.ndarray,
        display_width: int,
        facts: Mapping[str, str],
        style_photos: Mapping[str, np.ndarray] | None = None,
    ):
        self.directory = Path(directory)
        self.title = title
        self.chips = html.Chips(class_names, class_colors)
        self.class_colors = class_colors
        self.display_width = display_width
        self.facts = dict(facts)
        self._names: set[str] = set()
        self._rows: list[str] = []
        self._samples: list[tuple[str, dict[int, float]]] = []
        self._columns: list[tuple[str, str]] = []  # caption and kind
        self._images_with_class: Counter[int] = Counter()
        _refuse_other_label_maps(self.directory, self.facts)
        _remove_earlier_test(self.directory)
        self._style_figures = [
            self._write(style_photo_path(k), photo, name, f"style photo {name}", "photo")
            for k, (name, photo) in enumerate((style_photos or {}).items(), start=1)
        ]

    def add(
        self,
        name: str,
        labels: np.ndarray,
        results: Sequence[tuple[str, np.ndarray]],
        photo: np.ndarray | None = None,
        canvas: np.ndarray | None = None,
    ) -> None:
        """Write the images of one sample, and add its row to the page.

        Args:
            name: unique name; slashes make folders.
            labels: class ids (H, W); or a conditioning image (H, W, 3) uint8 as people see it.
            results: caption and uint8 image (H, W, 3) of every result; the same number for every sample.
            photo: the real image, uint8 (H, W, 3), if there is one.
            canvas: photo segments that the network got with the labels, uint8 (H, W, 3), if it gets them.
        """
        assert name not in self._names, f"two samples are named {name}"
        self._names.add(name)
        is_condition = labels.ndim == 3
        images = [
            (LABELS, labels, "condition", "label")
            if is_condition
            else (LABELS, colorize(labels, self.class_colors), "label map", "label")
        ]
        if canvas is not None:
            images.append((CANVASES, canvas, "canvas", "photo"))
        for k, (caption, image) in enumerate(results, start=1):
            images.append((result_folder(k), image, caption, "result"))
        if photo is not None:
            images.append((PHOTOS, photo, "photo", "photo"))
        figures = [self._sample(folder, name, image, caption, kind) for folder, image, caption, kind in images]
        self._columns = [(caption, kind) for _, _, caption, kind in images]
        fractions = {} if is_condition else html.class_fractions(labels)
        self._images_with_class.update(fractions.keys())
        chips = self.chips.chip_list({class_id: html.percent(fraction) for class_id, fraction in fractions.items()})
        row = tags.article(tags.h2(name), html.image_row(figures, self.display_width, name=name), chips)
        # Kept as text: the tags of thousands of rows would fill the memory.
        self._rows.append(row.render(pretty=False))
        # Rounded up: no class that is there has none.
        scale = 10**FRACTION_DIGITS
        self._samples.append((name, {i: math.ceil(fraction * scale) / scale for i, fraction in fractions.items()}))

    def save(self) -> Path:
        """Write the page with all rows so far; return its path."""
        facts = {**self.facts, "Images": f"{len(self._rows):,}"}
        found = {class_id: _images(count) for class_id, count in self._images_with_class.most_common()}
        legend = self.chips.legend("Classes in these images", found) if found else None
        doc = html.page(self.title, facts, self._body(), legend)
        if self._rows:
            classes = [(class_id, self.chips.names[class_id], self.chips.colors[class_id]) for class_id in found]
            html.enliven(doc, STYLE, SCRIPT, {"rows": self._samples, "classes": classes, "scores": {}})
            html.add_zoom(doc, self.facts.get("Experiment", ""))
        with replacing(self.directory / FACTS_NAME) as temporary:
            temporary.write_text(json.dumps(self.facts, indent=2) + "\n", encoding="utf-8")
        return html.save(doc, self.directory / "index.html")

    def _body(self) -> list[dom_tag]:
        if not self._rows:
            return [tags.p("No images.", cls="note")]
        bar = tags.div(_controls(), cls="bar")
        if self._style_figures:
            bar.add(self._style_header())
        # Scripts take the rows from here as text and draw those in sight; without scripts they are shown as they are.
        return [bar, tags.div(tags.noscript(raw("\n".join(self._rows))), id="rows")]

    def _style_header(self) -> tags.div:
        """The photo of every style above the column of its results, and the captions of the other columns."""
        photos = iter(self._style_figures)
        cells = [next(photos, "") if kind == "result" else tags.span(caption) for caption, kind in self._columns]
        return tags.div(html.image_row(cells, self.display_width, name="style photos"), cls="styles")

    def _sample(self, folder: str, name: str, image: np.ndarray, caption: str, kind: str) -> tags.figure:
        # Not with_suffix: "street.v2" is a name, ".v2" is no extension.
        return self._write(PurePosixPath("images", folder, f"{name}.png"), image, caption, f"{caption} of {name}", kind)

    def _write(self, path: PurePosixPath, image: np.ndarray, caption: str, alt: str, kind: str) -> tags.figure:
        save_png(image, self.directory / path)
        height, width = image.shape[:2]
        return html.image_figure(path, (width, height), caption, alt, kind)


def style_photo_path(k: int) -> PurePosixPath:
    """Return the file of the k-th style photo, from 1, relative to the page."""
    return PurePosixPath("images", "style_image.png" if k == 1 else f"style_image_{k}.png")


def add_scores(directory: Path, scores: Mapping[str, Mapping[str, float | None]]) -> bool:
    """Put scores of single images on the rows of a page, which can then be sorted by them; return whether it was done.

    It is not where there is no page, or one of an earlier version. Scores of the same names are replaced, others stay.

    Args:
        directory: of the page.
        scores: value of every sample by the name of the score and that of the sample; samples may be missing or None.
    """
    path = directory / "index.html"
    try:
        data = html.read_data(path)
    except FileNotFoundError:
        return False
    if not isinstance(data, dict) or "scores" not in data:
        return False
    html.replace_data(path, {**data, "scores": {**data["scores"], **scores}})
    return True


def read_classes(directory: Path) -> list[tuple[str, str]]:
    """Name and color `#rrggbb` of the classes in the label maps of a test; empty if its page does not say them."""
    try:
        data = html.read_data(directory / "index.html")
        return [(name, color) for _, name, color in data["classes"]]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def read_facts(directory: Path) -> dict[str, str]:
    """The facts of the test whose images are below `directory`; empty if they are not known."""
    try:
        facts = json.loads((directory / FACTS_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _controls() -> tags.nav:
    """What the script searches, sorts and filters by; hidden without it."""
    sort = tags.label("Sort by", tags.select(id="sort"))
    least = tags.input_(id="least", type="number", min="0", max="100", step="any", value="0")
    return tags.nav(
        tags.input_(id="search", type="search", placeholder="Search names", aria_label="search names"),
        sort,
        tags.button(id="direction", type="button"),
        tags.button("Show all", id="reset", type="button"),
        tags.output(id="count", role="status"),
        tags.div(
            tags.span("Rows with"),
            tags.span(id="chosen"),
            tags.label("each at least", least, "% of the pixels"),
            id="filter",
        ),
        hidden=True,
        aria_label="rows",
    )


def _images(count: int) -> str:
    return f"{count:,} image{'s' if count > 1 else ''}"


def _refuse_other_label_maps(directory: Path, facts: Mapping[str, str]) -> None:
    """Raise an `InputError` if `directory` holds a scored test of other label maps than this one's."""
    theirs, ours = (known.get(LABEL_MAPS) for known in (read_facts(directory), facts))
    if not theirs or not ours or Path(theirs).resolve() == Path(ours).resolve():
        return
    if _are_scores(directory / SCORES_NAME):
        raise InputError(
            f"{directory} holds images and scores of the label maps in {theirs}, which those of {ours} would replace; "
            f"add --results_dir DIR, another folder, or another --phase"
        )


def _remove_earlier_test(directory: Path) -> None:
    """Remove scores, page and PNG files of an earlier test; keep all files that no test or evaluation makes."""
    for name in (SCORES_NAME, IMAGE_SCORES_NAME):
        if _are_scores(directory / name):
            (directory / name).unlink()
            if name == SCORES_NAME:
                print(f"removed the scores of an earlier test: {directory / name}")
    for path in (directory / CONFUSION_NAME, directory / FACTS_NAME, directory / "index.html"):
        path.unlink(missing_ok=True)
    for path in directory.glob("images/*.png"):
        if STYLE_PHOTO.fullmatch(path.name):
            path.unlink()
    for folder in directory.glob("images/*"):
        if not IMAGE_FOLDER.fullmatch(folder.name):
            continue
        if folder.is_symlink():  # perhaps to the user's own photos
            folder.unlink()
            continue
        for path in sorted(folder.rglob("*"), reverse=True):  # files before the folders they are in
            if path.is_dir() and not path.is_symlink():
                _remove_if_empty(path)
            elif path.suffix == ".png":
                path.unlink()
        _remove_if_empty(folder)


def _are_scores(path: Path) -> bool:
    """Whether a file was probably written by evaluate.py."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and {"format", "scores"} <= content.keys()


def _remove_if_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()
