"""Surveying a whole data set: its files, the problems with them, and the content of its label maps."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from types import SimpleNamespace
from typing import Any

from data import check_batch_size
from data.checking.inspection import Inspector, Problem, SampleReport
from data.files import Files
from data.paired import PairedDataset
from data.pairs import SamplePaths
from data.palette import Color
from data.parallel import parallel_map
from data.preprocess import Preprocess, Size
from data.read import LabelIds
from options.data_file import described
from util.errors import InputError

COLORS_KEPT = 4096  # of the whole data set
NO_FILES = Files({})

Progress = Callable[[Iterator[SampleReport], int], Iterator[SampleReport]]


@dataclasses.dataclass
class Survey:
    """Findings about a data set. Apart from lists of problems and names, its size does not grow with the data set."""

    ids: LabelIds
    class_names: tuple[str, ...]
    counts: dict[str, int]  # files found: labels, images, instances; and samples
    folders: dict[str, str]  # of one file of each kind
    unpaired: dict[str, list[str]]
    problems: list[Problem]
    pixels: Counter[int] = dataclasses.field(default_factory=Counter)  # value -> pixels
    files: Counter[int] = dataclasses.field(default_factory=Counter)  # value -> number of label maps that hold it
    label_sizes: Counter[Size] = dataclasses.field(default_factory=Counter)
    photo_sizes: Counter[Size] = dataclasses.field(default_factory=Counter)
    photo_modes: Counter[str] = dataclasses.field(default_factory=Counter)
    photo_traits: dict[str, list[str]] = dataclasses.field(default_factory=dict)  # key of `TRAITS` -> names
    blended: list[str] = dataclasses.field(default_factory=list)  # names
    palette: dict[int, tuple[Color, str]] = dataclasses.field(default_factory=dict)  # index -> color, first name
    palettes_differ: list[str] = dataclasses.field(default_factory=list)  # names
    shown: set[Color] = dataclasses.field(default_factory=set)  # colors in which viewers show the id maps
    colors: Counter[Color] = dataclasses.field(default_factory=Counter)  # of color-coded masks -> pixels
    smooth_colors: list[str] = dataclasses.field(default_factory=list)  # names of masks with very many colors
    instance_maps: Counter[bool] = dataclasses.field(default_factory=Counter)  # is one value only -> files
    turned: dict[str, list[str]] = dataclasses.field(default_factory=dict)  # kind, EXIF not applied -> names

    def value_rows(self) -> list[dict[str, Any]]:
        """A row for each value that label maps hold, in order: value, name, allowed, pixels, fraction (0..1), files."""
        total = sum(self.pixels.values())
        unknown = self.ids.unknown_value if self.ids.contain_dontcare_label else None
        rows = []
        for value, pixels in sorted(self.pixels.items()):
            channel = self.ids.label_nc if value == unknown else value
            is_allowed = value == unknown or 0 <= value < self.ids.count
            rows.append({
                "value": value, "name": self.class_names[channel] if is_allowed else None, "allowed": is_allowed,
                "pixels": pixels, "fraction": pixels / total, "files": self.files[value],
            })  # fmt: skip
        return rows

    def add(self, report: SampleReport) -> None:
        """Add the report of one sample."""
        self.problems += report.problems
        self.pixels.update(report.values or {})
        self.files.update((report.values or {}).keys())
        if report.size is not None:
            self.label_sizes[report.size] += 1
        if report.photo_size is not None:
            self.photo_sizes[report.photo_size] += 1
        if report.photo_mode is not None:
            self.photo_modes[report.photo_mode] += 1
        if report.constant_instances is not None:
            self.instance_maps[report.constant_instances] += 1
        for trait in report.photo_traits:
            self.photo_traits.setdefault(trait, []).append(report.name)
        for kind in report.turned:
            self.turned.setdefault(kind, []).append(report.name)
        if report.is_blended:
            self.blended.append(report.name)
        self._add_colors(report)

    def _add_colors(self, report: SampleReport) -> None:
        if len(self.shown) < COLORS_KEPT:
            self.shown |= report.shown
        for index, color in (report.palette or {}).items():
            first, _ = self.palette.setdefault(index, (color, report.name))
            if first != color:
                self.palettes_differ.append(report.name)
                break
        if report.num_colors > len(report.colors or {}):
            self.smooth_colors.append(report.name)
            return
        for color, count in (report.colors or {}).items():
            if color in self.colors or len(self.colors) < COLORS_KEPT:
                self.colors[color] += count

    @property
    def is_fine(self) -> bool:
        """Whether training, or testing, with these options would read every sample."""
        return not self.problems

    @property
    def unseen(self) -> list[int]:
        """Class ids that no label map holds."""
        return [value for value in range(self.ids.count) if value not in self.pixels]


def survey(
    dataset_class: type[PairedDataset], opt, workers: int, progress: Progress = lambda reports, total: reports
) -> Survey:
    """Read every file of a data set as training or testing would, collecting errors instead of stopping.

    Args:
        opt: train options, or test options to check what testing needs.
        workers: number of processes.
        progress: wraps the iterator of reports, given their number, to show a progress bar.
    """
    files, samples, problems = find_samples(dataset_class, opt)
    names, _ = dataset_class.classes(opt.label_nc, opt.contain_dontcare_label, described(opt))
    kinds = {"labels": files.labels, "images": files.images, "instances": files.instances}
    result = Survey(
        ids=dataset_class.label_ids(opt),
        class_names=names,
        counts={kind: len(paths) for kind, paths in kinds.items()} | {"samples": len(samples)},
        folders={kind: str(next(iter(paths.values())).parent) for kind, paths in kinds.items() if paths},
        unpaired=unpaired(files) if opt.pairing_check else {},
        problems=problems,
    )
    preprocess = Preprocess(
        opt.preprocess_mode, opt.load_size, opt.crop_size, opt.aspect_ratio, random=opt.is_train, flip=False
    )
    inspector = Inspector(result.ids, preprocess, opt.apply_exif)
    for report in progress(parallel_map(inspector, samples, workers), len(samples)):
        result.add(report)
    if samples:
        try:
            check_batch_size(opt, len(samples))
        except InputError as error:  # fewer samples than a batch
            result.problems.append(Problem("batch", "", str(error)))
    return result


def find_samples(dataset_class: type[PairedDataset], opt) -> tuple[Files, list[SamplePaths], list[Problem]]:
    """Find files and samples, and the problems at which training or testing would stop before reading any sample.

    After such a problem, samples may lack photos and instance maps.
    """
    # Not through the constructor, which stops at the first problem.
    dataset = dataset_class.__new__(dataset_class)
    refusals: dict[str, None] = {}  # an ordered set

    def attempt(find: Callable[[Any], Any], options) -> Any:
        try:
            return find(options)
        except InputError as error:
            refusals.setdefault(str(error))
            return None

    def find_files(options) -> Files:
        with dataset.explaining(options):
            return dataset.find_files(options)

    samples = attempt(dataset._find_samples, opt)
    files = NO_FILES
    for needs_less in ({}, {"instance": False}, {"is_train": False}, {"instance": False, "is_train": False}):
        found = attempt(find_files, _relaxed(opt, needs_less))
        if found is not None:
            files = found
            break
    if samples is None:
        samples = pair_what_pairs(files, opt.pairing_check)[: opt.max_dataset_size]
    return files, samples, [Problem("files", "", message) for message in refusals]


def _relaxed(opt, changes: dict[str, Any]) -> SimpleNamespace:
    """Copy the options with unchecked `changes`. (`dataclasses.replace` would refuse `is_train`, which is no field.)"""
    return SimpleNamespace(**vars(opt) | {"is_train": opt.is_train} | changes)


def pair_what_pairs(files: Files, by_name: bool) -> list[SamplePaths]:
    """Make a sample for every label map, with its photo and instance map if they exist."""
    if by_name:
        return [
            SamplePaths(name, path, files.images.get(name), files.instances.get(name))
            for name, path in files.labels.items()
        ]
    images, instances = (chain(kind.values(), repeat(None)) for kind in (files.images, files.instances))
    return [SamplePaths(name, path, *others) for (name, path), *others in zip(files.labels.items(), images, instances)]


def unpaired(files: Files) -> dict[str, list[str]]:
    """Names that one kind of file has and another lacks; kinds without any file are not compared."""
    result = {}
    for kind, others in (("image", files.images), ("instances", files.instances)):
        result[f"labels_without_{kind}"] = [name for name in files.labels if others and name not in others]
        plural = kind.rstrip("s") + "s"
        result[f"{plural}_without_labels"] = [name for name in others if name not in files.labels]
    return result
