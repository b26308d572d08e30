"""Checks that losses and gradients are finite; if they are not, skips the step or ends the training."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from util.distributed import World
from util.errors import StoppedError
from util.warn import STEP_SKIPPED, warn

GRADIENT = "gradient of "


class NonFiniteLossError(StoppedError):
    """Training cannot continue: a loss or a gradient became infinite or NaN."""


class FiniteWatch:
    """Checks the losses and gradients of every step before the step is taken.

    Without skipping, the first value that is not finite ends the training. On a GPU `watch` then reads nothing back
    from the device, but `check` does: call it before anything is reported, scored or saved.

    Args:
        world: processes that must decide alike; all of them must make the same calls of `watch` and `check`.
        skip: how many steps of a player in a row may be skipped; unless it is 0, every step waits for the device.
        at_once: whether `watch` itself checks, before the step is taken: for a CPU, where reading costs nothing.

    Attributes:
        skipped: number of skipped steps.
    """

    def __init__(self, world: World | None = None, skip: int = 0, at_once: bool = True):
        self.world = world or World()
        self.skip = skip
        self.at_once = at_once
        self.skipped = 0
        self._in_a_row: dict[str, int] = {}
        self._first_bad_step: dict[str, Tensor] = {}

    def watch(self, step: int, scalars: dict[str, Tensor], player: str = "") -> bool:
        """Check a step of `player` before it is taken; return whether it may be taken.

        Args:
            scalars: its losses and gradient norm by name; messages name them in this order.

        Raises:
            NonFiniteLossError: it may not, and no further step may be skipped.
        """
        if self.skip:
            return self._watch_and_decide(step, scalars, player)
        for name, scalar in scalars.items():
            bad_now = torch.where(scalar.detach().isfinite(), torch.inf, float(step))
            earlier = self._first_bad_step.get(name, bad_now)
            self._first_bad_step[name] = torch.minimum(earlier, bad_now)
        if self.at_once:
            self.check()
        return True

    def check(self) -> None:
        """Raise `NonFiniteLossError` in every process if one had a bad step; its message names the first."""
        first_bad = {name: float(step) for name, step in self._first_bad_step.items()}
        first_bad = {name: int(step) for name, step in first_bad.items() if step < torch.inf}
        if not self.world.all_reduce_max(len(first_bad)):
            return
        found = [item for of_one in self.world.all_gather(first_bad) for item in of_one.items()]
        step = min(bad for _, bad in found)
        raise self._error(_message((name for name, bad in found if bad == step), step))

    def _watch_and_decide(self, step: int, scalars: dict[str, Tensor], player: str) -> bool:
        bad = [name for name, scalar in scalars.items() if not scalar.isfinite()]
        if not self.world.all_reduce_max(len(bad)):
            self._in_a_row[player] = 0
            return True
        message = _message((name for names in self.world.all_gather(bad) for name in names), step)
        before = self._in_a_row.get(player, 0)
        if before == self.skip:
            raise self._error(f"{message}; {before} before it were skipped (--skip_nonfinite {self.skip})")
        self._in_a_row[player] = before + 1
        self.skipped += 1
        if self.world.is_main:
            warn(f"{message}: skipped; {self.skipped} so far", STEP_SKIPPED)
        return False

    def _error(self, message: str) -> NonFiniteLossError:
        return NonFiniteLossError(message, said_elsewhere=not self.world.is_main)  # all raise it, one prints it

    def snapshot_buffers(self, model: nn.Module) -> Callable[[], None]:
        """Copy the buffers of `model` if steps may be skipped; return a function that restores them.

        By the time its losses are checked, a bad batch has already changed the batch-norm statistics.
        """
        before = [buffer.clone() for buffer in model.buffers()] if self.skip else []

        def restore() -> None:
            for buffer, value in zip(model.buffers(), before):
                buffer.copy_(value)

        return restore

    def state_dict(self) -> dict[str, Any]:
        return {"skipped": self.skipped, "in_a_row": dict(self._in_a_row)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.skipped, self._in_a_row = state["skipped"], dict(state["in_a_row"])


def _message(names: Iterable[str], step: int) -> str:
    names = list(dict.fromkeys(names))  # without duplicates from several processes
    losses = [name for name in names if not name.startswith(GRADIENT)]  # a bad loss makes its gradient bad, too
    what = f"loss {', '.join(losses)}" if losses else names[0]
    return f"{what} is not finite in step {step}"
