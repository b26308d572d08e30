"""What autograd keeps from the forward to the backward pass, and what is rather computed again there."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator

import torch
from torch import Tensor


@contextlib.contextmanager
def recompute_in_backward(*recipes: tuple[Tensor, Callable[[], Tensor]]) -> Iterator[None]:
    """Operations inside save, in place of each of these tensors, the function that computes it again.

    Functions must not hold their tensors. They are called in the backward pass, under the autocast of now. A tensor is
    recognized by being the same object with the same values: other views of its memory are saved as they are.
    """
    device_type = recipes[0][0].device.type
    autocast = device_type, torch.get_autocast_dtype(device_type), torch.is_autocast_enabled(device_type)
    # Weak references: autograd holds `pack` and `unpack`, and with them all that they can see, until the backward.
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
