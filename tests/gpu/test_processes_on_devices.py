"""Processes that share a GPU, or have one each, compute what one does: statistics, gradients, losses."""

import pytest
import torch
from numpy.linalg import norm
from torch import nn

from tests.gpu.jobs import (
    by_backend_of_gpus,
    generator,
    gradients_and_buffers,
    normalize,
    normalized,
    run_on,
    train,
    values_to_normalize,
)

pytestmark = pytest.mark.system

SUMMANDS = ("weight", "bias")
"""Whose gradients each process has a summand of."""


@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 3e-5), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("channels_last", [False, True])
def test_batch_norm_of_two_processes_is_that_of_the_whole_batch(device, channels_last, dtype, tolerance):
    """Against plain batch norm in 64 bits."""
    x, gradient, state = values_to_normalize(channels_last, dtype)
    right = normalized(nn.BatchNorm2d(6).double(), state, x.double().requires_grad_(), gradient)
    parts = run_on(device, 2, normalize, channels_last, dtype)
    for rank, part in enumerate(parts):
        for name, found in part.items():
            expected = right[name][rank::2] if right[name].ndim == 4 else right[name]
            if name in SUMMANDS:
                found = sum(one[name] for one in parts)
            assert norm(found - expected) <= tolerance * norm(expected), (rank, name)


def test_a_group_of_one_process_by_the_backend_of_gpus_gives_the_gradients_of_the_cpu(device):
    """NCCL on a GPU. Synchronized batch norm, DDP and channels-last memory in one generator."""
    netG, layout = generator(torch.device("cpu"))
    netG(layout, None).square().sum().backward()
    (found,) = run_on(device, 1, by_backend_of_gpus)
    for name in {"sum on cpu", f"sum on {device.type}"}:
        assert found.pop(name).tolist() == [1, 1, 1]
    assert_close(found, gradients_and_buffers(netG))


@pytest.mark.parametrize("modulation", ["dense", "table"])
def test_two_processes_with_channels_last_gradients_train_as_one(device, modulation):
    (alone,) = run_on(device, 1, train, modulation)
    first, second = run_on(device, 2, train, modulation)
    count, of = first["channels_last"]
    assert count == of > 20
    assert_close(first["gradients"], alone["gradients"])
    assert all((second["gradients"][name] == gradient).all() for name, gradient in first["gradients"].items())
    assert first["losses"] == second["losses"]
    assert first["losses"][0] == pytest.approx(alone["losses"][0], rel=1e-4, abs=1e-4)
    # Adam with beta1 = 0 makes whole steps of the signs of gradients that are rounding.
    assert first["losses"][1] == pytest.approx(alone["losses"][1], rel=1e-2, abs=1e-2)


def assert_close(found: dict, right: dict) -> None:
    """Each relative to its norm, or where this is a rounding of 0, to a part of the largest norm."""
    assert found.keys() == right.keys()
    least = 0.01 * max(norm(expected) for expected in right.values())
    for name, expected in right.items():
        assert norm(found[name] - expected) < 1e-3 * max(norm(expected), least), name
