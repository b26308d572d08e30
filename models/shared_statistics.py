"""One exchange for two synchronized norms that see the same activations: norm_0 and norm_s of a SPADE block."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.networks.blocks import SPADEResnetBlock
from models.networks.sync_batch_norm import SyncBatchNorm, momentum_of
from util.distributed import process_count


def share_statistics(network: nn.Module) -> None:
    """Let norm_s of every SPADE block of `network` take over what norm_0 has made of the same activations.

    The two modulate differently, but both normalize the input of the block. Where several processes normalize together,
    one exchange of statistics then serves both, forward and backward. Outputs, gradients, running statistics and state
    dicts are as before. Networks without synchronized norms stay as they are.
    """
    for block in network.modules():
        if isinstance(block, SPADEResnetBlock) and block.learned_shortcut:
            first, second = block.norm_0.param_free_norm, block.norm_s.param_free_norm
            if isinstance(first, SyncBatchNorm) and isinstance(second, SyncBatchNorm):
                leading = LeadingNorm.like(first)
                _replace_child(block.norm_0, first, leading)
                _replace_child(block.norm_s, second, FollowingNorm.like(second, leading.results))


class Result(NamedTuple):
    """What the leading norm made of activations.

    Attributes:
        x, normalized: (N, C, H, W) each.
        before, after: its running mean and variance, (C,) each.
    """

    x: Tensor
    normalized: Tensor
    before: tuple[Tensor, Tensor]
    after: tuple[Tensor, Tensor]


class SharingNorm(SyncBatchNorm):
    """`SyncBatchNorm` without scale and shift, as in SPADE, which shares results with another one.

    Attributes:
        results: the last result of the leading norm, until the following one takes it; a list common to both.
    """

    results: list[Result]

    @classmethod
    def like(cls, norm: SyncBatchNorm, results: list[Result] | None = None):
        """A norm with the settings and the buffers of `norm`."""
        made = cls(norm.num_features, norm.eps, norm.momentum, affine=False)
        for name, buffer in norm.named_buffers():
            setattr(made, name, buffer)
        made.results = [] if results is None else results
        return made.train(norm.training)

    def shares(self) -> bool:
        """Whether a call exchanges statistics for both norms. In compiled code, each exchanges its own."""
        return self.training and process_count() > 1 and not torch.compiler.is_compiling()

    def running_statistics(self) -> tuple[Tensor, Tensor]:
        """The running mean and variance, (C,) each."""
        assert self.running_mean is not None and self.running_var is not None, "SPADE's norms have both"
        return self.running_mean, self.running_var


class LeadingNorm(SharingNorm):
    """The norm that sees the activations first."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        if not self.shares():
            return super().forward(x)
        mean, variance = (statistic.clone() for statistic in self.running_statistics())
        normalized = super().forward(x)
        self.results[:] = [Result(x, normalized, (mean, variance), self.running_statistics())]
        return normalized


class FollowingNorm(SharingNorm):
    """The norm that sees the same activations afterwards."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        result = self.results.pop() if self.results else None
        if result is None or result.x is not x or not self.shares():
            return super().forward(x)
        self._advance_like(result)
        return result.normalized

    @torch.no_grad()
    def _advance_like(self, result: Result) -> None:
        """Update the running statistics by the batch that the leading norm saw.

        With the weight s of a batch, b = (1 - s) a + s * batch turns a of the leading norm into b. The same for c of
        this norm is b + (1 - s) (c - a), which is b to the last bit where c = a.
        """
        assert self.num_batches_tracked is not None, "SPADE's norms count their batches"
        self.num_batches_tracked += 1
        step = momentum_of(self)
        if step == 0:  # frozen
            return
        for own, before, after in zip(self.running_statistics(), result.before, result.after):
            own.sub_(before).mul_(1 - step).add_(after)


def _replace_child(module: nn.Module, child: nn.Module, new: nn.Module) -> None:
    name = next(name for name, one in module.named_children() if one is child)
    setattr(module, name, new)
