"""Replay a recording of published segmentation scores: our scores of the same label maps."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch

from scripts.fidelity.recording import Recording, Results
from util.segmentation_scores import IGNORED, ConfusionMatrix

TOLERANCES = {"csail_epsilon": (1e-10, 0)}  # the published code adds 1e-10 to every denominator
ABSENT = -1.0
"""Replaces NaN, which does not equal itself, in the IoU of classes that do not occur."""


def recognizes(scalars: dict[str, Any]) -> bool:
    """Return whether the scalars belong to a recording of scores."""
    return "sets" in scalars


def replay(recording: Recording, modulation: str | None = None) -> tuple[Results, Results]:
    """Return the measured and the recorded results. `modulation` is ignored.

    Returns:
        {published code: {"set.images.score": value}}, twice. "csail_epsilon" are the values of that code in which an
        added 1e-10 shows.
    """
    scalars, arrays = recording.scalars, recording.arrays
    measured: Results = {}
    for name, facts in scalars["sets"].items():
        matrices = []
        for truth, predictions in zip(arrays[f"{name}_labels"].astype(np.int64), arrays[f"{name}_predictions"]):
            truth[truth < 0] = IGNORED
            matrices.append(ConfusionMatrix(facts["classes"]))
            matrices[-1].add(predictions=torch.from_numpy(predictions), truth=torch.from_numpy(truth))
        for span, some in (("first_image", matrices[:1]), ("three_images", matrices)):
            _file(measured, f"{name}.{span}", _measure(some))
    recorded = _recorded(scalars, arrays)
    # A recording holds only some of the counts and of the accuracies over all pixels.
    for code, values in measured.items():
        for key in [key for key in values if key.endswith((".hist", ".pixels")) and key not in recorded.get(code, {})]:
            del values[key]
    return measured, recorded


def _file(results: Results, prefix: str, by_code: Results) -> None:
    for code, values in by_code.items():
        results.setdefault(code, {}).update({f"{prefix}.{key}": value for key, value in values.items()})


def _measure(images: list[ConfusionMatrix]) -> Results:
    sums = np.cumsum([image.counts.numpy() for image in images], axis=0)
    running = [ConfusionMatrix(images[0].num_classes) for _ in images]
    for matrix, counts in zip(running, sums):
        matrix.counts = torch.from_numpy(counts)
    matrix = running[-1]
    iou = np.nan_to_num(matrix.class_iou(), nan=ABSENT)
    intersection, union = matrix.overlap()
    percent = [round(one.mean_iou("occurring") * 100, 2) for one in running]
    return {
        "deeplab": {
            "Pixel Accuracy": matrix.pixel_accuracy(),
            "Mean Accuracy": matrix.mean_accuracy(),
            "Frequency Weighted IoU": matrix.frequency_weighted_iou(),
            "Mean IoU": matrix.mean_iou("labelled"),
            "class_iou": iou,
        },
        "csail": {
            "Mean IoU": matrix.mean_iou("all"),
            "inter": intersection,
            "union": union,
            "per_image": [[int(one.counts[:-1].sum()), *(int(c.sum()) for c in one.overlap())] for one in images],
        },
        "csail_epsilon": {
            "Accuracy": matrix.pixel_accuracy(),
            "per_image": [one.pixel_accuracy() for one in images],
            "class_iou": np.where(iou == ABSENT, 0, iou),
        },
        "drn": {
            "mAP_as_returned_by_test": percent[-1],
            "mean IoU unrounded": matrix.mean_iou("occurring"),
            "running_mAP": percent,
            "nan_classes": int((iou == ABSENT).sum()),
            "class_iou": iou,
            "hist": matrix.counts[:-1].numpy(),
        },
        "pixel_accuracy": {
            "valid.pixels": matrix.pixel_accuracy(),
            "all.pixels": matrix.pixel_accuracy(unlabeled_is_wrong=True),
        },
    }


def _recorded(scalars: dict[str, Any], arrays: dict[str, np.ndarray]) -> Results:
    recorded: Results = {}
    for name, facts in scalars["sets"].items():
        for span in ("first_image", "three_images"):
            scores = facts[span]
            csail = dict(scores["csail"])
            per_image = csail.pop("per_image_accuracy_pixels_intersection_union")
            pixel_accuracy = {
                "valid.pixels": scores.get("pixel_accuracy_over_valid"),
                "all.pixels": scores.get("pixel_accuracy_counting_ignored_as_wrong"),
            }
            by_code = {
                "deeplab": scores["deeplab"],
                "csail_epsilon": {"Accuracy": csail.pop("Accuracy"), "per_image": [row[0] for row in per_image]},
                "csail": csail | {"per_image": [row[1:] for row in per_image]},
                "drn": scores["drn"],
                "pixel_accuracy": {key: value for key, value in pixel_accuracy.items() if value is not None},
            }
            _file(recorded, f"{name}.{span}", by_code)
    for key, array in arrays.items():
        match = re.fullmatch(r"(n\d+)_(deeplab|csail|drn)_(first_image|three_images)_(\w+)", key)
        if match:
            name, code, span, score = match.groups()
            code = "csail_epsilon" if (code, score) == ("csail", "class_iou") else code
            _file(recorded, f"{name}.{span}", {code: {score: np.nan_to_num(array, nan=ABSENT)}})
    return recorded
