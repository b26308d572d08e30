"""Recomputes tensors in the backward pass that autograd would save in the forward pass."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator

import torch
from torch import Tensor


@contextlib.contextmanager
def recompute_in_backward(*recipes: tuple[Tensor, Callable[[], Tensor]]) -> Iterator[None]:
    """Inside, autograd saves a function that computes a tensor again where it would save that tensor.

    Only the very object counts, and only until it is written to; other views of its memory are saved as usual.

    Args:
        recipes: tensors with their functions. A function is called in the backward pass, without gradients and under
            the autocast settings of the block. It must not refer to its tensor, or that is kept all the same.
    """
    device_type = recipes[0][0].device.type
    autocast = device_type, torch.get_autocast_dtype(device_type), torch.is_autocast_enabled(device_type)
    # Weak references: autograd keeps `pack` and `unpack`, and with them all they refer to, until the backward pass.
    known = [(weakref.ref(tensor), tensor._version, recipe) for tensor, recipe in recipes]
    del recipes

    def pack(tensor: Tensor) -> Tensor | Callable[[], Tensor]:
        for reference, version, recipe in known:
            if reference() is tensor and tensor._version == version:
                return recipe
        return tensor

    def unpack(saved: Tensor | Callable[[], Tensor]) -> Tensor:
        if isinstance(saved, Tensor):
            return saved
        with torch.no_grad(), torch.autocast(*autocast):
            return saved()

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        yield
