"""Inspecting one sample: a small report of problems with its files, and of the content of its label map."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.id_advice import mask_levels
from data.id_maps import ColoredError, NotIdsError, verify
from data.masks import is_jpeg, read_colors
from data.opening import UPRIGHT, SeveralImagesError, opened, orientation_of
from data.orientation import by_kind, check_same_size
from data.pairs import SamplePaths
from data.palette import Color, pack, unpacked
from data.photos import traits
from data.preprocess import Preprocess, Size
from data.read import LabelIds, image_size, read_image, read_instances, read_labels
from util.errors import InputError

COLORS_KEPT = 256  # of one mask; a mask with more colors has smooth edges or is a photo
BLENDED_FRACTION = 0.15
"""If more than this fraction of the edges are slopes, a map was smoothed. Measured on real maps: sharp ones are below
0.02, and below 0.09 after shrinking to a tenth; maps resized with bilinear or bicubic interpolation are above 0.33,
JPEG mostly above 0.2."""
FEWEST_EDGES = 20  # with fewer, the fraction is not reliable


class Problem(NamedTuple):
    """Something that would stop training or testing, or make it learn from damaged files."""

    kind: str  # a key of `KINDS`
    file: str  # path of the file; "" if it is not about one file
    message: str  # one line for the user


KINDS = {
    "files": "files that are not where they should be, or do not pair",
    "batch": "fewer samples than a batch",
    "unreadable": "files that cannot be read, or are damaged",
    "frames": "files of several frames or pages",
    "color": "label or instance maps in colors instead of ids",
    "not_ids": "label or instance maps in a format that cannot hold ids",
    "label_range": "label maps with ids out of range",
    "size": "files of one sample that differ in size",
    "preprocess": "sizes that do not suit the preprocessing",
}
KIND_OF = {SeveralImagesError: "frames", ColoredError: "color", NotIdsError: "not_ids"}  # others are unreadable


@dataclass
class SampleReport:
    """Findings about one sample; a few hundred bytes for files of any size."""

    name: str
    problems: list[Problem] = field(default_factory=list)
    size: Size | None = None  # of the label map
    photo_size: Size | None = None
    photo_mode: str | None = None  # Pillow's
    photo_traits: list[str] = field(default_factory=list)  # keys of `TRAITS`
    values: dict[int, int] | None = None  # label map: value in the file -> pixels
    is_blended: bool = False  # label map: edges between regions are slopes
    palette: dict[int, Color] | None = None  # palette label map: used index -> color
    shown: set[Color] = field(default_factory=set)  # label map with ids: the colors that a viewer shows
    colors: dict[Color, int] | None = None  # color-coded label map: the most frequent colors -> pixels
    num_colors: int = 0
    constant_instances: bool | None = None  # whether the instance map is one value only
    turned: list[str] = field(default_factory=list)  # kinds of its files with an EXIF orientation not applied: "photos"


@dataclass(frozen=True)
class Inspector:
    """Reads every file of a sample as training does, but collects errors instead of stopping."""

    ids: LabelIds
    preprocess: Preprocess
    apply_exif: bool = False  # the option

    def __call__(self, paths: SamplePaths) -> SampleReport:
        report = SampleReport(paths.name)
        if not self.apply_exif:
            report.turned = [kind for kind, files in by_kind([paths]).items() if any(map(is_turned, files))]
        self._inspect_labels(paths.labels, report)
        if paths.instances is not None:
            self._inspect_instances(paths.instances, paths.labels, report)
        if paths.image is not None:
            self._inspect_photo(paths.image, paths.labels, report)
        return report

    def _inspect_labels(self, path: Path, report: SampleReport) -> None:
        try:
            report.size = image_size(path, self.apply_exif)
            self.preprocess.check(report.size, path)
        except InputError as error:
            report.problems.append(Problem("preprocess" if report.size else "unreadable", str(path), str(error)))
        if report.size is None:
            return
        try:
            labels = self._values_in_file(np.asarray(read_labels(path, self.ids, self.apply_exif)))
        except InputError as error:
            labels = self._read_whatever_ids(path, error, report)
        if labels is not None:
            self._describe(labels, path, report)
            report.problems += damage(path)

    def _values_in_file(self, labels: np.ndarray) -> np.ndarray:
        """Map the unknown id back to the value in the file."""
        if not self.ids.contain_dontcare_label or self.ids.unknown_value is None:
            return labels
        return np.where(labels == self.ids.label_nc, self.ids.unknown_value, labels)

    def _read_whatever_ids(self, path: Path, refusal: InputError, report: SampleReport) -> np.ndarray | None:
        """Report why a label map was refused; still return its values, if it holds any."""
        try:
            labels = np.asarray(read_instances(path, self.apply_exif))
        except InputError:
            problem = classify(path, refusal)
            report.problems.append(problem)
            if problem.kind == "color":
                report.colors, report.num_colors = count_colors(path)
            return None
        report.problems.append(Problem("label_range", str(path), str(refusal)))
        return labels

    def _describe(self, labels: np.ndarray, path: Path, report: SampleReport) -> None:
        report.values = count_values(labels)
        report.is_blended = is_blended(labels)
        with opened(path) as image:
            if image.mode == "P":
                flat = image.getpalette("RGB") or []
                used = (index for index in report.values if 0 <= index < len(flat) // 3)
                report.palette = {index: (flat[3 * index], flat[3 * index + 1], flat[3 * index + 2]) for index in used}
                report.shown = {*report.palette.values()}
            else:
                levels = mask_levels([value * 255 for value in report.values] if image.mode == "1" else report.values)
                report.shown = {(level, level, level) for level in levels or ()}

    def _inspect_instances(self, path: Path, labels: Path, report: SampleReport) -> None:
        try:
            instances = np.asarray(read_instances(path, self.apply_exif))
        except InputError as error:
            report.problems.append(classify(path, error))
            return
        report.constant_instances = bool((instances == instances.flat[0]).all())
        report.problems += damage(path)
        height, width = instances.shape
        self._compare_sizes(labels, report, path, (width, height))

    def _inspect_photo(self, path: Path, labels: Path, report: SampleReport) -> None:
        try:
            read_image(path)
            report.photo_size = size = image_size(path, self.apply_exif)
        except InputError as error:
            report.problems.append(classify(path, error))
            return
        with opened(path) as image:
            report.photo_mode = image.mode
        report.photo_traits = traits(path)
        report.problems += damage(path)
        self._compare_sizes(labels, report, path, size)

    def _compare_sizes(self, labels: Path, report: SampleReport, other: Path, size: Size) -> None:
        if report.size is not None:
            try:
                check_same_size(labels, report.size, other, size, self.apply_exif)
            except InputError as error:
                report.problems.append(Problem("size", str(other), str(error)))


def classify(path: Path, refusal: InputError) -> Problem:
    """Make the problem of a refused file, with its kind."""
    kind = next((kind for error, kind in KIND_OF.items() if isinstance(refusal, error)), "unreadable")
    if kind == "color" and is_jpeg(path):
        kind = "not_ids"
    return Problem("unreadable" if damage(path) else kind, str(path), str(refusal))


def is_turned(path: Path) -> bool:
    """Whether the EXIF orientation of a file asks to rotate or mirror it for display."""
    return orientation_of(path) != UPRIGHT


def damage(path: Path) -> list[Problem]:
    """Return a problem if the checksums of a PNG do not match; it may still decode, but to wrong pixels."""
    try:
        with opened(path) as image:
            is_png = image.format == "PNG"
        if is_png:
            verify(path)
    except InputError as error:
        return [Problem("unreadable", str(path), str(error))]
    return []


def count_values(labels: np.ndarray) -> dict[int, int]:
    """Count the pixels of every value of an integer map (H, W)."""
    if labels.min() >= 0 and labels.max() < 1 << 16:
        counts = np.bincount(labels.ravel())
        values = np.flatnonzero(counts)
        counts = counts[values]
    else:
        values, counts = np.unique(labels, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist()))


def is_blended(labels: np.ndarray) -> bool:
    """Whether edges are slopes, with values between those of the two regions, as left by smoothing and JPEG.

    Compares, along rows and columns, the number of changes of value with the number of those that continue in the same
    direction at the next pixel. In an id map the latter need a region one pixel wide.
    """
    changes = slopes = 0
    for axis in (0, 1):
        rises = np.diff(labels.astype(np.int32), axis=axis)
        up, down = rises > 0, rises < 0
        before, after = (slice(None, -1), slice(1, None))
        first, second = ((before, slice(None)), (after, slice(None))) if axis == 0 else ((..., before), (..., after))
        changes += int(up.sum()) + int(down.sum())
        slopes += int((up[first] & up[second]).sum()) + int((down[first] & down[second]).sum())
    return changes >= FEWEST_EDGES and slopes > BLENDED_FRACTION * changes


def count_colors(path: Path) -> tuple[dict[Color, int], int]:
    """Count the pixels of a mask's most frequent colors, and all its colors; ({}, 0) if it is unreadable."""
    try:
        rgba = read_colors(path)
    except InputError:
        return {}, 0
    numbers, counts = np.unique(pack(rgba), return_counts=True)
    most = np.argsort(-counts, kind="stable")[:COLORS_KEPT]
    return {unpacked(number): count for number, count in zip(numbers[most].tolist(), counts[most].tolist())}, len(
        counts
    )
