"""Several processes train as one does: same samples, same losses, same weights."""

import functools

import numpy as np
import pytest
import torch

from tests.trainers.jobs import train, train_oasis
from tests.worlds import run_together

pytestmark = pytest.mark.system

ITERATIONS = 2
"""In the second one the networks see what the first has made of their weights and statistics."""


@functools.cache
def alone(dtype: torch.dtype, vae: bool, norm_G: str, size: int = 32) -> dict:
    return run(1, dtype, vae, norm_G, size)[0]


def run(processes: int, dtype: torch.dtype, vae: bool, norm_G: str, size: int = 32) -> list[dict]:
    model = {"vae": vae, "norm_G": norm_G, "size": size}
    return run_together(processes, train, ITERATIONS, dtype, model, {"ema": 0.9})


def largest_relative_difference(one: dict, other: dict, whole_network: bool) -> float:
    """Of each tensor, or of each network's weights and statistics together."""
    assert one.keys() == other.keys()
    groups = {name.split(".")[0] if whole_network else name for name in one}
    worst = 0.0
    for group in groups:
        names = [name for name in one if name == group or name.startswith(f"{group}.")]
        a, b = (np.concatenate([np.ravel(state[name]).astype(np.float64) for name in names]) for state in (one, other))
        worst = max(worst, np.abs(a - b).max() / np.abs(a).max() if not whole_network else norm(a - b) / norm(a))
    return worst


def norm(values: np.ndarray) -> float:
    return float(np.linalg.norm(values))


@pytest.mark.parametrize(
    "processes, vae, norm_G",
    [(2, False, "spectralspadesyncbatch3x3"), (4, True, "spectralspadesyncbatch1x1")],
    ids=["2, plain", "4, with encoder"],
)
def test_processes_equal_one_in_double_precision(processes, vae, norm_G):
    expected = alone(torch.float64, vae, norm_G)
    for result in run(processes, torch.float64, vae, norm_G):
        assert result["losses"] == pytest.approx(expected["losses"], rel=1e-8, abs=1e-12)
        assert largest_relative_difference(expected["state"], result["state"], whole_network=False) < 1e-8


def test_processes_equal_one_in_single_precision():
    """Adam with beta1 = 0 takes whole steps in the direction of a gradient's rounding, so single biases differ more.

    The smallest maps have several values: where one value more or less is a leaky ReLU's, rounding can turn it over.
    """
    expected = alone(torch.float32, True, "spectralspadesyncbatch3x3", size=64)
    for result in run(2, torch.float32, True, "spectralspadesyncbatch3x3", size=64):
        assert result["losses"] == pytest.approx(expected["losses"], rel=1e-3, abs=1e-3)
        assert largest_relative_difference(expected["state"], result["state"], whole_network=True) < 1e-3


def test_a_process_that_goes_the_dense_way_keeps_step_with_one_that_has_tables():
    """Labels of one batch may be noise to one process alone."""
    norm_G = "spectralspadesyncbatch3x3"
    expected = alone(torch.float64, False, norm_G)
    model = {"vae": False, "norm_G": norm_G, "size": 32}
    for result in run_together(2, train, ITERATIONS, torch.float64, model, {"ema": 0.9}, (True, False)):
        assert result["losses"] == pytest.approx(expected["losses"], rel=1e-8, abs=1e-12)


def test_processes_and_parts_together_equal_one_process_where_norms_see_single_images():
    """With augmentation and regularization, too: draws, averages and penalties are those of the whole batch."""
    model, small_data = {"vae": True, "norm_G": "spectralspadeinstance1x1", "size": 64}, ((False,), True)
    (expected,) = run_together(1, train, ITERATIONS, torch.float64, model, {"ema": 0.9}, *small_data)
    assert {"R1", "LeCam"} < set(expected["losses"])
    settings = {"ema": 0.9, "accumulate": 2}
    for result in run_together(2, train, ITERATIONS, torch.float64, model, settings, *small_data):
        assert result["losses"] == pytest.approx(expected["losses"], rel=1e-8, abs=1e-12)
        assert largest_relative_difference(expected["state"], result["state"], whole_network=False) < 1e-8


def test_class_balance_and_labelmix_are_about_the_whole_batch():
    """OASIS with augmentation: also the power iterations of its three passes are the same in each part."""
    expected = run_together(1, train_oasis, 1)[0]
    for processes, accumulate in ((1, 4), (2, 2), (4, 1)):
        for result in run_together(processes, train_oasis, accumulate):
            assert result["losses"] == pytest.approx(expected["losses"], rel=1e-8, abs=1e-12)
            assert largest_relative_difference(expected["state"], result["state"], whole_network=False) < 1e-8


@pytest.mark.parametrize("dense, recompute", [(False, False), (True, True)], ids=["tables", "dense, recomputed"])
def test_norms_that_share_an_exchange_compute_the_same(dense, recompute):
    """Losses, weights and running statistics, those of norm_s among them."""
    shared, apart = (
        run_together(
            2, train, ITERATIONS, torch.float64, {"recompute": recompute, "shared": shared}, {"ema": 0.9}, (dense,)
        )[1]
        for shared in (True, False)
    )
    assert shared["losses"] == pytest.approx(apart["losses"], rel=1e-10, abs=1e-12)
    assert largest_relative_difference(apart["state"], shared["state"], whole_network=False) < 1e-8


def test_batch_norm_that_is_not_synchronized_does_differ():
    """Or the tests above would show nothing."""
    expected = alone(torch.float64, False, "spectralspadebatch1x1")
    result = run(2, torch.float64, False, "spectralspadebatch1x1")[0]
    assert largest_relative_difference(expected["state"], result["state"], whole_network=True) > 1e-5
