"""The engine that trains any method: the players in their order, learning rates, and the state that is saved."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from models.methods.base import Method
from trainers.average import GeneratorAverage
from trainers.finite import FiniteWatch
from trainers.player import Player
from trainers.schedule import learning_rate
from util.distributed import World


class Pix2PixTrainer:
    """Lets the players of a method take steps in turn (SPADE: section 3 and appendix A).

    A batch is that of this process; together the processes of `world` hold the batch of a step. The losses and their
    gradients are those of that whole batch, and so is the random part of the latents.

    Args:
        method: the model, on its device, and the objectives of its players in the order of their steps.
        lr: base learning rate.
        niter, niter_decay: epochs at the base rate and epochs of linear decay.
        world: the processes that train together.
        precision: of networks in training, see `util.precision`; fp16 scales the losses.
        accumulate: parts in which a batch is computed, one after the other. Batch norm sees each part alone.
        adam: key of `ADAM_SWITCHES`.
        ema: decay of the average of the generator's weights, see `GeneratorAverage`; None keeps no average.
        skip_nonfinite: see `FiniteWatch`.

    Attributes:
        players: in the order of their steps.
        average: of the generator, or None.
        finite: watches the losses and gradients of all players.
        steps: iterations so far.
    """

    def __init__(
        self,
        method: Method,
        *,
        lr: float = 0.0002,
        niter: int = 50,
        niter_decay: int = 0,
        world: World | None = None,
        precision: str = "fp32",
        accumulate: int = 1,
        adam: str = "auto",
        ema: float | None = None,
        skip_nonfinite: int = 0,
    ):
        self.model = method.model
        self.world = world or World()
        self.lr, self.niter, self.niter_decay, self.precision = lr, niter, niter_decay, precision
        self.finite = FiniteWatch(self.world, skip_nonfinite, at_once=self.model.device.type == "cpu")
        self.players = [
            Player(method, objective, lr, self.finite, self.world, precision, accumulate, adam)
            for objective in method.objectives
        ]
        self.set_learning_rate(epoch=1)
        self.average = None if ema is None else GeneratorAverage(self.model.netG, ema)
        self.steps = 0

    def set_learning_rate(self, epoch: int) -> None:
        """Use the rates of `epoch` (counted from 1)."""
        for player in self.players:
            player.set_learning_rate(learning_rate(epoch, self.lr, self.niter, self.niter_decay))

    def step(self, batch: dict[str, Any], index: int = 0) -> None:
        """Train on a batch of `data`: labels, instances or none, image.

        Args:
            index: number of the batch in its epoch, from 0: says which players take a step.
        Raises:
            NonFiniteLossError: see `FiniteWatch`.
        """
        for player in self.players:
            if index % player.objective.interval == 0:
                updated = player.step(batch, self.steps + 1)
                if updated and self.average is not None and "G" in player.objective.networks:
                    self.average.update(self.model.netG)
        self.steps += 1

    @property
    def losses(self) -> dict[str, Tensor]:
        """Detached scalars of the last steps in this process, by name, on the device."""
        return {name: loss for player in self.players for name, loss in player.losses.items()}

    @property
    def shown(self) -> tuple[Tensor, Tensor, Tensor] | None:
        """Labels (N, H, W), fake and real images (N, 3, H, W) in [-1, 1] of the last step that generated some."""
        return next((player.shown for player in self.players if player.shown), None)

    def read_losses(self) -> dict[str, float]:
        """The last losses as numbers, means over the processes; waits for the device.

        Raises:
            NonFiniteLossError: one of them, or an earlier one, is not finite.
        """
        self.finite.check()
        return self._read(self.losses)

    def read_metrics(self) -> dict[str, float]:
        """Learning rates, gradient norms and mean logits of the last steps as numbers; waits for the device."""
        rates = {f"lr/{player.name}": player.optimizer.param_groups[0]["lr"] for player in self.players}
        return rates | self._read({name: value for player in self.players for name, value in player.metrics.items()})

    def _read(self, scalars: dict[str, Tensor]) -> dict[str, float]:
        if not scalars:
            return {}
        values = self.world.mean(torch.stack([scalar.double() for scalar in scalars.values()])).tolist()
        return dict(zip(scalars, values))

    @property
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """By their names in saved files."""
        return {f"optimizer_{player.name}": player.optimizer for player in self.players}

    def state_dict(self) -> dict[str, Any]:
        """Counters and scales; networks, average and optimizers are saved beside it."""
        return {
            "steps": self.steps,
            "finite": self.finite.state_dict(),
            "scalers": {player.name: player.scaler.state_dict() for player in self.players},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`, after the optimizers have been restored."""
        self.steps = state["steps"]
        self.finite.load_state_dict(state["finite"])
        for player in self.players:
            if player.scaler.is_enabled() and state["scalers"][player.name]:
                player.scaler.load_state_dict(state["scalers"][player.name])
            player.restore_settings()
