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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.bootstrap import bootstrap_in_words
from evaluation.protocol import Protocol, in_words, protocol_hash
from evaluation.published_scores import published_scores, source_of
from evaluation.scores import FORMAT, SCORES
from evaluation.scoring import Measurement
from evaluation.sources import Sources
from util.errors import InputError
from util.files import refuse_foreign, replacing
from util.loss_log import images_seen, read_history
from util.optional import require
from util.score_log import append_scores, curves_of, generator_called
from util.segmentation_scores import ConfusionMatrix

WIDTH = 110
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Report:
    """The scores of one evaluation, with protocol and provenance.

    Attributes:
        content: content of scores.json, in JSON values; fractions are 0 to 1.
        left_out: missing scores by name, and why, with a way to get them.
        confusion: None without segmentation scores.
    """

    content: dict[str, Any]
    left_out: dict[str, str]
    confusion: ConfusionMatrix | None = None

    def row(self, score: str) -> list[str]:
        """Title, our value and the published values, as text."""
        shown = SCORES[score]
        deviation = self.content["scores"].get(f"{score}_deviation")
        ours = shown.text(self.content["scores"][score]) + (f" ± {shown.text(deviation)}" if deviation else "")
        ours += shown.brackets(self.content.get("intervals", {}).get(score))
        others = self.content["published"].values()
        return [shown.title, ours, *(shown.text(row[score]) if score in row else "" for row in others)]

    @property
    def rows(self) -> list[str]:
        """The scores that have a row."""
        return [score for score in SCORES if score in self.content["scores"]]

    def words(self, score: str) -> str:
        return in_words(score, self.content["protocol"])

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
        """A text table of our scores and published ones, each with its protocol."""
        content = self.content
        head = ["score", "ours", *content["published"]]
        cells = [head, *map(self.row, self.rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
        lines = [f"Scores of {content['run'] or content['fake']}: {content['images']:,} images", ""]
        for row, score in zip(cells, [None, *self.rows]):
            first, *rest = (cell.rjust(width) for cell, width in zip(row, widths))
            lines.append("  ".join([first.strip().ljust(widths[0]), *rest]).rstrip())
            if score:
                lines += _indented(self.words(score))
        lines += ["", *_indented(self.bootstrap)] if self.bootstrap else []
        for name, reason in self.left_out.items():
            lines += ["", f"{name}: left out", *_indented(reason)]
        if self.sources:
            lines += ["", "Published, by protocols that papers describe in part:", *(f"    {s}" for s in self.sources)]
        return "\n".join(lines)

    def save(self, path: Path) -> Path:
        """Write scores.json atomically; return its path."""
        with replacing(path) as temporary:
            text = json.dumps(self.content, indent=2, ensure_ascii=False, allow_nan=False)
            temporary.write_text(text + "\n", encoding="utf-8")
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
    left_out: Mapping[str, str],
    provenance: Mapping[str, Any] | None = None,
) -> Report:
    """Assemble the report; a score that is not finite is left out, with the reason.

    Args:
        class_names: of the classes of the confusion matrix.
        provenance: further facts about the origin of the scores, in JSON values.
    """
    finite = {name: value for name, value in measurement.scores.items() if math.isfinite(value)}
    strange = {name: "no pixel or class that counts" for name in measurement.scores if name not in finite}
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
        "per_image": measurement.per_image,
        "versions": versions(),
    }
    return Report(content, {**left_out, **strange}, measurement.confusion)


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


# For each option, the usual name of its file, a description, and bytes that every such file contains.
WRITTEN = {
    "--output": ("scores.json", "file of scores", b'"protocol_hash"', b'"scores"'),
    "--save_real_statistics": ("real.npz", "file that --save_real_statistics wrote", b"mu.npy", b"facts.npy"),
}


def check_writable(flag: str, path: Path) -> None:
    """Raise an `InputError` now, rather than after hours, if the file of `flag` cannot be written or is foreign.

    Args:
        flag: a key of `WRITTEN`.
    """
    name, what, *marks = WRITTEN[flag]
    if path.is_dir():
        raise InputError(f"{flag} {path}: is a folder; name a file in it, such as {path / name}")
    refuse_foreign(flag, path, what, *marks)
    try:
        with replacing(path.with_name(f".{path.name}.probe")) as temporary:
            temporary.touch()
            raise _Writable
    except _Writable:
        return
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); give {flag} FILE") from None


class _Writable(Exception):  # noqa: N818 (not an error)
    """Leaves the block of `replacing` before the file is replaced."""
