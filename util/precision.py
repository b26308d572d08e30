"""Arithmetic in fewer bits where it saves time, and in full where it would cost accuracy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor

SIXTEEN_BITS = {"bf16": torch.bfloat16, "fp16": torch.float16}


def full_precision(x: Tensor) -> Tensor:
    """`x` in 32 bits if it has 16; a tensor that has 32 or 64 as it is."""
    return x.float() if x.dtype in SIXTEEN_BITS.values() else x


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context in which convolutions and matrix products run in the 16 bits of `--precision`, if it has 16."""
    return torch.autocast(device.type, SIXTEEN_BITS.get(precision), enabled=precision in SIXTEEN_BITS)


def set_matrix_precision(precision: str) -> None:
    """Let GPUs round the inputs of 32-bit convolutions and matrix products to TF32 for "tf32", and for nothing else.

    torch's own default rounds those of convolutions.
    """
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"


@contextlib.contextmanager
def arithmetic(precision: str, device: torch.device) -> Iterator[None]:
    """All of `--precision` for a block: autocast, and how GPUs round 32-bit products, which is as before afterwards."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    set_matrix_precision(precision)
    try:
        with autocast(precision, device):
            yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
