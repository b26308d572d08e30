"""Weights as 8-bit integers with one scale for each output channel."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

LARGEST = 127  # of 8 bits with sign, used symmetrically
SCALE = ".scale"
"""End of the name of the entry of a state dict that holds the scales of another entry."""


def round_to_8_bits(weight: Tensor, output: int = 0) -> tuple[Tensor, Tensor]:
    """Integers int8 and scales, which broadcast, whose product is nearest to a weight.

    Args:
        output: dimension of the output channels.
    """
    others = [dim for dim in range(weight.dim()) if dim != output]
    scale = weight.abs().amax(others, keepdim=True) / LARGEST
    scale = scale.where(scale > 0, torch.ones_like(scale))  # a channel of zeros
    return (weight / scale).round().to(torch.int8), scale


def store_state_in_8_bits(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict with its weights of two or more dimensions in 8 bits, each followed by an entry of scales."""
    stored = {}
    for name, tensor in state.items():
        if tensor.is_floating_point() and tensor.dim() > 1:
            stored[name], stored[name + SCALE] = round_to_8_bits(tensor)
        else:
            stored[name] = tensor
    return stored


def restore_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict, in 32 bits, of one from `store_state_in_8_bits`; any other stays as it is."""
    scales = {name for name in state if name.endswith(SCALE) and name.removesuffix(SCALE) in state}
    return {
        name: tensor * state[name + SCALE] if name + SCALE in scales else tensor
        for name, tensor in state.items()
        if name not in scales
    }
