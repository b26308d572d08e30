"""Compares the Triton lookup with its definition: python -m tests.gpu.lookups cpu | cuda (cpu: TRITON_INTERPRET=1)."""

import itertools
import sys

import torch
import torch.nn.functional as F
from torch import Tensor

from models.tables.triton_lookup import BLOCK, look_up

SHAPES = {
    "one value": (1, 1, 1, 1),
    "one site": (1, 48, 1, 1),
    "one value less than a block": (1, 1, 1, BLOCK - 1),
    "a block": (1, 1, 32, BLOCK // 32),
    "one value more than a block": (1, 1, BLOCK + 1, 1),
    "a block that ends inside a site": (1, 3, 18, 19),
    "two blocks and the last value of a site": (1, 3, 683, 1),
    "whole blocks of several maps": (2, 64, 4, 8),
    "a site wider than a block": (2, BLOCK + 1, 1, 2),
    "odd sizes": (3, 35, 5, 7),
}
"""(N, C, h, w)"""
ROUNDING = {torch.float32: 1e-6, torch.bfloat16: 2**-7, torch.float16: 2**-10}
"""Relative, of a result that was computed in 32 bits: twice that of rounding, as Triton's interpreter truncates."""
ROWS = 7


def defined(x: Tensor, rows: Tensor, ids: Tensor, slope: float, scale: int) -> Tensor:
    """Equation 1 in 64 bits: upsample, scale and shift by the row of each site, leaky ReLU."""
    factor, beta = rows.double()[ids].permute(0, 3, 1, 2).chunk(2, dim=1)  # (N, C, H, W) each
    return F.leaky_relu(F.interpolate(x.double(), scale_factor=scale, mode="nearest") * factor + beta, slope)


def compare(device: str) -> int:
    """Compare all cases; return how many there were. AssertionError names the first that differs."""
    torch.manual_seed(0)
    count = 0
    for (name, shape), dtype, scale in itertools.product(SHAPES.items(), ROUNDING, (1, 2)):
        samples, channels, height, width = shape
        wide = torch.randn(samples, 2 * channels, height, width, device=device, dtype=dtype)
        inputs = {
            "channels last, slope": (wide[:, :channels].contiguous(memory_format=torch.channels_last), 0.2),
            "every second channel, slope": (wide[:, ::2], 1.0),
        }
        rows = torch.randn(ROWS, 2 * channels, device=device, dtype=dtype)
        ids = torch.randint(ROWS, (samples, scale * width, scale * height), device=device).transpose(1, 2)
        ids[:, -1, -1] = ROWS - 1
        for order, (x, slope) in inputs.items():
            before = x.clone()
            found = look_up(x, rows, ids, slope, scale)
            case = f"{name}, {dtype}, scale {scale}, {order} {slope}"
            assert found.dtype == dtype and found.is_contiguous(memory_format=torch.channels_last), case
            assert torch.equal(x, before), f"{case}: the input has changed"
            expected = defined(x, rows, ids, slope, scale)
            assert torch.allclose(found.double(), expected, rtol=ROUNDING[dtype], atol=2e-6), case
            count += 1
    return count


if __name__ == "__main__":
    print(compare(sys.argv[1]), "cases")
