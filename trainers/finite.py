"""Notices the first loss that is not finite, without reading the device back every step."""

from __future__ import annotations

import torch
from torch import Tensor


class NonFiniteLossError(RuntimeError):
    """Training cannot go on: a loss became infinite or not a number."""


class FiniteWatch:
    """Remembers on the device which loss first was not finite, and in which step.

    On a GPU `watch` costs no synchronisation, and `check` reads back: call it when a line or a checkpoint is due. On a
    CPU, where reading is free, `watch` checks by itself.
    """

    def __init__(self):
        self._first_bad_step: dict[str, Tensor] = {}

    def watch(self, step: int, losses: dict[str, Tensor]) -> None:
        """Look at the losses of a step before it is taken."""
        for name, loss in losses.items():
            bad_now = torch.where(loss.detach().isfinite(), torch.inf, float(step))
            earlier = self._first_bad_step.get(name, bad_now)
            self._first_bad_step[name] = torch.minimum(earlier, bad_now)
        if all(loss.device.type == "cpu" for loss in losses.values()):
            self.check()

    def check(self) -> None:
        """Raise `NonFiniteLossError` with the first bad step and the losses that were bad in it."""
        first_bad = {name: float(step) for name, step in self._first_bad_step.items()}
        step = min(first_bad.values(), default=torch.inf)
        if step < torch.inf:
            names = ", ".join(name for name, bad in first_bad.items() if bad == step)
            raise NonFiniteLossError(f"loss {names} is not finite in step {int(step)}")
