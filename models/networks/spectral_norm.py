"""Spectral normalization (Miyato et al., ICLR 2018), under the state dict names of the released weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

Layer = TypeVar("Layer", bound=nn.Module)


class SpectralNorm:
    """Forward pre-hook that divides the weight W of a layer by its largest singular value (algorithm 1).

    sigma = u^T W v, where u and v approximate the first singular vectors. Every forward in training mode takes one step
    of the power iteration. Everything is computed in full precision, also under autocast.

    Attributes:
        frozen: whether forward passes in training mode leave u and v unchanged, for a pass that repeats another one or
            belongs to the same training step.
    """

    frozen = False
    handle: RemovableHandle

    def __call__(self, layer: SpectralLayer, inputs: tuple[Tensor, ...]) -> None:
        if layer.training and not self.frozen:
            self.iterate(layer)
        layer.weight = self.normalized_weight(layer)

    @torch.no_grad()
    def iterate(self, layer: SpectralLayer, steps: int = 1) -> None:
        """Improve u and v by steps of the power iteration, in place."""
        u, v, matrix = layer.weight_u, layer.weight_v, _as_matrix(layer, layer.weight_orig)
        with _without_autocast(u):
            for _ in range(steps):
                v.copy_(F.normalize(matrix.t() @ u, dim=0))
                u.copy_(F.normalize(matrix @ v, dim=0))

    def normalized_weight(self, layer: SpectralLayer) -> Tensor:
        """W / sigma. In its gradient, u and v are constants."""
        # Copies: the next forward changes u and v in place, perhaps before the backward of this one.
        u, v, matrix = layer.weight_u.clone(), layer.weight_v.clone(), _as_matrix(layer, layer.weight_orig)
        with _without_autocast(u):
            return layer.weight_orig / (u @ (matrix @ v))


class SpectralLayer(nn.Module):
    """What `spectral_norm` makes of a layer, for type checkers alone: the layer keeps its class."""

    weight: Tensor
    weight_orig: nn.Parameter
    weight_u: Tensor
    weight_v: Tensor
    spectral_norm: SpectralNorm


def spectral_norm(layer: Layer) -> Layer:
    """Normalize `layer.weight` in place; the state dict then holds weight_orig, weight_u and weight_v instead.

    torch.nn.utils.parametrizations.spectral_norm uses other names than the released weights.
    """
    weight = layer.get_parameter("weight")
    rows, columns = _as_matrix(layer, weight).shape
    spectral = cast(SpectralLayer, layer)
    del spectral.weight
    spectral.register_parameter("weight_orig", weight)
    spectral.weight = weight.data  # so that the attribute exists before the first forward
    spectral.register_buffer("weight_u", F.normalize(weight.new_empty(rows).normal_(), dim=0))
    spectral.register_buffer("weight_v", F.normalize(weight.new_empty(columns).normal_(), dim=0))
    spectral.spectral_norm = SpectralNorm()
    spectral.spectral_norm.handle = spectral.register_forward_pre_hook(spectral.spectral_norm)
    return layer


@torch.no_grad()
def remove_spectral_norm(layer: SpectralLayer) -> None:
    """Replace spectral norm by an ordinary parameter `layer.weight` with the present normalized weight."""
    weight = layer.spectral_norm.normalized_weight(layer)
    layer.spectral_norm.handle.remove()
    del layer.spectral_norm, layer.weight, layer.weight_orig, layer.weight_u, layer.weight_v
    layer.weight = nn.Parameter(weight)


def spectral_layers(network: nn.Module) -> Iterator[SpectralLayer]:
    """Every layer in `network` with spectral norm; its attribute `spectral_norm` is the hook."""
    for module in network.modules():
        if isinstance(getattr(module, "spectral_norm", None), SpectralNorm):
            yield cast(SpectralLayer, module)


def _as_matrix(layer: nn.Module, weight: Tensor) -> Tensor:
    """The weight as (C_out, C_in * k * k); transposed convolutions store (C_in, C_out, k, k)."""
    return (weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else weight).flatten(1)  # (C_out, -1)


def _without_autocast(x: Tensor) -> torch.autocast:
    return torch.autocast(x.device.type, enabled=False)
