"""Recordings of published implementations (docs/fidelity.md) replayed on each device, in 32 bits and in fewer."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scripts.fidelity import training
from scripts.fidelity.__main__ import KINDS
from scripts.fidelity.comparison import compare
from scripts.fidelity.recording import Recording
from util.precision import arithmetic

pytestmark = pytest.mark.system

GOLDEN = Path(__file__).parents[1] / "golden"
LEFT_OUT = {"pix2pix_unet": {"eval_fake", "train_fake"}}
"""Measured quantities that are too large to be recorded here."""
MORE = 10
"""How many times as far off as on a CPU the results of a GPU in 32 bits may be: its kernels add in another order."""
LATER = ("steps.1", "steps_fake", "recalibrated")
"""Quantities after the first step of Adam, which makes whole steps of the signs of gradients that are rounding."""
RECORDINGS = [
    ("facades_ls", "dense"),
    ("facades_ls", "table"),
    ("pix2pixhd", "dense"),
    ("pix2pixhd_local", None),
    ("pix2pixhd_feat", None),
    ("pix2pix_unet", None),
    ("crn_diversity", None),
    ("crn_single", None),
    ("sims_synthesis", None),
    ("sims_align_order", None),
    ("oasis", "dense"),
    ("oasis", "table"),
]
ON_GPU = [pytest.param("cuda", *case, marks=pytest.mark.gpu, id="-".join(filter(None, case))) for case in RECORDINGS]


@pytest.mark.parametrize(
    ("device", "name", "modulation"),
    [("cpu", "sims_align_order", None), *ON_GPU],  # tests/scripts/fidelity has the others on a CPU
    indirect=["device"],
)
def test_networks_losses_gradients_and_a_step_are_those_recorded(device, name, modulation):
    recording = replace(Recording.read(GOLDEN / f"{name}.json"), device=device)
    kind = next(kind for kind in KINDS.values() if kind.recognizes(recording.scalars))
    measured, recorded = kind.replay(recording, modulation)
    measured = {quantity: value for quantity, value in measured.items() if quantity not in LEFT_OUT.get(name, ())}
    tolerances = {quantity: (MORE * a, MORE * b) for quantity, (a, b) in kind.TOLERANCES.items()}
    results = compare(measured, recorded, tolerances)
    assert len(results) >= 6
    wrong = [str(result) for result in results if not result.passed]
    assert [line for line in wrong if not line.split()[1].startswith(LATER)] == []


@pytest.mark.gpu  # bf16 takes minutes on a CPU; there it gives a distance of 0.002, and losses within 0.002
@pytest.mark.parametrize(
    ("precision", "least", "most", "loss"),
    [("fp32", 0, 1e-5, 1e-4), ("tf32", 1e-5, 2e-3, 5e-3), ("bf16", 1e-4, 1e-2, 2e-2)],
)
@pytest.mark.parametrize("device", ["cuda"], indirect=True)
def test_images_and_losses_are_off_by_no_more_than_the_precision(device, precision, least, most, loss):
    """Mean distance of the images, in [-1, 1], and relative one of the losses; fewer bits show in the images."""
    recording = replace(Recording.read(GOLDEN / "facades_ls.json"), device=device)
    replay = training.Replay(recording, "table")
    with arithmetic(precision, device):
        measured = replay.evaluation()
    assert least <= np.abs(measured["eval_fake"] - recording.arrays["eval_fake"]).mean() < most
    assert measured["eval_losses"] == pytest.approx(recording.scalars["eval_losses"], rel=loss, abs=loss)
