"""The compared runs: their images, scores and options on disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from data.files import find_image_files, natural_key
from data.read import read_image
from options import TrainOptions, load_saved
from options.data_file import describe_the_same
from options.field import declared_options
from options.saved import SAVED_NAME
from scripts.compare.scores import Scores, read_scores
from scripts.compare.stale import why_stale
from util.errors import InputError
from util.find_results import find_test
from util.results_page import LABELS, PHOTOS, RESULTS, SCORES_NAME

ABSENT = object()


@dataclass(frozen=True)
class Run:
    """One test of one run, or any folder of generated images.

    Attributes:
        folder: `<phase>_<epoch>`, or the folder of images.
        labels, results, photos: images by sample name.
        scores: None if it was not evaluated.
        options: of the training; None if they are missing.
        stale: why its scores are missing or of earlier networks, in a sentence; "" if they are not.
    """

    name: str
    folder: Path
    labels: Mapping[str, Path]
    results: Mapping[str, Path]
    photos: Mapping[str, Path]
    scores: Scores | None
    options: Mapping[str, Any] | None
    stale: str = ""

    @property
    def samples(self) -> set[str]:
        """Names of the tested samples."""
        return {*self.labels, *self.results}

    def score_of(self, sample: str) -> Mapping[str, float]:
        """The scores of one image; empty if there are none."""
        return self.scores.per_image.get(sample, {}) if self.scores else {}


def read_runs(names: Sequence[str], results_dir: Path, checkpoints_dir: Path, which: str | None) -> list[Run]:
    """Read all runs; those of one name are distinguished by phase and epoch, or by folder."""
    runs = [_read(name, results_dir, checkpoints_dir, which) for name in names]
    folders = [run.folder.resolve() for run in runs]
    if len({*folders}) < len(folders):
        raise InputError(f"{' '.join(names)}: the same results twice; name each once")
    for label in (lambda run: f"{run.name} {run.folder.name}", lambda run: str(run.folder)):
        called = [run.name for run in runs]
        runs = [replace(run, name=label(run)) if called.count(run.name) > 1 else run for run in runs]
    return runs


def _read(name: str, results_dir: Path, checkpoints_dir: Path, which: str | None) -> Run:
    try:
        folder = find_test(name, results_dir, which)
    except InputError:
        if not Path(name).is_dir() or which:
            raise
        folder = Path(name)
        results = find_image_files(folder, "results")
        scores = read_scores(folder / SCORES_NAME, results, folder)
        return Run(folder.resolve().name, folder, {}, results, {}, scores, None)
    run_name = folder.resolve().parent.name
    labels, results, photos = (
        find_image_files(folder / "images" / kind, "images", required=False) for kind in (LABELS, RESULTS, PHOTOS)
    )
    try:
        options = load_saved(checkpoints_dir / run_name / SAVED_NAME)
    except FileNotFoundError:
        options = None
    scores = read_scores(folder / SCORES_NAME, results, folder / "images" / RESULTS)
    stale = why_stale(run_name, folder, checkpoints_dir / run_name, scores)
    return Run(run_name, folder, labels, results, photos, scores, options, stale)


def all_samples(runs: Sequence[Run]) -> list[str]:
    """Names of the samples that any of the runs was tested on, in natural order."""
    return sorted(set().union(*(run.samples for run in runs)), key=natural_key)


def label_maps_differ(runs: Sequence[Run], sample: str) -> bool:
    """Whether runs were tested on different label maps of one name, such as another crop, size or coloring."""
    paths = [run.labels[sample] for run in runs if sample in run.labels]
    if len({path.read_bytes() for path in paths}) <= 1:
        return False
    pixels = [np.asarray(read_image(path)) for path in paths]
    return any(not np.array_equal(pixels[0], other) for other in pixels[1:])


def differing_samples(runs: Sequence[Run], samples: Sequence[str]) -> list[str]:
    """Those of `samples` whose label maps differ between runs."""
    return [sample for sample in samples if label_maps_differ(runs, sample)]


def differing_options(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Training options in which the runs differ, with the value of each run, or ABSENT.

    Runs without options are ignored, as are options about the machine and about resuming, and copies of one data file.
    """
    declared = declared_options(TrainOptions)
    known = [run.options for run in runs if run.options is not None]
    found = {}
    for name in dict.fromkeys(name for options in known for name in options):
        if name in declared and declared[name].role == "session":
            continue
        values = [options.get(name, ABSENT) for options in known]
        if any(value != values[0] for value in values) and not (name == "data" and _describe_the_same(values)):
            found[name] = [ABSENT if run.options is None else run.options.get(name, ABSENT) for run in runs]
    return found


def _describe_the_same(paths: Sequence[Any]) -> bool:
    return ABSENT not in paths and describe_the_same(*paths)
