"""Equation 1 by lookup: every site reads its gamma and beta from the table row of its neighborhood."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.tables.neighborhoods import Sites
from models.tables.saved_tensors import recompute_in_backward

HAS_TRITON = importlib.util.find_spec("triton") is not None
_use_triton = HAS_TRITON
CACHED = 2**18
"""Values of rows that are looked up at a time on a CPU: 1 MiB stays in the cache of a core."""


def modulate(
    x: Tensor, rows: Tensor, sites: Sites, slope: float = 1.0, scale: int = 1, in_place: bool = False
) -> Tensor:
    """Upsample, scale and shift every site by its row (eq. 1), and apply leaky ReLU.

    Args:
        x: normalized activations (N, C, h, w).
        rows: (neighborhoods, 2C), 1 + gamma and beta.
        slope: negative slope of the leaky ReLU; 1 for none.
        scale: factor of the nearest-neighbor upsampling.
        in_place: whether the result may overwrite `x` when no gradients are needed.
    Returns:
        (N, C, scale * h, scale * w) in channels-last memory, where the channels of a site are adjacent.
    """
    if torch.is_grad_enabled() and (x.requires_grad or rows.requires_grad):
        return _Modulation.apply(x, rows, sites, slope, scale)
    return _look_up(x, rows, sites.ids, slope, scale, in_place)


def add_projected(y: Tensor, x: Tensor, rows: Tensor, sites: Sites, weight: Tensor, scale: int = 1) -> Tensor:
    """Add to `y`, in place, the 1x1 convolution of `modulate(x, rows, sites, scale=scale)`; without gradients.

    Args:
        y: (N, C', scale * h, scale * w).
        weight: (C', C, 1, 1).
    """
    if x.device.type != "cpu":
        return y.add_(F.conv2d(_look_up(x, rows, sites.ids, 1.0, scale), weight))
    y = y.contiguous(memory_format=torch.channels_last)
    flat, matrix = by_site(y), weight.flatten(1).t().to(y.dtype)  # autocast does not cast in-place products
    for start, part in _modulated_parts(x, rows, sites.ids, 1.0, scale):
        flat[start : start + len(part)].addmm_(part, matrix)  # the modulated activations never exist whole
    return y


@contextmanager
def plain_lookup() -> Iterator[None]:
    """Look rows up by plain PyTorch on GPUs within a block, as without Triton: to compare both ways."""
    global _use_triton
    before, _use_triton = _use_triton, False
    try:
        yield
    finally:
        _use_triton = before


def by_site(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N * H * W, C), a view of channels-last memory."""
    return x.permute(0, 2, 3, 1).flatten(0, 2)  # (N * H * W, C)


def _look_up(x: Tensor, rows: Tensor, ids: Tensor, slope: float, scale: int, in_place: bool = False) -> Tensor:
    """`modulate` without gradients."""
    if x.device.type == "cpu":
        # Fresh memory costs more than writing the result: the system zeroes it page by page.
        in_place = in_place and scale == 1 and x.is_contiguous(memory_format=torch.channels_last)
        y = x.permute(0, 2, 3, 1) if in_place else x.new_empty(*ids.shape, x.shape[1])  # (N, H, W, C)
        for _ in _modulated_parts(x, rows, ids, slope, scale, into=y.flatten(0, 2)):
            pass
        return y.permute(0, 3, 1, 2)  # (N, C, H, W)
    if x.device.type == "cuda" and _use_triton:
        from models.tables.triton_lookup import look_up  # imported here, because Triton is optional

        return look_up(x, rows, ids, slope, scale)
    x = F.interpolate(x, scale_factor=scale, mode="nearest") if scale > 1 else x
    factor, beta = F.embedding(ids, rows).permute(0, 3, 1, 2).chunk(2, dim=1)  # (N, C, H, W) each
    y = torch.addcmul(beta, x, factor)
    return F.leaky_relu_(y, slope) if slope != 1 else y


def _modulated_parts(
    x: Tensor, rows: Tensor, ids: Tensor, slope: float, scale: int, into: Tensor | None = None
) -> Iterator[tuple[int, Tensor]]:
    """Modulate a few lines at a time, so that their looked-up rows stay in the cache: memory traffic limits the speed.

    Args:
        into: (sites, C) to write the results to. Without it all parts use one buffer, so each overwrites the last one.
    Yields:
        index of the first site of a part, and the part (sites, C).
    """
    channels, width = x.shape[1], x.shape[3]
    lines = x.permute(0, 2, 3, 1).flatten(0, 1)  # (N * h, w, C)
    ids = ids.flatten()  # (sites,)
    sites_per_line = scale * scale * width  # of a line of x
    at_once = max(1, CACHED // (rows.shape[1] * sites_per_line))
    buffer = rows.new_empty(at_once * sites_per_line, rows.shape[1])
    own = into if into is not None else rows.new_empty(at_once * sites_per_line, channels)
    for first in range(0, len(lines), at_once):
        part = lines[first : first + at_once, None, :, None]  # (n, 1, w, 1, C): upsampled without a copy
        start, count = first * sites_per_line, len(part) * sites_per_line
        found = torch.index_select(rows, 0, ids[start : start + count], out=buffer[:count])
        factor, beta = found.view(-1, scale, width, scale, 2, channels).unbind(-2)  # (n, scale, w, scale, C) each
        result = own[start : start + count] if into is not None else own[:count]
        torch.addcmul(beta, part, factor, out=result.view(beta.shape))
        yield start, F.leaky_relu_(result, slope) if slope != 1 else result


class _Modulation(torch.autograd.Function):
    """`modulate` with gradients.

    Leaky ReLU needs the sign of the output in the backward pass, which looks the output up once more instead of
    keeping it.
    """

    @staticmethod
    def forward(ctx, x: Tensor, rows: Tensor, sites: Sites, slope: float, scale: int) -> Tensor:
        ctx.save_for_backward(x, rows)
        ctx.sites, ctx.slope, ctx.scale = sites, slope, scale
        return _look_up(x, rows, sites.ids, slope, scale)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        x, rows = ctx.__dict__.pop("unpacked", None) or ctx.saved_tensors  # see `look_up_in_backward`
        sites, scale, (count, channels, height, width) = ctx.sites, ctx.scale, x.shape
        blocks = count, height, scale, width, scale, channels  # of scale x scale sites for each value of x
        before = by_site(gradient)  # (sites, C)
        if ctx.slope != 1:  # the gradient before the leaky ReLU, which has the sign of its result
            result = by_site(_look_up(x, rows, sites.ids, ctx.slope, scale))
            before = torch.ops.aten.leaky_relu_backward(before, result, ctx.slope, True)
            del result
        else:
            before = before.clone(memory_format=torch.contiguous_format)
        gradient_rows = torch.empty_like(rows)
        gradient_rows[:, channels:] = sites.sum_by_neighborhood(before)
        gradient_x = F.embedding(sites.ids.flatten(), rows[:, :channels].contiguous()).mul_(before)
        gradient_x = gradient_x.view(count, scale * height, scale * width, channels).permute(0, 3, 1, 2)  # (N, C, H, W)
        if scale > 1:  # each value of x went to scale^2 sites; as a pooling, as torch's sum is thirty times as slow
            gradient_x = F.avg_pool2d(gradient_x, scale, divisor_override=1)  # (N, C, h, w)
        # The output is x * (1 + gamma) + beta: the gradient of 1 + gamma has the factor x, upsampled without a copy.
        before.view(blocks).mul_(x.permute(0, 2, 3, 1)[:, :, None, :, None])  # by (N, h, 1, w, 1, C)
        gradient_rows[:, :channels] = sites.sum_by_neighborhood(before)
        return gradient_x, gradient_rows, None, None, None


def look_up_in_backward(y: Tensor) -> AbstractContextManager[None]:
    """`recompute_in_backward` for `y`, a result of `modulate` with gradients: operations inside do not save it."""
    node: Any = y.grad_fn  # the `ctx` of `_Modulation.forward`

    def look_up() -> Tensor:
        # To unpack saved tensors may recompute them. `_Modulation.backward`, which comes next, needs the same ones and
        # takes these, so that they are recomputed once.
        node.unpacked = x, rows = node.saved_tensors
        return _look_up(x, rows, node.sites.ids, node.slope, node.scale)

    return recompute_in_backward((y, look_up))
