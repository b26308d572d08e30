"""One training step of the two players, their optimisers and learning rates."""

from __future__ import annotations

import contextlib
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from models.networks.layout import SemanticLayout
from models.networks.statistics import held_spectral_norm
from models.pix2pix_model import Objective, Pix2PixModel
from trainers.average import GeneratorAverage
from trainers.finite import GRADIENT, FiniteWatch
from trainers.schedule import learning_rate, player_rates
from util.distributed import World
from util.precision import autocast

SMALLEST_SCALE = 1e-4
"""Loss scale of fp16 at which gradients that still overflow are not the scale's fault."""
Losses = dict[str, Tensor]
Result = TypeVar("Result")
ADAM_SWITCHES: Mapping[str, dict[str, bool]] = {
    "auto": {},
    "loop": {"foreach": False},
    "foreach": {"foreach": True},
    "fused": {"fused": True},
}
# The argument's name before and after torch 2.14.
SYNC_BUFFERS = next(
    name
    for name in ("forward_sync_buffers", "broadcast_buffers")
    if name in inspect.signature(DistributedDataParallel).parameters
)


class Pix2PixTrainer:
    """Alternates generator and discriminator steps (reference: paper, section 4 and appendix A).

    A batch is that of this process; together the processes of `world` hold the batch of a step. The losses and their
    gradients are those of that whole batch, and so is the random part of the latents.

    Args:
        model: with a discriminator, on its device.
        objective: the losses and their weights.
        lr: base rate; see `player_rates` for what TTUR makes of it.
        betas: of both Adam optimisers; (0, 0.9) in the published code.
        niter, niter_decay: epochs at the base rate and epochs of linear decay.
        world: the processes that train together.
        precision: of networks in training, see `util.precision`; fp16 scales the losses.
        accumulate: parts in which a batch is computed, one after the other. Batch norm sees each part alone.
        adam: key of `ADAM_SWITCHES`.
        ema: decay of the average of the generator's weights, see `GeneratorAverage`; None keeps no average.
        skip_nonfinite: see `FiniteWatch`.

    Attributes:
        losses: detached scalars of the last steps in this process, by name, on the device.
        watched: other scalars worth watching, likewise: gradient norms and mean logits.
        pictures: what the last generator step saw and made: labels (N, H, W), fake and real (N, 3, H, W) in [-1, 1].
        average: of the generator, or None.
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
        world: World | None = None,
        precision: str = "fp32",
        accumulate: int = 1,
        adam: str = "auto",
        ema: float | None = None,
        skip_nonfinite: int = 0,
    ):
        self.model = model
        self.objective = objective
        self.world = world or World()
        self.lr, self.betas, self.TTUR, self.niter, self.niter_decay = lr, betas, TTUR, niter, niter_decay
        self.precision, self.accumulate, self.adam = precision, accumulate, adam
        generator = Player({"G": model.netG, "E": model.netE}, self._generator_losses)
        discriminator = Player({"D": model.netD}, self._discriminator_losses)
        self.optimizer_G = torch.optim.Adam(generator.parameters(), lr=lr, betas=betas, **ADAM_SWITCHES[adam])
        self.optimizer_D = torch.optim.Adam(discriminator.parameters(), lr=lr, betas=betas, **ADAM_SWITCHES[adam])
        self.set_learning_rate(epoch=1)
        self.generator, self.discriminator = self._parallel(generator), self._parallel(discriminator)
        scaled = precision == "fp16"
        self.scalers = {player: torch.amp.GradScaler(model.device.type, enabled=scaled) for player in "GD"}
        self.average = None if ema is None else GeneratorAverage(model.netG, ema)
        self.steps = 0
        self.losses: Losses = {}
        self.watched: dict[str, Tensor] = {}
        self.pictures: tuple[Tensor, Tensor, Tensor] | None = None
        self.finite = FiniteWatch(self.world, skip_nonfinite, at_once=model.device.type == "cpu")

    @property
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"optimizer_G": self.optimizer_G, "optimizer_D": self.optimizer_D}

    def set_learning_rate(self, epoch: int) -> None:
        """Rates in force during `epoch` (counted from 1)."""
        rate = learning_rate(epoch, self.lr, self.niter, self.niter_decay)
        for optimizer, player_rate in zip(self.optimizers.values(), player_rates(rate, self.TTUR)):
            for group in optimizer.param_groups:
                group["lr"] = player_rate

    def state_dict(self) -> dict:
        """Counters and scales; networks, averages and optimisers are saved beside it."""
        return {
            "steps": self.steps,
            "finite": self.finite.state_dict(),
            "scalers": {player: scaler.state_dict() for player, scaler in self.scalers.items()},
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from `state`, after the optimisers have been restored, which bring the settings of then, not of now."""
        self.steps = state["steps"]
        self.finite.load_state_dict(state["finite"])
        for player, scaler in self.scalers.items():
            if scaler.is_enabled() and state["scalers"][player]:
                scaler.load_state_dict(state["scalers"][player])
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group |= {"betas": self.betas, "foreach": None, "fused": None} | ADAM_SWITCHES[self.adam]

    def generator_step(self, batch: dict) -> None:
        """Update G (and E) on a batch of `data`: labels, instances or none, image."""
        with frozen(self.model.netD):
            fakes = self._step("G", self.generator, self.optimizer_G, batch)
        if fakes is not None:
            self.pictures = batch["labels"], torch.cat(fakes), batch["image"]

    def discriminator_step(self, batch: dict) -> None:
        """Update D on a batch."""
        logits = self._step("D", self.discriminator, self.optimizer_D, batch)
        if logits is not None:
            for kind in logits[0]:
                self.watched[f"logits/{kind}"] = torch.stack([part[kind] for part in logits]).mean()
        self.steps += 1

    def read_losses(self) -> dict[str, float]:
        """The last losses as numbers, means over the processes; waits for the device.

        Raises:
            NonFiniteLossError: one of them, or an earlier one, is not finite.
        """
        self.finite.check()
        return self._read(self.losses)

    def read_watched(self) -> dict[str, float]:
        """Learning rates, gradient norms and mean logits of the last steps as numbers; waits for the device."""
        rates = {f"lr/{name[-1]}": optimizer.param_groups[0]["lr"] for name, optimizer in self.optimizers.items()}
        return rates | self._read(self.watched)

    def _read(self, scalars: dict[str, Tensor]) -> dict[str, float]:
        if not scalars:
            return {}
        values = self.world.mean(torch.stack([scalar.double() for scalar in scalars.values()])).tolist()
        return dict(zip(scalars, values))

    @torch.no_grad()
    def in_evaluation(self, netG: nn.Module, look: Callable[[], Result]) -> Result:
        """What `look` returns while a generator is in evaluation mode; training goes on as if nothing had been."""
        netG.eval()
        try:
            return look()
        finally:
            netG.train()

    def _generator_losses(self, layout: SemanticLayout, real: Tensor, eps: Tensor | None) -> tuple[Losses, Tensor]:
        parts = self.world.size * self.accumulate
        losses, fake = self.model.generator_losses(layout, real, eps, self.objective, parts)
        return losses, fake.detach()

    def _discriminator_losses(self, layout: SemanticLayout, real: Tensor, eps: Tensor | None) -> tuple[Losses, Losses]:
        return self.model.discriminator_losses(layout, real, eps, self.objective)

    def _parallel(self, player: Player) -> nn.Module:
        """`player` with gradients averaged over the processes during backward."""
        if self.world.size == 1:
            return player
        # torch means speed: a gradient of 1x1 convolutions can say in several ways that it is channels-last.
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
        # Processes hold equal buffers, but for plain batch norm, of which the main process's count, as published.
        return DistributedDataParallel(player, gradient_as_bucket_view=True, **{SYNC_BUFFERS: False})

    def _step(self, name: str, player: nn.Module, optimizer: torch.optim.Optimizer, batch: dict) -> list | None:
        """Take one step of a player; return what its losses came with, part by part, or None if it was left out."""
        with self.finite.undoing(self.model) as undo:
            optimizer.zero_grad(set_to_none=True)
            losses, extras = self._backward(name, player, batch)
            scaler = self.scalers[name]
            scaler.unscale_(optimizer)
            norm = nn.utils.get_total_norm([p.grad for p in player.parameters() if p.grad is not None])
            overflow, gradient = _judge_scale(scaler, norm)
            signs = losses if overflow else losses | {f"{GRADIENT}{name}{gradient}": norm}
            if not self.finite.watch(self.steps + 1, signs, name):
                undo()
                scaler.update(scaler.get_scale())  # a batch that is bad at every scale says nothing about this one
                return None
            self.losses |= losses
            if not overflow:
                self.watched[f"grad_norm/{name}"] = norm
                scaler.step(optimizer)
                if name == "G" and self.average is not None:
                    self.average.update(self.model.netG)
            scaler.update()
        return extras

    def _backward(self, name: str, player: nn.Module, batch: dict) -> tuple[Losses, list]:
        """Gradients of the whole batch, part by part; its losses, detached."""
        sums: Losses = {}
        extras = []
        for part, inputs in enumerate(self._parts(batch)):
            last = part == self.accumulate - 1
            one_step = held_spectral_norm(self.model) if part else contextlib.nullcontext()
            apart = player.no_sync() if self.world.size > 1 and not last else contextlib.nullcontext()
            with one_step, apart:
                with autocast(self.precision, self.model.device):
                    losses, extra = player(*inputs)
                total = sum(losses.values()) / self.accumulate
                self.scalers[name].scale(total).backward()
            extras.append(extra)
            for loss_name, loss in losses.items():
                sums[loss_name] = sums.get(loss_name, 0) + loss.detach() / self.accumulate
        return sums, extras

    def _parts(self, batch: dict) -> Iterator[tuple[SemanticLayout, Tensor, Tensor | None]]:
        """(layout, real, eps) of every part of a batch, on the device."""
        layout, real = self.model.layout(batch), batch["image"].to(self.model.device, non_blocking=True)
        assert len(layout) % self.accumulate == 0, "a batch has equal parts"
        # Drawn for the batches of all processes, whose samples take turns, so that it is the same on any number.
        eps = self.model.draw_eps(len(layout) * self.world.size)
        parts = [None] * self.accumulate
        if eps is not None:
            parts = eps[self.world.rank :: self.world.size].chunk(self.accumulate)
        return zip(layout.split(self.accumulate), real.chunk(self.accumulate), parts)


