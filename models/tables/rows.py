"""The table: 1 + gamma and beta of every distinct neighborhood of a label map (equation 1).

A row holds 1 + gamma, then beta: 2C numbers.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from models.networks.norms import bias_of
from models.tables.neighborhoods import OUTSIDE, Neighborhoods
from models.tables.packed import PackedSteps

WORKSPACE = 2**22
"""Values of intermediate products in memory at a time: 16 MiB in 32 bits."""


def modulation_rows(
    mlp_shared: nn.Conv2d,
    weight: Tensor | PackedSteps,
    bias: Tensor,
    neighborhoods: Neighborhoods,
    first: int = 0,
    noise: Tensor | None = None,
) -> Tensor:
    """Rows of the neighborhoods from id `first` on.

    A k x k convolution is a sum over k * k steps. So the hidden features of an inner window are a sum of k * k rows of
    the first layer's weight, picked by label. The second layer is one matrix product for each step, and an outer
    window sums the products of its k * k inner windows.

    Args:
        mlp_shared: the first layer, from semantic map to hidden features, before its ReLU.
        weight: of the second layer, (k * k, hidden, 2C), see `weight_by_step`; packed without gradients alone.
        bias: of the second layer, (2C,).
        noise: (N, Z), the first channels of the semantic map of each sample, the same at every pixel.
    Returns:
        (neighborhoods - first, 2C).
    """
    inner, outer = neighborhoods.windows(first)  # (V, k * k), (U, k * k)
    hidden = _hidden_rows(mlp_shared, neighborhoods, inner, noise)  # (V, hidden)
    steps = torch.arange(outer.shape[1], device=outer.device)  # (k * k,)
    if isinstance(weight, PackedSteps):
        parts, bags = weight.products(hidden), outer * len(steps) + steps  # (U, k * k)
    else:
        repeated = hidden.expand(len(steps), -1, -1)  # (k * k, V, hidden)
        bags = outer + len(hidden) * steps  # (U, k * k)
        if torch.is_grad_enabled():
            products = repeated.bmm(weight).flatten(0, 1)  # (k * k * V, 2C)
            return _SumOfBags.apply(products, bags, neighborhoods.gathered(first)) + bias
        at_once = max(16, WORKSPACE // (len(steps) * len(hidden)))
        parts = (repeated.bmm(block).flatten(0, 1) for block in weight.split(at_once, dim=2))  # (k * k * V, columns)
    rows = bias.new_empty(len(outer), len(bias))
    end = 0
    for products in parts:
        start, end = end, end + products.shape[1]
        torch.add(F.embedding_bag(bags, products, mode="sum"), bias[start:end], out=rows[:, start:end])
    return rows


class _SumOfBags(torch.autograd.Function):
    """`embedding_bag` of sums, whose gradient is one, too: torch's own sorts the bags for every layer.

    Args of `apply`: products (k * k * V, 2C), bags (U, k * k), and what `Neighborhoods.gathered` returns.
    """

    @staticmethod
    def forward(ctx, products: Tensor, bags: Tensor, gathered: tuple[Tensor, Tensor]) -> Tensor:
        ctx.gathered = gathered
        return F.embedding_bag(bags, products, mode="sum")  # (U, 2C)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        owners, starts = ctx.gathered
        return F.embedding_bag(owners, gradient, starts, mode="sum"), None, None  # (k * k * V, 2C)


def _hidden_rows(mlp_shared: nn.Conv2d, neighborhoods: Neighborhoods, windows: Tensor, noise: Tensor | None) -> Tensor:
    """The hidden features (V, hidden), after ReLU, of windows of symbols (V, k * k)."""
    weight = mlp_shared.weight.flatten(2)  # (hidden, noise + semantic channels, k * k)
    first_label = 0 if noise is None else noise.shape[1]
    rows = weight[:, first_label + neighborhoods.labels]  # (hidden, symbols, k * k)
    rows = rows + neighborhoods.edges[:, None] * weight[:, -1:]  # edges are 0 without an edge channel
    if noise is not None:  # at each step inside the map, the noise of a sample adds the same as one more label
        of_samples = torch.einsum("nz,hzk->hnk", noise, weight[:, :first_label])  # (hidden, N, k * k)
        rows = rows + of_samples[:, neighborhoods.samples]
    rows = F.pad(rows.permute(2, 1, 0), (0, 0, 1, 0))  # (k * k, 1 + symbols, hidden); 0 for the one outside
    bags = windows + rows.shape[1] * torch.arange(len(rows), device=windows.device)
    hidden = F.relu(F.embedding_bag(bags, rows.flatten(0, 1), mode="sum") + bias_of(mlp_shared))
    outside = (windows == OUTSIDE).all(1, keepdim=True)
    return hidden.masked_fill(outside, 0)  # the second convolution is padded with zeros, not with ReLU(bias)


def weight_by_step(gamma: Tensor, beta: Tensor) -> Tensor:
    """The weights of both layers, (C, hidden, k, k) each, as one matrix (hidden, 2C) for each of the k * k steps."""
    by_step = [weight.permute(2, 3, 0, 1) for weight in (gamma, beta)]  # (k, k, C, hidden)
    # In memory the hidden features come last, as in channels-last weights: other orders take ten times as long to copy.
    return torch.cat(by_step, dim=2).flatten(0, 1).mT  # (k * k, hidden, 2C)
