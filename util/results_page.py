"""The page of a test: every label map beside the images generated from it."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from dominate import tags
from dominate.util import raw

from util import html
from util.colormap import colorize
from util.files import replacing
from util.image import save_png

LABELS, RESULTS, PHOTOS = "input_label", "synthesized_image", "real_image"
CANVASES = "input_canvas"
STYLE_PHOTO = PurePosixPath("images/style_image.png")
SCORES_NAME, CONFUSION_NAME = "scores.json", "confusion.png"
"""Files that evaluate.py writes beside the page."""
FACTS_NAME = "test_facts.json"
"""The facts of the page, for other programs; exists only if the test that wrote the images has completed."""
IMAGE_FOLDER = re.compile(rf"{LABELS}|{CANVASES}|{RESULTS}(_style\d+)?|{PHOTOS}")


def result_folder(k: int) -> str:
    """Return the folder of the k-th result of every sample, from 1: each is a complete set that can be scored."""
    return RESULTS if k == 1 else f"{RESULTS}_style{k}"


class ResultsPage:
    """Writes `index.html` and `images/<kind>/<sample name>.png` below `directory`.

    Images are written immediately, the page by `save`. Scores and images of an earlier test in the same folder are
    removed first, so that folder and page hold only what this test made, even if it is interrupted.

    Args:
        directory: usually `results/<experiment>/<phase>_<epoch>`.
        title: heading of the page.
        class_names, class_colors: name and color (n, 3) uint8 of every class id.
        display_width: maximum width of an image on the page, in CSS pixels.
        facts: facts about this test, by name; the number of images is added.
        style_photo: uint8 (H, W, 3), the photo from which all results take their style, if any.
    """

    def __init__(
        self,
        directory: Path,
        title: str,
        class_names: Iterable[str],
        class_colors: np.ndarray,
        display_width: int,
        facts: Mapping[str, str],
        style_photo: np.ndarray | None = None,
    ):
        self.directory = Path(directory)
        self.title = title
        self.chips = html.Chips(class_names, class_colors)
        self.class_colors = class_colors
        self.display_width = display_width
        self.facts = dict(facts)
        self._names: set[str] = set()
        self._rows: list[str] = []
        self._images_with_class: Counter[int] = Counter()
        _remove_earlier_test(self.directory)
        self.style_figure = None
        if style_photo is not None:
            self.style_figure = self._write(STYLE_PHOTO, style_photo, "style", "style image of all results", "photo")

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
            labels: class ids (H, W).
            results: caption and uint8 image (H, W, 3) of every result; the same number for every sample.
            photo: the real image, uint8 (H, W, 3), if there is one.
            canvas: photo segments that the network got with the labels, uint8 (H, W, 3), if it gets them.
        """
        assert name not in self._names, f"two samples are named {name}"
        self._names.add(name)
        figures = [self._sample(LABELS, name, colorize(labels, self.class_colors), "label map", "label")]
        if canvas is not None:
            figures.append(self._sample(CANVASES, name, canvas, "canvas", "photo"))
        for k, (caption, image) in enumerate(results, start=1):
            figures.append(self._sample(result_folder(k), name, image, caption, "result"))
        if photo is not None:
            figures.append(self._sample(PHOTOS, name, photo, "photo", "photo"))
        fractions = html.class_fractions(labels)
        self._images_with_class.update(fractions.keys())
        chips = self.chips.chip_list({class_id: html.percent(fraction) for class_id, fraction in fractions.items()})
        row = tags.article(tags.h2(name), html.image_row(figures, self.display_width, name=name), chips)
        # Kept as text: the tags of thousands of rows would fill the memory.
        self._rows.append(row.render(pretty=False))

    def save(self) -> Path:
        """Write the page with all rows so far; return its path."""
        facts = {**self.facts, "Images": f"{len(self._rows):,}"}
        body = [raw(row + "\n") for row in self._rows] or [tags.p("No images.", cls="note")]
        if self.style_figure is not None:
            body.insert(0, tags.article(tags.h2("Style"), html.image_row([self.style_figure], self.display_width)))
        found = {class_id: _images(count) for class_id, count in self._images_with_class.most_common()}
        legend = self.chips.legend("Classes in these images", found) if found else None
        with replacing(self.directory / FACTS_NAME) as temporary:
            temporary.write_text(json.dumps(self.facts, indent=2) + "\n", encoding="utf-8")
        doc = html.page(self.title, facts, body, legend)
        html.add_zoom(doc, self.facts.get("Experiment", ""))
        return html.save(doc, self.directory / "index.html")

    def _sample(self, folder: str, name: str, image: np.ndarray, caption: str, kind: str) -> tags.figure:
        # Not with_suffix: "street.v2" is a name, ".v2" is no extension.
        return self._write(PurePosixPath("images", folder, f"{name}.png"), image, caption, f"{caption} of {name}", kind)

    def _write(self, path: PurePosixPath, image: np.ndarray, caption: str, alt: str, kind: str) -> tags.figure:
        save_png(image, self.directory / path)
        height, width = image.shape[:2]
        return html.image_figure(path, (width, height), caption, alt, kind)


def read_facts(directory: Path) -> dict[str, str]:
    """The facts of the test whose images are below `directory`; empty if they are not known."""
    try:
        facts = json.loads((directory / FACTS_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _images(count: int) -> str:
    return f"{count:,} image{'s' if count > 1 else ''}"


def _remove_earlier_test(directory: Path) -> None:
    """Remove scores, page and PNG files of an earlier test; keep all files that no test or evaluation makes."""
    if _are_scores(directory / SCORES_NAME):
        (directory / SCORES_NAME).unlink()
    for path in (directory / CONFUSION_NAME, directory / FACTS_NAME, directory / "index.html", directory / STYLE_PHOTO):
        path.unlink(missing_ok=True)
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
