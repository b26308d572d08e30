"""Activation checkpointing: blocks recompute their activations in the backward pass instead of keeping them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from models.networks.statistics import frozen_statistics


def recomputed(block: type[nn.Module]) -> type[nn.Module]:
    """A subclass of `block` that keeps only its inputs for the backward pass, and runs its forward again there.

    Needs less memory and about a third more time. Outputs and gradients are the same: the second run does not advance
    batch-norm statistics and spectral-norm vectors again.
    """

    # torch.compile cannot trace a checkpoint with a `context_fn`: under it, these blocks run uncompiled. This is
    # not at the top of the file because it imports the compiler, which takes a second.
    uncompiled_checkpoint: Callable[..., Any] = torch.compiler.disable(checkpoint)

    class Recomputed(block):
        def forward(self, *inputs: object) -> Tensor:
            if not torch.is_grad_enabled():
                return super().forward(*inputs)
            return uncompiled_checkpoint(
                super().forward,
                *inputs,
                use_reentrant=False,
                preserve_rng_state=False,  # nothing here is random
                context_fn=lambda: (nullcontext(), frozen_statistics(self)),
            )

    return Recomputed
