"""Scores of label maps: by hand, against recordings of the published code, and where they are undefined."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from scripts.fidelity.comparison import compare
from scripts.fidelity.recording import Recording
from scripts.fidelity.scores import TOLERANCES, replay
from util.segmentation_scores import IGNORED, MEAN_IOU, ConfusionMatrix

GOLDEN = Path(__file__).parents[1] / "golden" / "segmenters"


def matrix_of(truth, predictions, num_classes=4):
    matrix = ConfusionMatrix(num_classes)
    matrix.add(predictions=torch.tensor(predictions), truth=torch.tensor(truth))
    return matrix


@pytest.fixture
def example():
    """Class 0: 3 of 4 right. Class 1: 1 of 2. Class 2: predicted only. Class 3: in neither. Two pixels of no class."""
    return matrix_of([[0, 0, 0, 0], [1, 1, IGNORED, IGNORED]], [[0, 0, 0, 1], [1, 2, 0, 3]])


def test_scores_by_hand(example):
    assert example.counts.tolist() == [[3, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1]]
    assert example.pixel_accuracy() == 4 / 6
    assert example.pixel_accuracy(unlabeled_is_wrong=True) == 4 / 8
    assert example.mean_accuracy() == (3 / 4 + 1 / 2) / 2
    np.testing.assert_array_equal(example.class_iou(), [3 / 4, 1 / 3, 0, np.nan])
    assert example.mean_iou("labelled") == (3 / 4 + 1 / 3) / 2
    assert example.mean_iou("occurring") == pytest.approx((3 / 4 + 1 / 3 + 0) / 3, rel=1e-15)
    assert example.mean_iou("all") == pytest.approx((3 / 4 + 1 / 3 + 0 + 0) / 4, rel=1e-9)
    assert example.frequency_weighted_iou() == pytest.approx((4 * 3 / 4 + 2 / 6 * 2) / 6, rel=1e-15)


def test_recorded_scores_of_the_published_code_are_met_to_the_digit():
    measured, recorded = replay(Recording.read(GOLDEN / "metrics.json"))
    results = compare(measured, recorded, TOLERANCES)
    assert [str(result) for result in results if not result.passed] == []
    exact = {result.quantity for result in results if result.fraction == 0}
    assert exact == {"deeplab", "csail", "drn", "pixel_accuracy"}
    assert len(recorded["drn"]) == 3 * 2 * 5 + 1 and len(recorded["pixel_accuracy"]) == 6


def test_one_pixel_changes_recorded_scores():
    recording = Recording.read(GOLDEN / "metrics.json")
    arrays = dict(recording.arrays)
    changed = arrays["n19_predictions"].copy()
    changed[1, 30, 30] = (changed[1, 30, 30] + 1) % 19
    assert arrays["n19_labels"][1, 30, 30] >= 0
    results = compare(*replay(Recording(recording.scalars, arrays | {"n19_predictions": changed})), TOLERANCES)
    assert {result.quantity for result in results if not result.passed} >= {"deeplab", "csail", "drn"}


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_parts_counted_apart_sum_up_to_the_whole(dtype):
    rng = np.random.default_rng(0)
    truth = torch.from_numpy(rng.choice([*range(19), IGNORED], (6, 9, 7))).to(dtype)
    predictions = torch.from_numpy(rng.integers(0, 19, (6, 9, 7))).to(dtype)
    whole, first, second = (ConfusionMatrix(19) for _ in range(3))
    whole.add(predictions=predictions, truth=truth)
    for part, images in ((first, [0, 3]), (first, [5]), (second, [1, 2, 4])):
        part.add(predictions=predictions[images], truth=truth[images])
    first.counts += second.counts  # what all_reduce does
    assert torch.equal(first.counts, whole.counts) and whole.counts.dtype == torch.int64
    slow = np.zeros((20, 19), int)
    for t, p in zip(truth.flatten().tolist(), predictions.flatten().tolist()):
        slow[19 if t == IGNORED else t, p] += 1
    assert np.array_equal(whole.counts, slow)


@pytest.mark.parametrize(
    "truth, predictions, message",
    [
        ([0, 4], [0, 0], "truth: 4 is no class; there are 0..3"),  # the row of pixels without a class
        ([0, -1], [0, 0], "truth: -1 is no class"),
        ([0, 0], [0, 4], "predictions: 4 is no class"),
        ([0, 0], [-1, 0], "predictions: -1 is no class"),
        ([0, IGNORED], [0, IGNORED], "predictions: 255 is no class"),
        ([0, 0, 0], [0, 0], "differ in shape"),
    ],
)
def test_values_that_are_no_class_are_refused_and_not_counted(truth, predictions, message):
    matrix = ConfusionMatrix(4)
    with pytest.raises(ValueError, match=message):
        matrix.add(predictions=torch.tensor(predictions), truth=torch.tensor(truth))
    assert matrix.counts.sum() == 0


def test_nothing_counted_has_no_score():
    for matrix in (ConfusionMatrix(4), matrix_of([IGNORED], [2])):
        scores = [matrix.pixel_accuracy(), matrix.mean_accuracy(), matrix.frequency_weighted_iou()]
        assert all(math.isnan(score) for score in scores) and np.isnan(matrix.class_iou()).all()
        assert {rule: matrix.mean_iou(rule) for rule in MEAN_IOU if rule != "all"}.keys() == {"labelled", "occurring"}
        assert math.isnan(matrix.mean_iou("labelled")) and math.isnan(matrix.mean_iou("occurring"))
        assert matrix.mean_iou("all") == 0
    assert math.isnan(ConfusionMatrix(4).pixel_accuracy(unlabeled_is_wrong=True))
    assert matrix.pixel_accuracy(unlabeled_is_wrong=True) == 0
    empty = torch.zeros(0, 5, 5, dtype=torch.int64)
    matrix.add(predictions=empty, truth=empty)
    assert matrix.counts.sum() == 1


@pytest.mark.parametrize("num_classes", [0, 256])
def test_numbers_of_classes_that_collide_with_ignored_are_refused(num_classes):
    with pytest.raises(ValueError, match="must be 1 to 255"):
        ConfusionMatrix(num_classes)
