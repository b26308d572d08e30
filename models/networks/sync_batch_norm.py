"""Synchronized batch norm, with statistics over the batches of all processes, on GPUs and on CPUs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from util.distributed import gather_over_processes, process_count, sum_over_processes
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
        """Batch norm with mean and variance over the batches of all processes."""
        full = full_precision(x)
        variance, mean = torch.var_mean(full, BATCH_AND_SPACE, correction=0)  # (C,) each
        mean, variance = _JointMoments.apply(mean, variance)
        self._advance(mean.detach(), variance.detach(), x.numel() // x.shape[1] * process_count())
        normalized = (full - mean[:, None, None]) * torch.rsqrt(variance + self.eps)[:, None, None]
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


class _JointMoments(torch.autograd.Function):
    """Mean and variance of the batches of all processes together, from those of each; all batches have one size.

    One exchange forward and one backward. With m_r and v_r of process r out of R (Chan et al., "Updating formulae and a
    pairwise algorithm for computing sample variances", 1979):

        m = sum of m_r / R,    v = sum of (v_r + (m_r - m)^2) / R
    """

    @staticmethod
    def forward(ctx, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        means, variances = gather_over_processes(torch.stack([mean, variance])).unbind(1)  # (R, C) each
        joint_mean = means.mean(0)  # (C,)
        joint_variance = (variances + (means - joint_mean).square()).mean(0)  # (C,)
        ctx.save_for_backward(mean, joint_mean)
        return joint_mean, joint_variance

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        # dv/dm_r = 2 (m_r - m) / R: the part by way of m is the sum of m_r - m over all processes, which is 0.
        mean, joint_mean = ctx.saved_tensors
        of_mean, of_variance = sum_over_processes(torch.stack(gradients)) / process_count()  # (C,) each
        return of_mean + 2 * (mean - joint_mean) * of_variance, of_variance


def momentum_of(norm: _BatchNorm) -> float:
    """The weight of the last batch in running statistics; None, torch's word for a plain mean, is 1 / batches."""
    if norm.momentum is not None:
        return norm.momentum
    assert norm.num_batches_tracked is not None, "a mean counts its batches"
    return 1 / float(norm.num_batches_tracked)
