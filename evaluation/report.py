"""The report of an evaluation: a table on the terminal, scores.json, a line of history, and curves in TensorBoard."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import math
import platform
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from evaluation.bootstrap import bootstrap_in_words
from evaluation.class_scores import class_facts
from evaluation.image_scores import save_image_scores
from evaluation.protocol import Protocol, in_words, protocol_hash
from evaluation.published_scores import published_scores, source_of
from evaluation.scores import FORMAT, SCORES, doubt_of_segmenter, shown_scores
from evaluation.scoring import Measurement
from evaluation.sources import Sources
from util.errors import InputError
from util.files import replacing
from util.loss_log import images_seen, read_history
from util.optional import require
from util.score_log import append_scores, curves_of, generator_called
from util.segmentation_scores import ConfusionMatrix

WIDTH = 110
REAL = "real photos"
ROOT = Path(__file__).parents[1]
NOTHING = "no pixel or class that counts"
NOT_FINITE = {"psnr": "it is infinite, because an image is equal to its photo"}
"""Why scores are not finite, if the reason is another one."""


@dataclass(frozen=True)
class Report:
    """The scores of one evaluation, with protocol and provenance.

    Attributes:
        content: content of scores.json, in JSON values; fractions are 0 to 1.
        left_out: missing scores by name, and why, with a way to get them.
        confusion: None without segmentation scores.
        image_counts: the confusion of each image by name, ((C + 1) C,) sparse.
    """

    content: dict[str, Any]
    left_out: dict[str, str]
    confusion: ConfusionMatrix | None = None
    image_counts: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def head(self) -> list[str]:
        """Heads of the columns of `row`."""
        return ["score", "ours", *([REAL] if self.of_real_photos else []), *self.content["published"]]

    def row(self, score: str) -> list[str]:
        """Title with an arrow toward better values, our value, that of the real photos, and the published ones."""
        shown = SCORES[score]
        deviation = self.content["scores"].get(f"{score}_deviation")
        ours = shown.text(self.content["scores"][score]) + (f" ± {shown.text(deviation)}" if deviation else "")
        ours += shown.brackets(self.content.get("intervals", {}).get(score))
        others = [*([self.of_real_photos] if self.of_real_photos else []), *self.content["published"].values()]
        values = (shown.text(row[score]) if score in row else "" for row in others)
        return [f"{shown.title} {shown.arrow}", ours, *values]

    @property
    def rows(self) -> list[str]:
        """The scores that have a row."""
        return shown_scores(self.content["scores"], self._segmentation.get("mean_iou"))

    @property
    def of_real_photos(self) -> dict[str, float]:
        """The segmentation scores of real photos by name: of the same label maps, or as the segmenter's file says."""
        if measured := self.content.get("real_photos", {}).get("scores"):
            return measured
        known = {"miou": "mean_iou", "accuracy": "pixel_accuracy"}
        return {score: self._validation[name] for score, name in known.items() if name in self._validation}

    @property
    def _validation(self) -> dict[str, Any]:
        """What the segmenter's file says of real photos."""
        return self._segmentation.get("on_real_photos", {})

    @property
    def _segmentation(self) -> dict[str, Any]:
        return self.content["protocol"].get("segmentation", {})

    @property
    def warning(self) -> str | None:
        """Why the segmentation scores say little; None if nothing is wrong."""
        real, generated = self.of_real_photos.get("miou"), self.content["scores"].get("miou")
        return doubt_of_segmenter(self._segmentation.get("network"), real, generated)

    @property
    def legend(self) -> str:
        """What arrows and the column of real photos mean."""
        text = "↑ higher is better, ↓ lower is better."
        if self.content.get("real_photos"):
            return f"{text} Real photos: the segmentation network's scores on the real photos of the same label maps."
        if self.of_real_photos:
            photos = self._validation.get("photos", "")
            return f"{text} Real photos: the segmentation network's scores on {photos} photos it was validated with."
        return text

    @property
    def protocols(self) -> list[tuple[str, str]]:
        """How scores were measured: labels of scores, and what they have in common, each thing said once."""
        said: dict[str, list[str]] = {}
        for score in self.rows:
            for part in in_words(score, self.content["protocol"], self.content.get("segmenter")).split("; "):
                said.setdefault(part, []).append(SCORES[score].label)
        together: dict[tuple[str, ...], list[str]] = {}
        for part, labels in said.items():
            together.setdefault(tuple(dict.fromkeys(labels)), []).append(part)
        order = sorted(together.items(), key=lambda entry: -len(entry[0]))
        names = {self._labels(): "all scores", self._labels("segmentation"): "segmentation scores"}
        return [("; ".join(k) if len(k) == 1 else names.get(k, "; ".join(k)), "; ".join(parts)) for k, parts in order]

    def _labels(self, group: str | None = None) -> tuple[str, ...]:
        """Labels of the scores of a group, or of all."""
        return tuple(SCORES[score].label for score in self.rows if group in (None, SCORES[score].group))

    @property
    def bootstrap(self) -> str | None:
        """What the intervals are, in words; None without any."""
        return bootstrap_in_words(facts) if (facts := self.content.get("bootstrap")) else None

    @property
    def sources(self) -> list[str]:
        """Sources of the published numbers."""
        methods: dict[str, list[str]] = {}
        for method in self.content["published"]:
            methods.setdefault(source_of(method), []).append(method)
        return [f"{', '.join(names)}: {source}" for source, names in methods.items()]

    def table(self) -> str:
        """A text table of our scores, those of real photos and published ones, and how they were measured."""
        content = self.content
        cells = [self.head, *map(self.row, self.rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(self.head))]
        lines = [f"Scores of {content['run'] or content['fake']}: {content['images']:,} images", ""]
        for row in cells:
            first, *rest = (cell.rjust(width) for cell, width in zip(row, widths))
            lines.append("  ".join([first.strip().ljust(widths[0]), *rest]).rstrip())
        lines += ["", *textwrap.wrap(f"Warning: {self.warning}.", WIDTH)] if self.warning else []
        lines += ["", *textwrap.wrap(self.legend, WIDTH), "", "How they were measured:"]
        for labels, words in self.protocols:
            lines += _indented(f"{labels}: {words}")
        lines += ["", *_indented(self.bootstrap)] if self.bootstrap else []
        for name, reason in self.left_out.items():
            lines += ["", f"{name}: left out", *_indented(reason)]
        if self.sources:
            lines += ["", "Published, by protocols that papers describe in part:", *(f"    {s}" for s in self.sources)]
        return "\n".join(lines)

    def save(self, path: Path) -> Path:
        """Write scores.json and, beside it, the scores of single images; return the path of scores.json."""
        with replacing(path) as temporary:
            text = json.dumps(self.content, indent=2, ensure_ascii=False, allow_nan=False)
            temporary.write_text(text + "\n", encoding="utf-8")
        save_image_scores(path, self.content, self.image_counts)
        return path

    def append_history(self, run_dir: Path, phase: str, epoch: str) -> None:
        """Add a line to scores.jsonl if the run's folder exists. Lines with equal protocol hashes are comparable."""
        if not run_dir.is_dir():
            return
        append_scores(
            run_dir / "scores.jsonl",
            "evaluate.py",
            date=self.content["date"],
            phase=phase,
            epoch=epoch,
            images=self.content["images"],
            generator=generator_called(self.content.get("test", {}).get("Generator")),
            images_hash=self.content.get("images_hash"),
            protocol_hash=self.content["protocol_hash"],
            scores=self.content["scores"],
        )

    def log_scalars(self, run_dir: Path, phase: str, epoch: str) -> None:
        """Add `scores/*` to the run's TensorBoard events, if it has any, at the number of images seen in training.

        Scores of another phase than "test" have other curves, such as `scores_train/*`.
        """
        logs = run_dir / "logs"
        if not logs.is_dir():
            return
        try:
            tensorboard = require("tensorboard")
        except InputError as error:  # the scores have been saved, and nothing follows
            print(f"warning: the scores are not in {logs}: {error}", file=sys.stderr)
            return
        with tensorboard.SummaryWriter(logs) as writer:
            for score, value in self.content["scores"].items():
                writer.add_scalar(f"{curves_of(phase)}/{score}", value, step_of(run_dir, epoch))


