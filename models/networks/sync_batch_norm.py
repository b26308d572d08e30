"""Synchronized batch norm, with statistics over the batches of all processes, on GPUs and on CPUs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from util.distributed import process_count, sum_over_processes
from util.precision import full_precision

BATCH_AND_SPACE = (0, 2, 3)


class SyncBatchNorm(nn.BatchNorm2d):
    """torch's SyncBatchNorm on GPUs, and the same function on CPUs, which torch's class does not support.

    It is no subclass of torch's, because DistributedDataParallel refuses those on CPUs. In evaluation mode, and with
    one process, it is plain batch norm. All processes must have batches of the same size.
    """

    process_group = None  # all processes
    _check_non_zero_input_channels = nn.SyncBatchNorm._check_non_zero_input_channels

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        if not self.training or process_count() == 1:
            return super().forward(x)
        if x.device.type == "cpu":
            return self._normalize_together(x)
        return nn.SyncBatchNorm.forward(self, x)  # pyright: ignore[reportArgumentType] (see the class: no subclass)

    def _normalize_together(self, x: Tensor) -> Tensor:
        """Batch norm with mean and variance from differentiable sums over the processes."""
        full = full_precision(x)
        mean = sum_over_processes(full.mean(BATCH_AND_SPACE)) / process_count()  # (C,)
        centered = full - mean[:, None, None]
        variance = sum_over_processes(centered.square().mean(BATCH_AND_SPACE)) / process_count()  # (C,)
        self._advance(mean.detach(), variance.detach(), x.numel() // x.shape[1] * process_count())
        normalized = centered * torch.rsqrt(variance + self.eps)[:, None, None]
        if self.affine:
            normalized = normalized * self.weight[:, None, None] + self.bias[:, None, None]
        return normalized.to(x.dtype)

    @torch.no_grad()
    def _advance(self, mean: Tensor, variance: Tensor, values: int) -> None:
        """Update the running statistics from a batch of `values` values a channel; the variance becomes unbiased."""
        if self.num_batches_tracked is None or self.running_mean is None or self.running_var is None:
            return
        self.num_batches_tracked += 1
        step = momentum_of(self)
        self.running_mean.lerp_(mean, step)
        self.running_var.lerp_(variance * values / (values - 1), step)


def momentum_of(norm: _BatchNorm) -> float:
    """The weight of the last batch in running statistics; None, torch's word for a plain mean, is 1 / batches."""
    if norm.momentum is not None:
        return norm.momentum
    assert norm.num_batches_tracked is not None, "a mean counts its batches"
    return 1 / float(norm.num_batches_tracked)
