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
def advising_smaller_batch(batch_size: int) -> Iterator[None]:
    """If memory runs out in the block, raise an `OutOfMemoryError` that says the fix for batches of this size."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, StoppedError) or not is_out_of_memory(error):
            raise
        smaller = f"--batch_size {batch_size // 2}" if batch_size > 1 else "--gpu_ids -1 or a device with more memory"
        raise OutOfMemoryError(f"--batch_size {batch_size}: out of memory; use {smaller}") from None
