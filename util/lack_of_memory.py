"""Recognizes that memory has run out, of a GPU or of this machine, and says it in one line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from util.errors import StoppedError

SIGNS = ("out of memory", "can't allocate memory", "bad_alloc", "ALLOC_FAILED", "could not create a memory")
"""Parts of the messages of torch, CUDA, cuDNN, cuBLAS and oneDNN when memory is exhausted."""


class OutOfMemoryError(StoppedError):
    """The memory of the device does not suffice for the options."""

    exit_status = 2
    prefix = "error: "


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception of torch, NumPy or Python says that memory is exhausted."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in SIGNS)


@contextlib.contextmanager
def advising_smaller(flag: str, size: int, least: int = 1) -> Iterator[None]:
    """If memory runs out in the block, raise an `OutOfMemoryError` that says the fix: half the `size` of an option.

    Args:
        flag: of the option that decides how much is computed at once, such as --batch_size.
        least: that it can be.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, StoppedError) or not is_out_of_memory(error):
            raise
        fix = f"{flag} {size // 2}" if size // 2 >= least else "--gpu_ids -1 or a device with more memory"
        raise OutOfMemoryError(f"{flag} {size}: out of memory; use {fix}") from None
