"""The networks of SIMS and their training against recorded numbers of the published ones."""

import numpy as np
import pytest

from scripts.fidelity.__main__ import main
from scripts.fidelity.comparison import compare
from scripts.fidelity.recording import Recording
from scripts.fidelity.sims import TOLERANCES, replay
from tests.scripts.fidelity.test_fidelity import GOLDEN, leaves, with_changed

pytestmark = pytest.mark.tools

QUANTITIES = {
    "sims_synthesis": {"keys", "eval_fake", "eval_layout", "loss", "layer_losses", "grad_norms", "steps.1.loss"},
    "sims_align_order": {"keys", "transform_parameters", "sampled", "loss_at_identity", "order_logits"},
}


@pytest.fixture(scope="module", params=QUANTITIES)
def results(request):
    """Quantities that must be there, measured and recorded results."""
    return QUANTITIES[request.param], *replay(Recording.read(GOLDEN / f"{request.param}.json"))


def failed(measured, recorded):
    return [result.quantity for result in compare(measured, recorded, TOLERANCES) if not result.passed]


def test_every_recorded_number_is_met(results):
    quantities, measured, recorded = results
    assert {result.quantity for result in compare(measured, recorded, TOLERANCES)} >= quantities
    assert failed(measured, recorded) == []


def test_one_wrong_number_of_any_quantity_is_noticed(results):
    def change(value):
        if isinstance(value, np.ndarray):
            value = value.copy()
            value.flat[value.size // 2] += 0.01
            return value
        if isinstance(value, str):
            return value + "x"
        return value + 1 if isinstance(value, int) else value * 1.02 + 0.001

    quantities, measured, recorded = results
    places = {".".join(map(str, path[:3] if path[0] == "steps" else path[:1])): path for path, _ in leaves(recorded)}
    assert places.keys() >= quantities
    for quantity, path in places.items():
        assert failed(measured, with_changed(recorded, path, change)) == [quantity]


def test_recordings_of_other_sizes_and_widths_can_be_measured():
    original = Recording.read(GOLDEN / "sims_align_order.json")
    square = {name: array[..., :64] for name, array in original.arrays.items()}
    widths = {"64": 2, "128": 3, "256": 4, "512": 5, "1024": 6}
    measured, _ = replay(Recording(original.scalars | {"widths": widths, "width": 64}, square))
    assert measured["sampled"].shape == (3, 3, 64, 64)
    assert measured["keys"]["g_selection_conv6.0.weight"] == [6, 5, 1, 1]
    assert np.isfinite(measured["order_logits"]).all()


def test_the_program_knows_the_recording(capsys):
    assert main([str(GOLDEN / "sims_align_order.json")]) == 0
    assert "all within tolerance" in capsys.readouterr().out
