"""OASIS against recorded numbers of the published implementation, as many as are quick to replay."""

from pathlib import Path
from typing import Any

import pytest

from scripts.fidelity import oasis
from scripts.fidelity.__main__ import KINDS
from scripts.fidelity.comparison import compare
from scripts.fidelity.oasis_options import own_options
from scripts.fidelity.recording import Recording
from tests.scripts.fidelity.test_pix2pixhd_fidelity import with_one_wrong_number
from util.errors import InputError

pytestmark = pytest.mark.tools

RECORDING = Recording.read(Path(__file__).parents[2] / "golden" / "oasis.json")


@pytest.fixture(scope="module")
def replayed():
    """Measured and recorded: without images, gradients of G and the two iterations."""
    replay = oasis.Replay(RECORDING)
    measured = replay.construction() | replay.labels() | replay.evaluation() | replay.discriminator_gradients()
    recorded = RECORDING.without(oasis.INPUTS, oasis.INPUT_ARRAYS)
    return tuple(oasis.with_labelmix_apart(side) for side in ({name: measured[name] for name in recorded}, recorded))


def failed(measured, recorded):
    return [result.quantity for result in compare(measured, recorded, oasis.TOLERANCES) if not result.passed]


def test_the_recorded_numbers_are_met(replayed):
    assert next(kind for kind in KINDS.values() if kind.recognizes(RECORDING.scalars)) is oasis
    assert failed(*replayed) == []
    assert len(replayed[1]) >= 14


def test_one_wrong_number_anywhere_is_noticed(replayed):
    measured, recorded = replayed
    for quantity, value in recorded.items():
        wrong = failed(measured, recorded | {quantity: with_one_wrong_number(value)})
        assert wrong == [quantity]


def test_learning_rates_that_are_not_offered_are_refused():
    content: dict[str, Any] = RECORDING.scalars | {"argv": ["--dataset_mode", "ade20k", "--lr_d", "0.0003"]}
    with pytest.raises(InputError, match="learning rates"):
        own_options(content | {"options": content["options"] | {"lr_d": 0.0003}})
    content["argv"] = ["--dataset_mode", "ade20k", "--lr_d", "0.0001", "--param_free_norm", "batch", "--spade_ks", "1"]
    opt = own_options(
        content | {"options": content["options"] | {"lr_d": 1e-4, "param_free_norm": "batch", "spade_ks": 1}}
    )
    assert (opt.norm_G, opt.lr, opt.TTUR, opt.beta1) == ("spectralspadebatch1x1", 0.0001, False, 0.0)
