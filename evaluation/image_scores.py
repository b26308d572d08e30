"""Scores and confusion of single images: `image_scores.json`, which evaluate.py writes beside scores.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evaluation.scores import SCORES
from util.files import replacing

IDENTITY = ("images_hash", "protocol_hash")
"""Values of scores.json that say to which scores the file belongs."""


def image_scores_path(scores: Path) -> Path:
    """The file that belongs to a scores.json: `image_scores.json` beside it, or `image_NAME` beside another NAME."""
    return scores.with_name(f"image_{scores.name}")


def by_score(per_image: Mapping[str, Mapping[str, float | None]]) -> dict[str, dict[str, float | None]]:
    """{score: {image: value}} from {image: {score: value}}."""
    names = dict.fromkeys(score for values in per_image.values() for score in values)
    return {score: {image: values.get(score) for image, values in per_image.items()} for score in names}


def by_title(per_image: Mapping[str, Mapping[str, float | None]]) -> dict[str, dict[str, float | None]]:
    """The same for people: by the title of the score, fractions in percent, to the digits that matter."""
    shown = {}
    for score, values in by_score(per_image).items():
        known = SCORES.get(score)
        text = known.text if known else "{:.4g}".format
        title = known.title if known else score
        shown[title] = {image: None if value is None else float(text(value)) for image, value in values.items()}
    return shown


def save_image_scores(path: Path, content: Mapping[str, Any], counts: Mapping[str, Tensor]) -> None:
    """Write the file atomically: the scores of every image, fractions 0 to 1, and how its pixels were classified.

    Args:
        path: of scores.json.
        content: of scores.json, whose images and protocol the file names.
        counts: the confusion of each image by name, ((C + 1) C,) sparse; without any, the file is removed.
    """
    path = image_scores_path(path)
    if not counts:
        path.unlink(missing_ok=True)
        return
    text = {
        **{name: content.get(name) for name in ("format", *IDENTITY)},
        "classes": list(content["per_class_iou"]),
        "scores": by_score(content["per_image"]),
        "confusion": {name: _cells(one, len(content["per_class_iou"])) for name, one in counts.items()},
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(text, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


def read_counts(path: Path, content: Mapping[str, Any]) -> dict[str, Tensor]:
    """The confusion of each image by name, ((C + 1) C,) sparse; empty if the file is missing or of other scores.

    Args:
        path: of scores.json.
        content: of scores.json.
    """
    try:
        found = json.loads(image_scores_path(path).read_text(encoding="utf-8"))
        if any(found[name] != content[name] for name in IDENTITY):
            return {}
        classes = len(found["classes"])
        return {name: _counts(cells, classes) for name, cells in found["confusion"].items()}
    except (OSError, ValueError, KeyError, TypeError, RuntimeError):
        return {}


def _cells(counts: Tensor, classes: int) -> list[list[int]]:
    """[class, predicted class, pixels] wherever there are pixels; class C stands for pixels without one."""
    counts = counts.coalesce()
    cells, pixels = counts.indices()[0].tolist(), counts.values().long().tolist()
    return [[cell // classes, cell % classes, n] for cell, n in zip(cells, pixels)]


def _counts(cells: list[list[int]], classes: int) -> Tensor:
    true, predicted, pixels = torch.tensor(cells, dtype=torch.int64).view(-1, 3).T
    places = true * classes + predicted
    size = ((classes + 1) * classes,)
    return torch.sparse_coo_tensor(places[None], pixels.double(), size, check_invariants=True).coalesce()
