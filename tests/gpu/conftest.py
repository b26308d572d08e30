"""Both devices: what a GPU must do, the CPU is held to as well."""

from collections.abc import Iterator

import pytest
import torch

from util.precision import arithmetic


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request) -> Iterator[torch.device]:
    """The CPU, and the GPU where there is one; with all 32 bits of fp32 (no TF32)."""
    device = torch.device(request.param)
    with arithmetic("fp32", device):
        yield device
