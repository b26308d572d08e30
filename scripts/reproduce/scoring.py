"""How the runs of a table are tested and scored: the flags of test.py, evaluate.py and the segmenter."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data import PRESETS
from models import METHODS
from options import EvaluateInTrainingOptions, EvaluateOptions, OptionError, TestOptions, TrainOptions
from options.command_line import CommandLine
from options.field import declared_options
from options.parse import parse_embedded
from scripts.reproduce.prepared import Prepared, segmenter, words_of
from util.errors import InputError
from util.weight_files import WEIGHT_FILES, cache_folder

OF_EVERY_RUN = ("name", "checkpoints_dir", "results_dir", "fake", "real", "labels", "output", "load_from_opt_file")
"""Options of test.py and evaluate.py that --eval_flags may not have."""
Values = dict[str, Any]


@dataclass(frozen=True)
class Scored:
    """How one run is tested and scored.

    Attributes:
        test_flags, score_flags: of test.py and evaluate.py.
        test_dir: folder of the results.
        segmenter: to be trained before; None if --eval_flags names one.
    """

    test_flags: Sequence[str]
    score_flags: Sequence[str]
    test_dir: Path
    segmenter: Prepared | None


class Scoring:
    """Tests and scores all runs alike.

    Args:
        eval_flags: of the user, in one text.
        training: options of train.py that the user typed, by name.
        results_dir: folder of all results.
        segmenter_minutes: length of the segmenter's training; None for its own default.
    Raises:
        InputError: flags that cannot be used.
    """

    def __init__(self, eval_flags: str, training: Values, results_dir: Path, segmenter_minutes: float | None):
        self.training, self.results_dir, self.segmenter_minutes = training, results_dir, segmenter_minutes
        self.eval_flags = eval_flags
        command_line = _EvalFlags(EvaluateInTrainingOptions, PRESETS, METHODS)
        try:
            words = shlex.split(eval_flags)
        except ValueError as error:
            raise InputError(f"--eval_flags {eval_flags}: {str(error).lower()}") from None
        self.typed = command_line.typed(words)
        if useless := sorted(self.typed.keys() & set(OF_EVERY_RUN)):
            raise InputError(f"--eval_flags: --{useless[0]}: leave it out; every run is tested and scored in its place")
        is_described = bool(training.get("data")) and not training.get("label_dir")
        has_folders = is_described or self.typed.keys() >= {"label_dir", "image_dir"}
        if training.get("dataset_mode") == "custom" and not has_folders:
            raise InputError(
                "--dataset_mode custom: describe the data set in a file, --data FILE, or add the folders to test with: "
                '--eval_flags "--label_dir DIR --image_dir DIR"'
            )

    def of(self, opt: TrainOptions) -> Scored:
        """How the run of these options is tested and scored. Raises `InputError`."""
        place = {"name": opt.name, "checkpoints_dir": opt.checkpoints_dir, "results_dir": str(self.results_dir)}
        if "gpu_ids" in self.training:
            place["gpu_ids"] = opt.gpu_ids
        try:
            found, _ = parse_embedded(
                EvaluateInTrainingOptions, self.eval_flags, PRESETS, METHODS, asdict(opt), **place
            )
        except OptionError as error:
            raise InputError(f"--eval_flags: {error}") from None
        own, chosen = None, {}
        if not found.segmenter and not found.segmenter_weights:
            own = segmenter(opt, self.training, self.typed, self.segmenter_minutes)
            chosen["segmenter"] = own.name
        if "features" not in self.typed:
            chosen["features"] = "inception" if _has_inception(found) else "random"
        of_test = {name: value for name, value in self.typed.items() if name in declared_options(TestOptions)}
        return Scored(
            words_of({**place, **of_test}, TestOptions),
            words_of({**place, **self.typed, **chosen}, EvaluateOptions),
            self.results_dir / opt.name / f"{found.phase}_{found.which_epoch}",
            own,
        )


class _EvalFlags(CommandLine):
    """A command line that names the option it stands in, in its errors."""

    def error(self, message: str):
        raise InputError(f"--eval_flags: {message.removeprefix('argument ')}")


def _has_inception(opt: EvaluateInTrainingOptions) -> bool:
    """Whether the Inception weights of FID are on this machine."""
    known = [cache_folder() / name for name in WEIGHT_FILES["inception"].names]
    return bool(opt.inception_weights) or any(path.exists() for path in known)
