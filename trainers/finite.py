"""What happens when a loss or a gradient is not finite."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn

from util.distributed import World

GRADIENT = "gradient of "


class NonFiniteLossError(RuntimeError):
    """Training cannot go on: a loss or a gradient became infinite or not a number."""


class FiniteWatch:
    """Looks at the losses and gradients of every step before it is taken.

    Without skipping, the first that is not finite ends the training. On a GPU `watch` then costs no synchronisation,
    and `check` reads back: call it when a line or a checkpoint is due. On a CPU, where reading is free, `watch` checks
    by itself.

    Args:
        world: processes that must come to the same decision.
        skip: how many steps of a player in a row may be left out; with any but 0 every step is read back.

    Attributes:
        skipped: steps left out in all.
    """

    def __init__(self, world: World | None = None, skip: int = 0):
        self.world = world or World()
        self.skip = skip
        self.skipped = 0
        self._in_a_row: dict[str, int] = {}
        self._first_bad_step: dict[str, Tensor] = {}

    def watch(self, step: int, scalars: dict[str, Tensor], player: str = "") -> bool:
        """Look at a step of `player` before it is taken; return whether it may be.

        Args:
            scalars: its losses and the norm of its gradients, by name; what is first in order is named first.

        Raises:
            NonFiniteLossError: it may not, and no more may be skipped.
        """
        if self.skip:
            return self._watch_and_decide(step, scalars, player)
        for name, scalar in scalars.items():
            bad_now = torch.where(scalar.detach().isfinite(), torch.inf, float(step))
            earlier = self._first_bad_step.get(name, bad_now)
            self._first_bad_step[name] = torch.minimum(earlier, bad_now)
        if all(scalar.device.type == "cpu" for scalar in scalars.values()):
            self.check()
        return True

    def check(self) -> None:
        """Raise `NonFiniteLossError` with the first bad step and what was bad in it."""
        first_bad = {name: float(step) for name, step in self._first_bad_step.items()}
        step = min(first_bad.values(), default=torch.inf)
        if step < torch.inf:
            raise NonFiniteLossError(_message((name for name, bad in first_bad.items() if bad == step), int(step)))

    def _watch_and_decide(self, step: int, scalars: dict[str, Tensor], player: str) -> bool:
        bad = [name for name, scalar in scalars.items() if not scalar.isfinite()]
        if not self.world.largest(len(bad)):
            self._in_a_row[player] = 0
            return True
        message = _message(bad or ["of another process"], step)
        before = self._in_a_row.get(player, 0)
        if before == self.skip:
            raise NonFiniteLossError(f"{message}; {before} before it were left out (--skip_nonfinite {self.skip})")
        self._in_a_row[player] = before + 1
        self.skipped += 1
        print(f"warning: {message}: left out; {self.skipped} so far", file=sys.stderr)
        return False

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

    def state_dict(self) -> dict:
        return {"skipped": self.skipped, "in_a_row": dict(self._in_a_row)}

    def load_state_dict(self, state: dict) -> None:
        self.skipped, self._in_a_row = state["skipped"], dict(state["in_a_row"])


def _message(names: Iterable[str], step: int) -> str:
    names = list(names)
    losses = [name for name in names if not name.startswith(GRADIENT)]  # a bad loss has a bad gradient
    what = f"loss {', '.join(losses)}" if losses else names[0]
    return f"{what} is not finite in step {step}"
