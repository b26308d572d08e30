"""Generators in fewer bits."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from models.eight_bits import round_to_8_bits

WITH_WEIGHTS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def convert(network: nn.Module, precision: str) -> torch.dtype:
    """Turn a folded network in place into the variant that `--precision` names; return the type it computes in."""
    if precision == "float16":
        network.half()
        return torch.float16
    if precision == "int8":
        store_in_8_bits(network)
    return torch.float32


def store_in_8_bits(network: nn.Module) -> None:
    """Store every weight as 8-bit integers with one scale per output channel; they are multiplied when used.

    Activations stay in 32 bits. Rounding them, too, as onnxruntime.quantization.quantize_dynamic does, was worse in
    every respect except for 1% of the file's size; docs/deploy.md has the figures.
    """
    for layer in network.modules():
        if isinstance(layer, WITH_WEIGHTS):
            output = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
            # unsafe=True, because the dtype changes, which torch would refuse.
            parametrize.register_parametrization(layer, "weight", EightBits(output), unsafe=True)


class EightBits(nn.Module):
    """weight = integers * scale, with one scale for each channel along dimension `output`."""

    def __init__(self, output: int):
        super().__init__()
        self.output = output

    def forward(self, integers: Tensor, scale: Tensor) -> Tensor:
        """int8 of the weight's shape, float32 that broadcasts to it -> the weight, float32."""
        return integers.to(scale.dtype) * scale

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The integers and scales whose product is nearest to a weight."""
        return round_to_8_bits(weight, self.output)
