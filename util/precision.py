"""Mixed precision: autocast, TF32, and full precision where accuracy needs it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor

SIXTEEN_BITS = {"bf16": torch.bfloat16, "fp16": torch.float16}


def full_precision(x: Tensor) -> Tensor:
    """Convert a 16-bit tensor to 32 bits; return others as they are."""
    return x.float() if x.dtype in SIXTEEN_BITS.values() else x


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Autocast to the 16-bit type of `--precision`; disabled for other precisions."""
    return torch.autocast(device.type, SIXTEEN_BITS.get(precision), enabled=precision in SIXTEEN_BITS)


def set_matrix_precision(precision: str) -> None:
    """Allow TF32 in 32-bit convolutions and matrix products on GPUs for "tf32" only.

    torch allows it in convolutions by default.
    """
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"


@contextlib.contextmanager
def arithmetic(precision: str, device: torch.device) -> Iterator[None]:
    """Apply `--precision` within a block: autocast and the TF32 setting, which is restored afterwards."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    set_matrix_precision(precision)
    try:
        with autocast(precision, device):
            yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
