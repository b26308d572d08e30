"""Norms inside SPADE, plain norms for D, E and pix2pixHD, and the strings, such as `--norm_G`, that name them."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.spectral_norm import Layer, spectral_norm
from models.networks.sync_batch_norm import SyncBatchNorm
from util.errors import InputError
from util.precision import full_precision

# Inside SPADE, which has its own scale and shift: affine=False.
PARAM_FREE_NORMS = {
    "instance": lambda channels: InstanceNorm(channels, affine=False),
    "batch": lambda channels: nn.BatchNorm2d(channels, affine=False),
    "syncbatch": lambda channels: SyncBatchNorm(channels, affine=False),
}
PLAIN_NORMS = {
    "none": None,
    "instance": lambda channels: InstanceNorm(channels, affine=False),
    "batch": lambda channels: nn.BatchNorm2d(channels, affine=True),
    "syncbatch": lambda channels: SyncBatchNorm(channels, affine=True),
}


class InstanceNorm(nn.InstanceNorm2d):
    """torch's InstanceNorm2d with two defects corrected.

    On CPUs, statistics of 16-bit inputs are computed in 32 bits; torch computes them in 16. For N = 1, gradients are
    correct: torch 2.14 silently returns wrong ones when the incoming gradient is in channels-last memory.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        full = full_precision(x) if x.device.type == "cpu" else x
        # For N = 1 batch norm is the same function, with correct gradients. Only where gradients are wanted: exported
        # graphs must not contain a branch on N.
        if torch.is_grad_enabled() and len(full) == 1:
            return F.batch_norm(full, None, None, training=True, eps=self.eps).to(x.dtype)
        return super().forward(full).to(x.dtype)


class OwnStatisticsBatchNorm(nn.BatchNorm2d):
    """Batch norm that normalizes each image with its own statistics in evaluation mode.

    This is what batch norm in training mode does with one image at a time.

    Args:
        own_statistics: False for plain batch norm, with running statistics in evaluation mode.
    """

    def __init__(self, channels: int, own_statistics: bool = True):
        super().__init__(channels)
        self.own_statistics = own_statistics

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        if self.training or not self.own_statistics:
            return super().forward(x)
        return F.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.eps)


@dataclass(frozen=True)
class NormSpec:
    """A parsed norm string such as `spectralspadesyncbatch3x3`.

    Attributes:
        spectral: divide convolution weights by their largest singular value (spectral normalization).
        kind: key of `PARAM_FREE_NORMS` when `spade_kernel` is set, else of `PLAIN_NORMS`.
        spade_kernel: kernel size of the SPADE convolutions; 0 for a plain layer.
    """

    spectral: bool
    kind: str
    spade_kernel: int = 0

    @classmethod
    def parse(cls, text: str, flag: str = "norm") -> NormSpec:
        """Parse `[spectral][none|instance|batch|syncbatch]` or `[spectral]spade(instance|batch|syncbatch)KxK`.

        Raises:
            InputError: the string names no norm; the message lists the valid ones.
        """
        plain = "|".join(PLAIN_NORMS)
        param_free = "|".join(PARAM_FREE_NORMS)
        # The published plain layers spell it "sync_batch".
        match = re.fullmatch(
            rf"(spectral)?(?:spade({param_free})(\d+)x(\d+)|({plain})?)", text.replace("sync_batch", "syncbatch")
        )
        if match is None:
            raise InputError(
                f"--{flag} {text}: use [spectral] + one of {', '.join(PLAIN_NORMS)}, or [spectral]spade + one of "
                f"{', '.join(PARAM_FREE_NORMS)} + KxK, such as spectralspadesyncbatch3x3"
            )
        spectral, spade_kind, rows, columns, plain_kind = match.groups()
        if spade_kind is None:
            return cls(spectral is not None, plain_kind or "none")
        if rows != columns or int(rows) % 2 == 0:
            raise InputError(f"--{flag} {text}: the SPADE kernel must be square and odd: 1x1, 3x3, 5x5, ...")
        return cls(spectral is not None, spade_kind, int(rows))

    @classmethod
    def of(cls, norm: str | NormSpec, *, spade: bool, flag: str = "norm") -> NormSpec:
        """Parse `norm` if it is a string, and check that it is a SPADE norm or a plain one, as the network needs.

        Raises:
            InputError: a SPADE string where a plain one is needed, or the other way round.
        """
        spec = cls.parse(norm, flag) if isinstance(norm, str) else norm
        if spade and not spec.spade_kernel:
            raise InputError(f"--{flag} {norm}: this network needs a SPADE norm such as spectralspadesyncbatch3x3")
        if not spade and spec.spade_kernel:
            raise InputError(f"--{flag} {norm}: this network needs a plain norm such as spectralinstance")
        return spec

    def wrap(self, layer: Layer) -> Layer:
        """`layer`, with spectral normalization of its weight if `spectral` is set."""
        return spectral_norm(layer) if self.spectral else layer


def bias_of(layer: nn.Conv2d | nn.ConvTranspose2d) -> Tensor:
    """The bias of a convolution that has one."""
    assert layer.bias is not None, "this convolution is built with a bias"
    return layer.bias


def normalized_conv(conv: type[nn.Module], in_channels: int, out_channels: int, norm: NormSpec, **kwargs) -> nn.Module:
    """A convolution followed by the plain norm of `norm`; without a norm, the convolution alone, with a bias.

    Args:
        conv: nn.Conv2d or nn.ConvTranspose2d; `kwargs` go to it.
    """
    make_norm = PLAIN_NORMS[norm.kind]
    layer = norm.wrap(conv(in_channels, out_channels, bias=make_norm is None, **kwargs))
    # The norm would subtract a bias, hence none. Submodules are `0` and `1`, as in the released weights.
    return layer if make_norm is None else nn.Sequential(layer, make_norm(out_channels))
