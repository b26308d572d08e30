"""SPADE with gamma and beta from a table: one row for each distinct neighborhood of the label map."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from models.networks.normalization import SPADE
from models.networks.norms import NormSpec, bias_of
from models.networks.sync_batch_norm import SyncBatchNorm, momentum_of
from models.tables.modulation import modulate
from models.tables.neighborhoods import KeptRows, Sites
from models.tables.rows import modulation_rows, weight_by_step
from models.tables.saved_tensors import recompute_in_backward
from util.distributed import process_count


class TableSPADE(SPADE):
    """SPADE in two halves for `TableResnetBlock`: `normalize` and `by_table`. `forward` stays the definition."""

    def __init__(self, channels: int, semantic_nc: int, norm: NormSpec):
        super().__init__(channels, semantic_nc, norm)
        self.kernel = norm.spade_kernel
        self._packed: Tensor | None = None

    @property
    def is_synchronized(self) -> bool:
        """Whether processes normalize together. All must then call the norm alike, whatever their labels are."""
        return self.training and isinstance(self.param_free_norm, SyncBatchNorm) and process_count() > 1

    def normalize(self, x: Tensor, scale: int = 1) -> Tensor:
        """`x` (N, C, h, w), normalized as it would be upsampled by `scale`; it is not upsampled here.

        To repeat every value leaves mean and variance as they are. But the unbiased variance of n values, which goes
        into the running statistics, is n / (n - 1) times theirs, and n is scale^2 times as large.
        """
        norm = self.param_free_norm
        if scale == 1 or not self.training or not isinstance(norm, _BatchNorm) or norm.running_var is None:
            return norm(x)
        before = norm.running_var.clone()
        normalized = norm(x)
        with torch.no_grad():
            step = momentum_of(norm)
            few = x.numel() // x.shape[1]
            many = few * scale**2
            kept = (1 - step) * before
            # running_var = kept + step * variance * few / (few - 1): correct the second term to many / (many - 1).
            # .data: autograd guards running statistics too, though the gradient of training mode has no use for them.
            norm.running_var.data.sub_(kept).mul_((1 - 1 / few) / (1 - 1 / many)).add_(kept)
        return normalized

    def normalize_again(self, x: Tensor, normalized: Tensor, scale: int = 1) -> Tensor:
        """`normalize(x, scale)`, given another layer's result for the same `x`; computed only where it may differ."""
        if not isinstance(self.param_free_norm, _BatchNorm):
            return normalized  # nothing but `x` goes into it
        if not self.training or self.is_synchronized:
            return self.normalize(x, scale)
        with torch.no_grad():
            self.normalize(x, scale)  # for its running statistics; it uses those of the batch, like the other layer
        return normalized

    def by_table(self, normalized: Tensor, sites: Sites, *args, source: Tensor | None = None, **kwargs) -> Tensor:
        """What `forward` returns, from activations that are normalized already, by a table; see `modulate`.

        Args:
            source: what `normalized` was computed from; then it and the rows are recomputed in the backward pass.
        """
        dtype = normalized.dtype
        rows = self.rows(sites).to(dtype)
        if source is None:
            return modulate(normalized, rows, sites, *args, **kwargs)
        recipes = [(rows, lambda: self.rows(sites).to(dtype))]
        if not self.is_synchronized:  # which would have to communicate in the backward pass
            recipes.append((normalized, self._recipe(source)))
        with recompute_in_backward(*recipes):
            return modulate(normalized, rows, sites, *args, **kwargs)

    def _recipe(self, x: Tensor) -> Callable[[], Tensor]:
        """How to normalize `x` once more, with the statistics of the batch, leaving the running ones alone."""
        norm, x = self.param_free_norm, x.detach()
        if self.training and isinstance(norm, _BatchNorm):
            return lambda: F.batch_norm(x, None, None, training=True, eps=norm.eps)

        def normalize() -> Tensor:
            with torch.enable_grad():  # `InstanceNorm` computes a single image differently where there are gradients
                return norm(x)

        return normalize

    def rows(self, sites: Sites) -> Tensor:
        """1 + gamma and beta of every distinct neighborhood, (neighborhoods, 2C)."""
        neighborhoods = sites.neighborhoods

        def compute(first: int) -> Tensor:
            conv, weight = self.mlp_shared[0], self._weight_by_step()
            assert isinstance(conv, nn.Conv2d), "figure 10: a convolution and a ReLU"
            bias = torch.cat([1 + bias_of(self.mlp_gamma), bias_of(self.mlp_beta)])
            with recompute_in_backward((weight, self._weight_by_step)):
                return modulation_rows(conv, weight, bias, neighborhoods, first)

        if neighborhoods.kept is None or torch.is_grad_enabled():
            return compute(0)
        self._weight_by_step()  # may move the weights, and their place is part of the stamp
        stamp = *map(_stamp, self.parameters()), torch.is_autocast_enabled(sites.ids.device.type)
        return neighborhoods.kept.setdefault(self, KeptRows()).up_to(len(neighborhoods.outer), stamp, compute)

    def _weight_by_step(self) -> Tensor:
        """`weight_by_step` of gamma and beta, (k * k, hidden, 2C).

        Where both cannot be trained, they become views of it: it is computed once and takes no second memory.
        """
        weights = self.mlp_gamma.weight, self.mlp_beta.weight
        if any(weight.requires_grad for weight in weights):
            return weight_by_step(*weights)
        # Whoever loads, moves or converts the weights gives them memory of their own: then they are packed again.
        packed = self._packed
        if packed is None or any(map(_differ_in_place, weights, self._views(packed))):
            self._packed = packed = weight_by_step(*weights)  # (k * k, hidden, 2C)
            for weight, view in zip(weights, self._views(packed)):
                weight.data = view
        return packed

    def _views(self, packed: Tensor) -> Sequence[Tensor]:
        """Packed weights as those of the two convolutions, (C, hidden, k, k) each."""
        return packed.unflatten(0, (self.kernel, self.kernel)).permute(3, 2, 0, 1).chunk(2)  # (C, hidden, k, k)


def _differ_in_place(a: Tensor, b: Tensor) -> bool:
    return a.data_ptr() != b.data_ptr() or a.stride() != b.stride()


def _stamp(parameter: Tensor) -> tuple[int, int]:
    """Changes whenever the values of a parameter do."""
    return parameter.data_ptr(), parameter._version
