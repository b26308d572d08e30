"""Checks that losses and gradients are finite; ends the training, or leaves a step out, where they are not."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from util.distributed import World
from util.errors import StoppedError
from util.warn import warn

GRADIENT = "gradient of "


class NonFiniteLossError(StoppedError):
    """Training cannot go on: a loss or a gradient became infinite or not a number."""


class FiniteWatch:
    """Checks the losses and gradients of every step before the step is taken.

    Without skipping, the first value that is not finite ends the training. On a GPU `watch` then reads nothing back
    from the device, but `check` does: call it before a line, an image, a score or a checkpoint is made.

    Args:
        world: processes that must take the same decision; all of them make the same calls of `watch` and `check`.
        skip: how many steps of a player in a row may be left out; with any but 0 every step is read back.
        at_once: whether `watch` checks by itself, before the step is taken: on a CPU, where reading is free.

    Attributes:
        skipped: steps left out in all.
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
            scalars: its losses and the norm of its gradients, by name; what is first in order is named first.

        Raises:
            NonFiniteLossError: it may not, and no further step may be left out.
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
        """Raise `NonFiniteLossError` in every process, with the first bad step of any and what was bad in it."""
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
            raise self._error(f"{message}; {before} before it were left out (--skip_nonfinite {self.skip})")
        self._in_a_row[player] = before + 1
        self.skipped += 1
        if self.world.is_main:
            warn(f"{message}: left out; {self.skipped} so far")
        return False

    def _error(self, message: str) -> NonFiniteLossError:
        return NonFiniteLossError(message, said_elsewhere=not self.world.is_main)  # all processes raise it alike

    @contextlib.contextmanager
    def undoing(self, model: nn.Module) -> Iterator[Callable[[], None]]:
        """Yield a function that undoes what forwards in the block did to the buffers of `model`, if skipping is on.

        A bad batch has already gone into the batch-norm statistics when its losses are seen.
        """
        before = [buffer.clone() for buffer in model.buffers()] if self.skip else []

        def undo() -> None:
            for buffer, value in zip(model.buffers(), before):
                buffer.copy_(value)

        yield undo

    def state_dict(self) -> dict[str, Any]:
        return {"skipped": self.skipped, "in_a_row": dict(self._in_a_row)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.skipped, self._in_a_row = state["skipped"], dict(state["in_a_row"])


def _message(names: Iterable[str], step: int) -> str:
    names = list(dict.fromkeys(names))  # several processes may name the same
    losses = [name for name in names if not name.startswith(GRADIENT)]  # a bad loss has a bad gradient
    what = f"loss {', '.join(losses)}" if losses else names[0]
    return f"{what} is not finite in step {step}"
