"""Spectral normalization under the names of the released weights, with its power iteration under control."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.utils.spectral_norm import SpectralNorm


class SteadySpectralNorm(SpectralNorm):
    """torch's hook, which divides a weight by its largest singular value, estimated anew in every training forward.

    It computes in full precision under autocast too, and can be held: the weight of a forward that repeats another
    one, or belongs to it, must not move on.

    Attributes:
        held: whether training forwards leave the estimate as it is.
    """

    held = False

    def compute_weight(self, module: nn.Module, do_power_iteration: bool) -> Tensor:
        """The normalised weight of `module`; one power iteration first if asked for and not held."""
        device_type = getattr(module, f"{self.name}_orig").device.type
        with torch.autocast(device_type, enabled=False):
            return super().compute_weight(module, do_power_iteration and not self.held)


def spectral_norm(layer: nn.Module) -> nn.Module:
    """Normalise `layer.weight` in place; its state dict then holds weight_orig, weight_u and weight_v.

    The hook version of torch, because its names are those of the released weights.
    """
    nn.utils.spectral_norm(layer)
    for hook in layer._forward_pre_hooks.values():
        if isinstance(hook, SpectralNorm):
            hook.__class__ = SteadySpectralNorm  # torch has no way to register a subclass
    return layer


def spectral_hooks(network: nn.Module) -> Iterator[tuple[SteadySpectralNorm, nn.Module]]:
    """Every hook below `network`, with the layer whose weight it normalises."""
    for module in network.modules():
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, SteadySpectralNorm):
                yield hook, module
