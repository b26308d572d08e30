"""The kernel for GPUs computes what the definition does. Without a GPU Triton interprets it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.system

pytest.importorskip("triton", reason="Triton is not installed")
ROOT = Path(__file__).parents[2]


def test_kernel_is_the_definition_for_every_type_and_at_the_borders_of_blocks(device):
    interpreted = {"TRITON_INTERPRET": "1"} if device.type == "cpu" else {}  # read when triton is imported
    words = [sys.executable, "-m", "tests.gpu.lookups", device.type]
    done = subprocess.run(words, cwd=ROOT, env=os.environ | interpreted, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "120 cases"


@pytest.mark.gpu
def test_more_values_than_32_bits_count_are_looked_up():
    """Offsets into activations of 2^31 values and more need 64 bits. Takes 13 GiB."""
    from models.tables.triton_lookup import look_up

    size, channels = 5800, 64
    assert channels * size**2 > 2**31
    x = torch.ones(1, channels, size, size, device="cuda", dtype=torch.bfloat16)
    x = x.contiguous(memory_format=torch.channels_last)
    x[:, :, -1] = 3
    rows = torch.tensor([[1.0] * 2 * channels, [2.0] * 2 * channels], device="cuda", dtype=torch.bfloat16)
    ids = torch.zeros(1, size, size, device="cuda", dtype=torch.int64)
    ids[:, -1, -100:] = 1
    found = look_up(x, rows, ids, 0.2, 1)
    assert (found[:, :, 0] == 2).all()
    assert (found[:, :, -1, :-100] == 4).all() and (found[:, :, -1, -100:] == 8).all()
