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
from models.tables.packed import PackedSteps, UnpackingConv2d, can_pack
from models.tables.rows import modulation_rows, weight_by_step
from models.tables.saved_tensors import recompute_in_backward
from util.distributed import process_count


class TableSPADE(SPADE):
    """SPADE in two halves for `TableResnetBlock`: `normalize` and `by_table`. `forward` stays the definition.

    Where gamma and beta need no gradients, the first use of a table moves their weights: `weight.data` becomes a view
    of one packed tensor, with the same values. Tensors that shared memory with a weight before do not afterwards.
    """

    def __init__(self, channels: int, semantic_nc: int, norm: NormSpec):
        super().__init__(channels, semantic_nc, norm)
        self.kernel = norm.spade_kernel
        self._packed: Tensor | None = None
        self._steps: PackedSteps | None = None

    @property
    def is_synchronized(self) -> bool:
        """Whether statistics are reduced over processes. All must then make the same calls, whatever their labels."""
        return self.training and isinstance(self.param_free_norm, SyncBatchNorm) and process_count() > 1

    def normalize(self, x: Tensor, scale: int = 1) -> Tensor:
        """Normalize `x` (N, C, h, w) as if it were upsampled by `scale`; the result has the size of `x`.

        Repeating every value does not change mean and variance. But running statistics take the unbiased variance,
        n / (n - 1) times the variance of n values, and upsampling makes n scale^2 times as large.
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
            # .data: autograd saves running statistics and checks their version, but the gradient does not use them.
            norm.running_var.data.sub_(kept).mul_((1 - 1 / few) / (1 - 1 / many)).add_(kept)
        return normalized

    def normalize_again(self, x: Tensor, normalized: Tensor, scale: int = 1) -> Tensor:
        """`normalize(x, scale)`, given the result `normalized` of another layer; reused where it cannot differ."""
        if not isinstance(self.param_free_norm, _BatchNorm):
            return normalized  # instance norm depends on `x` alone
        if not self.training or self.is_synchronized:
            return self.normalize(x, scale)
        with torch.no_grad():
            self.normalize(x, scale)  # to update its running statistics; the result equals the other layer's
        return normalized

    def by_table(self, normalized: Tensor, sites: Sites, *args, source: Tensor | None = None, **kwargs) -> Tensor:
        """Modulate activations that are already normalized, by lookup; see `modulate`.

        Args:
            source: what `normalized` was computed from. If given, normalized activations and rows are recomputed in the
                backward pass; else they are kept.
        """
        dtype = normalized.dtype
        rows = self.rows(sites).to(dtype)
        if source is None:
            return modulate(normalized, rows, sites, *args, **kwargs)
        recipes = [(rows, lambda: self.rows(sites).to(dtype))]
        if not self.is_synchronized:  # recomputing that would communicate in the backward pass
            recipes.append((normalized, self._recipe(source)))
        with recompute_in_backward(*recipes):
            return modulate(normalized, rows, sites, *args, **kwargs)

    def _recipe(self, x: Tensor) -> Callable[[], Tensor]:
        """A function that normalizes `x` again, without a second update of the running statistics."""
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
            conv = self.mlp_shared[0]
            assert isinstance(conv, nn.Conv2d), "figure 10: a convolution and a ReLU"
            bias = torch.cat([1 + bias_of(self.mlp_gamma), bias_of(self.mlp_beta)])
            if self._steps is not None:
                return modulation_rows(conv, self._steps, bias, neighborhoods, first, sites.noise)
            weight = self._weight_by_step()
            with recompute_in_backward((weight, self._weight_by_step)):
                return modulation_rows(conv, weight, bias, neighborhoods, first, sites.noise)

        if neighborhoods.kept is None or torch.is_grad_enabled():
            return compute(0)
        if self._steps is None:
            self._weight_by_step()  # first: it may move the weights, and stamps contain their addresses
        stamp = *map(_stamp, self.parameters()), torch.is_autocast_enabled(sites.ids.device.type)
        return neighborhoods.kept.setdefault(self, KeptRows()).up_to(len(neighborhoods.outer), stamp, compute)

    def pack(self) -> None:
        """Keep the weights of gamma and beta in oneDNN's order alone, for evaluation on a CPU; see `packed`."""
        if not can_pack(self.mlp_gamma.weight) or self._steps is not None:
            return
        self._steps = steps = PackedSteps(self._weight_by_step())
        self._packed = None
        for place, name in enumerate(("mlp_gamma", "mlp_beta")):
            conv = getattr(self, name)
            setattr(self, name, UnpackingConv2d(conv, lambda place=place: self._views(steps.weight())[place]))

    def _weight_by_step(self) -> Tensor:
        """`weight_by_step` of gamma and beta, (k * k, hidden, 2C).

        Where neither needs gradients, both weights become views of the result, so that it is computed once and takes no
        memory beside them.
        """
        weights = self.mlp_gamma.weight, self.mlp_beta.weight
        if any(weight.requires_grad for weight in weights):
            return weight_by_step(*weights)
        # To move or convert a module replaces the memory of its weights. They are views no more, and are packed again.
        packed = self._packed
        if packed is None or any(map(_is_other_memory, weights, self._views(packed))):
            self._packed = packed = weight_by_step(*weights)  # (k * k, hidden, 2C)
            for weight, view in zip(weights, self._views(packed)):
                weight.data = view
        return packed

    def _views(self, packed: Tensor) -> Sequence[Tensor]:
        """Views of packed weights as gamma's and beta's, (C, hidden, k, k) each."""
        return packed.unflatten(0, (self.kernel, self.kernel)).permute(3, 2, 0, 1).chunk(2)  # (C, hidden, k, k)


def _is_other_memory(a: Tensor, b: Tensor) -> bool:
    return a.data_ptr() != b.data_ptr() or a.stride() != b.stride()


def _stamp(parameter: Tensor) -> tuple[int, int]:
    """Address and version of a parameter: they change when its values do, unless these are written through `.data`."""
    return parameter.data_ptr(), parameter._version
