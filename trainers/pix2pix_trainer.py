"""One training step of the two players, their optimisers and learning rates."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from models.pix2pix_model import Objective, Pix2PixModel
from trainers.finite import FiniteWatch
from trainers.schedule import learning_rate, player_rates


class Pix2PixTrainer:
    """Alternates generator and discriminator steps (reference: paper, section 4 and appendix A).

    Args:
        model: with a discriminator.
        objective: the losses and their weights.
        lr: base rate; see `player_rates` for what TTUR makes of it.
        betas: of both Adam optimisers; (0, 0.9) in the published code.
        niter, niter_decay: epochs at the base rate and epochs of linear decay.

    Attributes:
        losses: detached scalars of the last steps, by name, on the device.
        pictures: what the last generator step saw and made: labels (N, H, W), fake and real (N, 3, H, W) in [-1, 1].
    """

    def __init__(
        self,
        model: Pix2PixModel,
        objective: Objective,
        *,
        lr: float = 0.0002,
        betas: tuple[float, float] = (0.0, 0.9),
        TTUR: bool = True,
        niter: int = 50,
        niter_decay: int = 0,
    ):
        self.model = model
        self.objective = objective
        self.lr, self.betas, self.TTUR, self.niter, self.niter_decay = lr, betas, TTUR, niter, niter_decay
        generating = [p for network in (model.netG, model.netE) if network is not None for p in network.parameters()]
        self.optimizer_G = torch.optim.Adam(generating, lr=lr, betas=betas)
        self.optimizer_D = torch.optim.Adam(model.netD.parameters(), lr=lr, betas=betas)
        self.set_learning_rate(epoch=1)
        self.steps = 0
        self.losses: dict[str, Tensor] = {}
        self.pictures: tuple[Tensor, Tensor, Tensor] | None = None
        self.finite = FiniteWatch()

    @property
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"optimizer_G": self.optimizer_G, "optimizer_D": self.optimizer_D}

    def set_learning_rate(self, epoch: int) -> None:
        """Rates in force during `epoch` (counted from 1)."""
        rate = learning_rate(epoch, self.lr, self.niter, self.niter_decay)
        for optimizer, player_rate in zip(self.optimizers.values(), player_rates(rate, self.TTUR)):
            for group in optimizer.param_groups:
                group["lr"] = player_rate

    def state_dict(self) -> dict[str, int]:
        """Counters; networks and optimisers are saved beside it."""
        return {"steps": self.steps}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from `state`, after the optimisers have been restored, which bring the betas of then, not of now."""
        self.steps = state["steps"]
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["betas"] = self.betas

    def generator_step(self, batch: dict) -> None:
        """Update G (and E) on a batch of `data`: labels, instances or none, image."""
        layout, real = self._to_device(batch)
        with frozen(self.model.netD):
            losses, fake = self.model.generator_losses(layout, real, self.objective)
            self._step(self.optimizer_G, losses)
        self.pictures = batch["labels"], fake.detach(), batch["image"]

    def discriminator_step(self, batch: dict) -> None:
        """Update D on a batch."""
        layout, real = self._to_device(batch)
        self._step(self.optimizer_D, self.model.discriminator_losses(layout, real, self.objective))
        self.steps += 1

    def read_losses(self) -> dict[str, float]:
        """The last losses as numbers; waits for the device.

        Raises:
            NonFiniteLossError: one of them, or an earlier one, is not finite.
        """
        self.finite.check()
        return {name: float(loss) for name, loss in self.losses.items()}

    def _to_device(self, batch: dict):
        return self.model.layout(batch), batch["image"].to(self.model.device, non_blocking=True)

    def _step(self, optimizer: torch.optim.Optimizer, losses: dict[str, Tensor]) -> None:
        self.finite.watch(self.steps + 1, losses)
        optimizer.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        optimizer.step()
        self.losses |= {name: loss.detach() for name, loss in losses.items()}


@contextlib.contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """The parameters of `network` get no gradients inside; gradients still flow through it to its input."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)
