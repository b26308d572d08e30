"""pix2pix and CRN against recorded numbers of the published implementations."""

from pathlib import Path

import numpy as np
import pytest
import torch

from scripts.fidelity import crn, pix2pix
from scripts.fidelity.__main__ import KINDS
from scripts.fidelity.comparison import compare
from scripts.fidelity.recording import Recording

pytestmark = pytest.mark.tools

GOLDEN = Path(__file__).parents[2] / "golden"
KIND = {"pix2pix_unet": pix2pix, "crn_diversity": crn, "crn_single": crn}
LEFT_OUT = {"eval_fake", "train_fake"}
"""Arrays of pix2pix that are too large for this repository; logits and losses depend on all their values."""


@pytest.fixture(scope="module", params=KIND)
def replayed(request):
    recording = Recording.read(GOLDEN / f"{request.param}.json")
    kind = next(kind for kind in KINDS.values() if kind.recognizes(recording.scalars))
    assert kind is KIND[request.param]
    measured, recorded = kind.replay(recording)
    if kind is pix2pix:
        measured = {name: value for name, value in measured.items() if name not in LEFT_OUT}
    return measured, recorded, kind.TOLERANCES


def failed(measured, recorded, tolerances):
    return [result.quantity for result in compare(measured, recorded, tolerances) if not result.passed]


def test_every_recorded_number_is_met(replayed):
    assert failed(*replayed) == []


def with_one_wrong_number(value):
    if isinstance(value, np.ndarray):
        return value + 0.01 * (np.arange(value.size).reshape(value.shape) == value.size // 2)
    if isinstance(value, dict):
        return value | {key: with_one_wrong_number(child) for key, child in list(value.items())[-1:]}
    if isinstance(value, list | tuple):
        return [*value[:-1], with_one_wrong_number(value[-1])]
    return value + "x" if isinstance(value, str) else value * 1.01 + 0.01


def test_one_wrong_number_anywhere_is_noticed(replayed):
    measured, recorded, tolerances = replayed
    for quantity in recorded:
        wrong = failed(measured, recorded | {quantity: with_one_wrong_number(recorded[quantity])}, tolerances)
        assert {name.split(".")[0] for name in wrong} == {quantity}, quantity
    assert len(recorded) >= 8


def test_other_widths_depths_norms_and_numbers_of_images_can_be_measured():
    original = Recording.read(GOLDEN / "pix2pix_unet.json")
    options = original.scalars["options"] | {"norm": "instance", "num_downs": 6, "ngf": 4, "ndf": 2, "n_layers_D": 2}
    measured, _ = pix2pix.replay(Recording(original.scalars | {"options": options}, original.arrays))
    assert measured["dropout_after"] == ["model.model.1.model.3.model.3.model.3.model.7"]
    assert measured["train_buffer_changes"] == {} and np.isfinite(measured["train_g_losses"]["G_L1"])

    original = Recording.read(GOLDEN / "crn_diversity.json")
    square = {
        "label": original.arrays["label"][..., :32],
        "image": original.arrays["image"][..., :32],
        "eval_fake": original.arrays["eval_fake"][:2, ..., :32],
    }
    scalars = original.scalars | {"width": 32, "widths": {"4": 3, "8": 4, "16": 5, "32": 6}, "classes": 21}
    measured, _ = crn.replay(Recording(scalars, square))
    assert measured["keys"]["g_16_conv1.0.weight"] == [5, 25, 3, 3]
    assert measured["keys"]["g_32_conv100.weight"] == [6, 6, 1, 1]
    assert torch.tensor(measured["layer_losses"]).shape == (6, 2, 21)
