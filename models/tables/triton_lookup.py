"""The lookup of `modulate` as one pass over the activations on a GPU: read x, read a row, write the result."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 1024
"""Values that one program instance computes."""


@triton.jit
def _look_up_kernel(
    x, rows, ids, y, total, channels, width, scale, slope, BLOCK: tl.constexpr
):  # fmt: skip
    """y[site, c] = leaky(x[source(site), c] * rows[id, c] + rows[id, channels + c]), computed in 32 bits."""
    number = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = number < total
    site, channel = number // channels, number % channels
    # Nearest-neighbor upsampling: `width` is that of y; lines are numbered through all maps of the batch.
    line, column = site // width, site % width
    source = (line // scale) * (width // scale) + column // scale
    row = rows + tl.load(ids + site, mask=inside, other=0) * (2 * channels) + channel
    value = tl.load(x + source * channels + channel, mask=inside, other=0.0).to(tl.float32)
    factor = tl.load(row, mask=inside, other=0.0).to(tl.float32)
    beta = tl.load(row + channels, mask=inside, other=0.0).to(tl.float32)
    value = value * factor + beta
    value = tl.where(value > 0, value, value * slope)
    tl.store(y + number, value.to(y.dtype.element_ty), mask=inside)


def look_up(x: Tensor, rows: Tensor, ids: Tensor, slope: float, scale: int) -> Tensor:
    """`modulation.modulate` without gradients.

    Args:
        x: (N, C, h, w); copied unless in channels-last memory.
        rows: (neighborhoods, 2C), from `rows.modulation_rows`.
        ids: (N, scale * h, scale * w) int64.
    """
    channels = x.shape[1]
    x = x.contiguous(memory_format=torch.channels_last)
    y = x.new_empty(*ids.shape, channels)  # (N, H, W, C)
    grid = (triton.cdiv(y.numel(), BLOCK),)
    _look_up_kernel[grid](
        x.permute(0, 2, 3, 1), rows.contiguous(), ids.contiguous(), y, y.numel(), channels, ids.shape[2], scale, slope,
        BLOCK=BLOCK,  # pyright: ignore[reportArgumentType] (Triton takes constants for constexpr)
    )  # fmt: skip
    return y.permute(0, 3, 1, 2)  # (N, C, H, W)
