"""What the convolutions of a network see beyond the border of their input, changed in a finished network."""

from __future__ import annotations

from typing import Literal

from torch import nn


def set_padding(network: nn.Module, mode: Literal["zeros", "replicate"]) -> None:
    """Let every convolution that pads its input do so by `mode`, those of SPADE included.

    Zeros tell a convolution where the border is. The published generators pad with zeros on maps as small as 4x4 or
    8x8, of which nearly every site is near the border, and draw lines along it that upsampling carries inward.

    Args:
        mode: "zeros", as published, or "replicate", the nearest value of the input ("reflect" refuses maps of one
            site).
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.padding != (0, 0):
            module.padding_mode = mode
