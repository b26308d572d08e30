"""SPADE: spatially-adaptive normalization (paper, equation 1)."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from models.networks.layout import SemanticLayout
from models.networks.norms import PARAM_FREE_NORMS, NormSpec
from models.networks.sync_batch_norm import SyncBatchNorm
from models.tables.modulation import made_again, modulate, modulation_rows, weight_by_step
from models.tables.neighborhoods import KeptRows, Sites
from util.distributed import process_count

# Hidden width of the two-layer network that makes gamma and beta (paper, figure 10).
SPADE_HIDDEN_CHANNELS = 128


class SPADE(nn.Module):
    """Spatially-adaptive normalization (paper, eq. 1 and figure 10).

    Args:
        channels: C of the activations.
        semantic_nc: channels of the semantic map.
        norm: `NormSpec` with a SPADE kernel.
    """

    def __init__(self, channels: int, semantic_nc: int, norm: NormSpec):
        super().__init__()
        kernel, padding = norm.spade_kernel, norm.spade_kernel // 2
        self.param_free_norm = PARAM_FREE_NORMS[norm.kind](channels)
        self.mlp_shared = nn.Sequential(
            nn.Conv2d(semantic_nc, SPADE_HIDDEN_CHANNELS, kernel, padding=padding),
            nn.ReLU(),
        )
        self.kernel = kernel
        self._packed: tuple[object, Tensor] | None = None
        self.mlp_gamma = nn.Conv2d(SPADE_HIDDEN_CHANNELS, channels, kernel, padding=padding)
        self.mlp_beta = nn.Conv2d(SPADE_HIDDEN_CHANNELS, channels, kernel, padding=padding)

    def forward(self, x: Tensor, layout: SemanticLayout) -> Tensor:
        """Normalize `x` without parameters, then scale and shift every site by maps of the layout (paper, eq. 1).

        Args:
            x: activations (N, C, H, W).
        Returns:
            (N, C, H, W). The code multiplies by `1 + gamma`, so that zero modulation is the identity.
        """
        normalized = self.param_free_norm(x)
        gamma, beta = self.modulation(layout, *x.shape[-2:])
        return normalized * (1 + gamma) + beta

    def modulation(self, layout: SemanticLayout, height: int, width: int) -> tuple[Tensor, Tensor]:
        """gamma(m) and beta(m) of eq. 1, each (N, C, height, width). They depend on the layout alone."""
        hidden = self.mlp_shared(layout.at(height, width))  # (N, 128, H, W)
        return self.mlp_gamma(hidden), self.mlp_beta(hidden)

    @property
    def talks(self) -> bool:
        """Whether processes normalize together. All must then do the same, whatever way their labels call for."""
        return self.training and isinstance(self.param_free_norm, SyncBatchNorm) and process_count() > 1

    def normalize(self, x: Tensor, scale: int = 1) -> Tensor:
        """`x` (N, C, h, w), normalized as it would be upsampled by `scale`; it is not upsampled here.

        To repeat every value leaves mean and variance as they are. But the unbiased variance of n values, which goes
        into the running statistics, is n / (n - 1) times theirs.
        """
        norm = self.param_free_norm
        if scale == 1 or not self.training or not isinstance(norm, _BatchNorm):
            return norm(x)
        before = norm.running_var.clone()
        normalized = norm(x)
        with torch.no_grad():
            step = norm.momentum if norm.momentum is not None else 1 / float(norm.num_batches_tracked)
            few = x.numel() // x.shape[1]
            many = few * scale**2
            kept = (1 - step) * before
            # .data: autograd guards running statistics too, though the gradient of training mode has no use for them.
            norm.running_var.data.sub_(kept).mul_((1 - 1 / few) / (1 - 1 / many)).add_(kept)
        return normalized

    def normalize_again(self, x: Tensor, normalized: Tensor, scale: int = 1) -> Tensor:
        """`normalize(x, scale)`, given what another layer has made of it; once more only where that may differ."""
        if not isinstance(self.param_free_norm, _BatchNorm):
            return normalized  # nothing but `x` goes into it
        if not self.training or self.talks:
            return self.normalize(x, scale)
        with torch.no_grad():
            self.normalize(x, scale)  # for its running statistics; it uses those of the batch, like the other
        return normalized

    def by_table(self, normalized: Tensor, sites: Sites, *args, made_of: Tensor | None = None, **kwargs) -> Tensor:
        """What `forward` makes of activations that are normalized already, by way of a table; see `modulate`.

        Args:
            made_of: what `normalized` was made of; then that and the rows are made again in the backward pass.
        """
        dtype = normalized.dtype
        rows = self.rows(sites).to(dtype)
        if made_of is None:
            return modulate(normalized, rows, sites, *args, **kwargs)
        recipes = [(rows, lambda: self.rows(sites).to(dtype))]
        if not self.talks:
            recipes.append((normalized, self._recipe(made_of)))
        with made_again(*recipes):
            return modulate(normalized, rows, sites, *args, **kwargs)

    def _recipe(self, x: Tensor) -> Callable[[], Tensor]:
        """How to normalize `x` once more, with what is of the batch, and no running statistics."""
        norm, x = self.param_free_norm, x.detach()
        if self.training and isinstance(norm, _BatchNorm):
            return lambda: F.batch_norm(x, None, None, training=True, eps=norm.eps)
        return lambda: norm(x)

    def rows(self, sites: Sites) -> Tensor:
        """1 + gamma and beta of every distinct neighborhood, (neighborhoods, 2C)."""
        neighborhoods = sites.neighborhoods

        def compute(first: int) -> Tensor:
            weight, bias = self._weight_by_step(), torch.cat([1 + self.mlp_gamma.bias, self.mlp_beta.bias])
            with made_again((weight, self._weight_by_step)):
                return modulation_rows(self.mlp_shared[0], weight, bias, neighborhoods, first)

        if neighborhoods.kept is None or torch.is_grad_enabled():
            return compute(0)
        self._weight_by_step()  # may move the weights, and their place is part of the stamp
        stamp = *map(_stamp, self.parameters()), torch.is_autocast_enabled(sites.ids.device.type)
        return neighborhoods.kept.setdefault(self, KeptRows()).up_to(len(neighborhoods.outer), stamp, compute)

    def _weight_by_step(self) -> Tensor:
        """`weight_by_step` of both layers. If they cannot be trained, they become views of it: it is made once."""
        weights = self.mlp_gamma.weight, self.mlp_beta.weight
        if any(weight.requires_grad for weight in weights):
            return weight_by_step(*weights)
        if self._packed is None or any(map(_differ_in_place, weights, self._views())):
            self._packed = weight_by_step(*weights)  # (k * k, hidden, 2C)
            for weight, view in zip(weights, self._views()):
                weight.data = view
        return self._packed

    def _views(self) -> tuple[Tensor, Tensor]:
        """The packed weights as those of convolutions, (C, hidden, k, k) each."""
        return self._packed.unflatten(0, (self.kernel, self.kernel)).permute(3, 2, 0, 1).chunk(2)


def _differ_in_place(a: Tensor, b: Tensor) -> bool:
    return a.data_ptr() != b.data_ptr() or a.stride() != b.stride()


def _stamp(parameter: Tensor) -> tuple[int, int]:
    """Changes whenever the values of a parameter do."""
    return parameter.data_ptr(), parameter._version