def create_report(
    measurement: Measurement,
    sources: Sources,
    *,
    run: str | None,
    dataset_mode: str,
    protocol: Protocol,
    class_names: Sequence[str],
    class_colors: Sequence[str] = (),
    real_photos: Mapping[str, Any] | None = None,
    left_out: Mapping[str, str],
    provenance: Mapping[str, Any] | None = None,
) -> Report:
    """Assemble the report; a score that is not finite is left out, with the reason.

    Args:
        class_names, class_colors: of the classes of the confusion matrix, such as "#46a2c8".
        real_photos: of `evaluation.real_photos.score_real_photos`.
        provenance: further facts about the origin of the scores, in JSON values.
    """
    finite = {name: value for name, value in measurement.scores.items() if math.isfinite(value)}
    strange = {name: NOT_FINITE.get(name, NOTHING) for name in measurement.scores if name not in finite}
    iou = [] if measurement.confusion is None else measurement.confusion.class_iou().tolist()
    content = {
        "format": FORMAT,
        "run": run,
        "fake": str(sources.folder),
        "real": sources.real,
        "labels": sources.labels,
        **(provenance or {}),
        "dataset_mode": dataset_mode,
        "images": len(sources.truth),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "scores": finite,
        **_intervals(measurement),
        "protocol": protocol,
        "protocol_hash": protocol_hash(protocol),
        "published": published_scores(dataset_mode),
        "per_class_iou": {class_names[i]: value if math.isfinite(value) else None for i, value in enumerate(iou)},
        **class_facts(measurement.confusion, class_names, class_colors, real_photos or {}),
        "per_image": measurement.per_image,
        "versions": versions(),
    }
    return Report(content, {**left_out, **strange}, measurement.confusion, measurement.image_counts)


def _intervals(measurement: Measurement) -> dict[str, Any]:
    """The part of scores.json about intervals; nothing without them."""
    if not measurement.bootstrap:
        return {}
    finite = {name: list(pair) for name, pair in measurement.intervals.items() if all(map(math.isfinite, pair))}
    return {"intervals": finite, "bootstrap": measurement.bootstrap}


def _indented(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)


def step_of(run_dir: Path, epoch: str) -> int:
    """Number of images that a run had seen after an epoch, or so far ("latest"), from its loss log; 0 without a log."""
    log = run_dir / "loss_log.txt"
    history = read_history(log) if log.exists() else []
    steps = [
        seen
        for record, seen in zip(history, images_seen(history))
        if not epoch.isdecimal() or record.epoch <= int(epoch)
    ]
    return max(steps, default=0)


def versions() -> dict[str, str | None]:
    """Versions of Python and libraries, and the commit of this project if it is a checkout."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name, package in (("torch", "torch"), ("torchvision", "torchvision"), ("torch_fidelity", "torch-fidelity")):
        try:
            found[name] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found | {"commit": _commit()}


def _commit() -> str | None:
    """The commit, with the suffix "-dirty" if files differ from it; None if git does not know."""
    if not (ROOT / ".git").exists():
        return None
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
