"""The engine that trains any method: steps of its players, learning rates, and state to save."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from models.methods.base import Method
from trainers.average import GeneratorAverage
from trainers.finite import FiniteWatch
from trainers.player import Player
from util.distributed import World


class Pix2PixTrainer:
    """Steps the players of a method in turn (SPADE: section 3 and appendix A).

    Each process of `world` has an equal part of the batch of a step. Losses and gradients are those of the whole batch;
    the random part of the latents is drawn for the whole batch.

    Args:
        method: the model, on its device, and the objectives of its players in the order of their steps.
        lr: base learning rate.
        niter, niter_decay: epochs at the base rate and epochs of linear decay.
        world: the processes that train together.
        precision: of the networks, see `util.precision`; with fp16, losses are scaled.
        accumulate: number of micro-batches whose gradients are accumulated. Batch norm sees each one alone.
        adam: key of `ADAM_SWITCHES`.
        ema: decay of the average of the generator's weights, see `GeneratorAverage`; None keeps no average.
        skip_nonfinite: see `FiniteWatch`.

    Attributes:
        players: in the order of their steps.
        average: of the generator, or None.
        finite: checks the losses and gradients of all players.
        steps: number of calls of `step` so far.
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
        self.method = method
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
        """Use the learning rates of `epoch` (counted from 1)."""
        for player in self.players:
            player.set_learning_rate(epoch, self.lr, self.niter, self.niter_decay)

    def step(self, batch: dict[str, Any], index: int = 0) -> None:
        """Train on the part of a batch that this process has, of samples with photos.

        Args:
            index: of the batch in its epoch, from 0; decides which players take a step.
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
        """Labels (N, H, W), fake and real images (N, 3, H, W) in [-1, 1] of the last step with fakes."""
        return next((player.shown for player in self.players if player.shown), None)

    def read_losses(self) -> dict[str, float]:
        """The last losses as numbers, means over the processes; waits for the device.

        Raises:
            NonFiniteLossError: one of these or earlier losses is not finite.
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
        """The optimizers by their names in saved files."""
        return {f"optimizer_{player.name}": player.optimizer for player in self.players}

    def state_dict(self) -> dict[str, Any]:
        """Counters, loss scales and the method's state; networks, average and optimizers are saved separately."""
        return {
            "steps": self.steps,
            "finite": self.finite.state_dict(),
            "scalers": {player.name: player.scaler.state_dict() for player in self.players},
            "holds": {player.name: player.holds for player in self.players},
            "method": self.method.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state`, after the optimizers have been restored."""
        self.steps = state["steps"]
        self.finite.load_state_dict(state["finite"])
        self.method.load_state_dict(state.get("method", {}))  # missing in saves of earlier versions
        for player in self.players:
            if player.scaler.is_enabled() and state["scalers"][player.name]:
                player.scaler.load_state_dict(state["scalers"][player.name])
            player.holds = state.get("holds", {}).get(player.name, False)
            player.restore_settings()


def create_trainer(opt, method: Method, world: World | None = None) -> Pix2PixTrainer:
    """The trainer that the options describe."""
    trainer = Pix2PixTrainer(
        method,
        lr=opt.lr,
        niter=opt.niter,
        niter_decay=opt.niter_decay,
        world=world,
        precision=opt.precision,
        accumulate=opt.accumulate,
        adam=opt.adam,
        ema=opt.ema,
        skip_nonfinite=opt.skip_nonfinite,
    )
    if opt.compile:  # after the average has copied the generator
        for network in (*method.model.networks.values(), *method.fixed_networks):
            network.compile()
    return trainer
