"""The kernel for GPUs computes what the definition does. Without a GPU Triton interprets it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

pytest.importorskip("triton", reason="Triton is not installed")
ROOT = Path(__file__).parents[3]
COMPARISON = """
import itertools, sys
import torch, torch.nn.functional as F
from models.tables.triton_lookup import look_up

device = sys.argv[1]
torch.manual_seed(0)
for dtype, scale, slope, channels in itertools.product((torch.float32, torch.bfloat16), (1, 2), (0.2, 1.0), (3, 64)):
    ids = torch.randint(7, (2, 4 * scale, 6 * scale), device=device)
    x = torch.randn(2, channels, 4, 6, device=device, dtype=dtype)
    rows = torch.randn(7, 2 * channels, device=device, dtype=dtype)
    found = look_up(x, rows, ids, slope, scale)
    factor, beta = rows.float()[ids].permute(0, 3, 1, 2).chunk(2, dim=1)
    wide = F.interpolate(x.float(), scale_factor=scale, mode="nearest")
    expected = F.leaky_relu(wide * factor + beta, slope)
    assert found.dtype == dtype and found.is_contiguous(memory_format=torch.channels_last)
    rounding = 1e-6 if dtype == torch.float32 else 8e-3
    assert torch.allclose(found.float(), expected, rtol=rounding, atol=1e-6), (dtype, scale)
print("compared")
"""


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_kernel_is_the_definition(device):
    interpreted = {"TRITON_INTERPRET": "1"} if device == "cpu" else {}  # read when triton is imported
    words, environment = [sys.executable, "-c", COMPARISON, device], os.environ | interpreted
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "compared"