class Player(nn.Module):
    """The networks that one optimiser steps, and what they minimise, as one module: what is made parallel.

    Args:
        networks: by letter; None for one that is not there.
        losses: called with the inputs of `forward`. May use other networks too, whose gradients are nobody's.
    """

    def __init__(self, networks: Mapping[str, nn.Module | None], losses: Callable):
        super().__init__()
        self.networks = nn.ModuleDict({letter: network for letter, network in networks.items() if network is not None})
        self.losses = losses

    def forward(self, *inputs):
        return self.losses(*inputs)


def _judge_scale(scaler: torch.amp.GradScaler, norm: Tensor) -> tuple[bool, str]:
    """Whether gradients have overflowed because the loss scale is too large, and what an error adds about the scale.

    That happens at times in 16 bits, is no fault, and costs one step: `scaler.update` then lowers the scale. Gradients
    are those of all processes, so that all judge alike. With fp16 this reads every step back, as GradScaler does.
    """
    if not scaler.is_enabled() or norm.isfinite():
        return False, ""
    scale = scaler.get_scale()
    return scale > SMALLEST_SCALE, f" at a loss scale of {scale:.0e} (--precision bf16 needs none)"


@contextlib.contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """The parameters of `network` get no gradients inside; gradients still flow through it to its input."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)
