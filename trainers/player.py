"""One player of a method: its networks and losses, its optimizer and loss scaler, and its training step."""

from __future__ import annotations

import contextlib
import inspect
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from models.methods.base import Held, Method, Objective, Outcome, Part
from models.networks.statistics import spectral_vectors
from trainers.finite import GRADIENT, FiniteWatch
from trainers.schedule import learning_rate
from util.distributed import World
from util.inputs import input_of
from util.precision import autocast

SMALLEST_SCALE = 1e-4
"""Loss scale of fp16 at or below which an overflow of gradients is reported as an error."""
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


class Player:
    """Steps the networks of one objective.

    Args:
        method: supplies the model and the noise.
        objective: one of the method's.
        lr: base learning rate.
        finite: checks losses and gradients.
        world, precision, accumulate, adam: see `Pix2PixTrainer`.

    Attributes:
        losses: detached scalars of the last step with each in this process, by name, on the device.
        metrics: other scalars of the last step, likewise: gradient norm and the metrics of the objective.
        rate: learning rate of the epoch.
        holds: whether the held parameters of the objective still keep their values.
        shown: inputs (`util.inputs`), fake and real (N, 3, H, W) in [-1, 1] of the last step; None without fakes.
    """

    def __init__(
        self,
        method: Method,
        objective: Objective,
        lr: float,
        finite: FiniteWatch,
        world: World,
        precision: str = "fp32",
        accumulate: int = 1,
        adam: str = "auto",
    ):
        self.method, self.model, self.objective = method, method.model, objective
        self.finite, self.world, self.precision, self.accumulate = finite, world, precision, accumulate
        module = _ObjectiveModule(objective)
        if adam == "auto" and self.model.device.type == "cpu" and precision != "fp16":
            adam = "fused"  # one pass over weights and moments; torch's choice there makes several
        self.settings: dict[str, Any] = {"betas": objective.betas, "foreach": None, "fused": None} | ADAM_SWITCHES[adam]
        self.optimizer = torch.optim.Adam(_parameter_groups(module, objective.held), lr=lr, **self.settings)
        self.holds, self.rate = objective.held is not None, lr
        self.module = _parallel(module) if world.size > 1 else module
        self.scaler = torch.amp.GradScaler(self.model.device.type, enabled=precision == "fp16")
        self.losses: dict[str, Tensor] = {}
        self.metrics: dict[str, Tensor] = {}
        self.shown: tuple[Tensor, Tensor, Tensor] | None = None

    @property
    def name(self) -> str:
        return self.objective.name

    def set_learning_rate(self, epoch: int, lr: float, niter: int, niter_decay: int) -> None:
        """Use the learning rate of `epoch` (counted from 1) from the next step on."""
        schedule = self.objective.schedule or learning_rate
        self.rate = schedule(epoch, lr, niter, niter_decay) * self.objective.lr_factor
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate
        held = self.objective.held
        if held is None:
            return
        if self.holds and epoch > held.epochs:
            self.optimizer.state.clear()  # as the published code, which made a new Adam for all parameters
            self.holds = False
        if self.holds:
            self.optimizer.param_groups[-1]["lr"] = 0.0  # a step of this length changes no bit

    def restore_settings(self) -> None:
        """Set this run's optimizer settings again: a loaded optimizer state brings those of the saved run."""
        for group in self.optimizer.param_groups:
            group |= self.settings

    def step(self, batch: dict[str, Any], number: int) -> bool:
        """Take a step on a batch of samples with photos. Return whether weights were updated.

        Args:
            number: of this step, from 1.
        """
        if number <= self.objective.warmup:
            for group in self.optimizer.param_groups:
                group["lr"] = self.rate * number / self.objective.warmup
        restore_buffers = self.finite.snapshot_buffers(self.model)
        with frozen(self.objective.frozen):
            self.optimizer.zero_grad(set_to_none=True)
            outcome = self._backward(batch, number)
            self.scaler.unscale_(self.optimizer)
            norm = nn.utils.get_total_norm([p.grad for p in self.module.parameters() if p.grad is not None])
            overflow, gradient = _check_scale(self.scaler, norm)
            scalars = outcome.losses if overflow else outcome.losses | {f"{GRADIENT}{self.name}{gradient}": norm}
            if not self.finite.watch(number, scalars, self.name):
                restore_buffers()
                self.scaler.update(self.scaler.get_scale())  # a skipped batch does not lower the scale
                return False
        if not overflow:
            self.metrics[f"grad_norm/{self.name}"] = norm
            self.scaler.step(self.optimizer)
            self.method.after_step(outcome)
        self.scaler.update()
        self.losses |= outcome.losses  # some terms are not computed in every step
        self.metrics |= outcome.metrics
        if outcome.fake is not None:
            self.shown = input_of(batch), outcome.fake, batch["image"]
        return not overflow

    def _backward(self, batch: dict[str, Any], step: int) -> Outcome:
        """Accumulate the gradients of all micro-batches; return their joint outcome, detached."""
        outcomes = []
        vectors = spectral_vectors(self.model) if self.accumulate > 1 else {}
        for number, part in enumerate(self._parts(batch, step)):
            # All parts belong to one step: each takes the same power iterations from the same vectors.
            for vector, start in vectors.items():
                vector.copy_(start)
            # Processes average the accumulated gradients once, in the last part.
            no_sync = contextlib.nullcontext()
            if isinstance(self.module, DistributedDataParallel) and number < self.accumulate - 1:
                no_sync = self.module.no_sync()
            with no_sync:
                with autocast(self.precision, self.model.device):
                    outcome = self.module(part)
                total = reduce(torch.add, outcome.losses.values()) / self.accumulate
                self.scaler.scale(total).backward()
            outcomes.append(replace(outcome, losses={name: loss.detach() for name, loss in outcome.losses.items()}))
        return _joined(outcomes)

    def _parts(self, batch: dict[str, Any], step: int) -> Iterator[Part]:
        """Yield the micro-batches of a batch, on the device."""
        layout, real = self.model.layout(batch), batch["image"].to(self.model.device, non_blocking=True)
        assert len(layout) % self.accumulate == 0, "--accumulate must divide the batch of a process"
        draws = [self._chunks(draw, len(layout)) for draw in (self.method.draw_noise, self.method.draw_augmentation)]
        facts, num_parts = self.method.describe_batch(layout), self.world.size * self.accumulate
        for part in zip(layout.split(self.accumulate), real.chunk(self.accumulate), *draws):
            yield Part(*part, step=step, num_parts=num_parts, batch=facts)

    def _chunks(self, draw: Callable[[int], Tensor | None], samples: int) -> Sequence[Tensor | None]:
        """Random numbers for the micro-batches of a batch of this process, by a method's function of their count."""
        # Drawn for the whole batch, of which process r has samples r, r + size, ...: the same for any number of them.
        drawn = draw(samples * self.world.size)
        if drawn is None:
            return [None] * self.accumulate
        return drawn[self.world.rank :: self.world.size].chunk(self.accumulate)


def _parameter_groups(module: nn.Module, held: Held | None) -> list[dict[str, Any]]:
    """The parameters as one group, or those that are held at first as a second one."""
    if held is None:
        return [{"params": list(module.parameters())}]
    late = {id(parameter) for parameter in held.parameters}
    return [
        {"params": [p for p in module.parameters() if id(p) not in late]},
        {"params": [p for p in module.parameters() if id(p) in late]},
    ]


class _ObjectiveModule(nn.Module):
    """The networks that an objective trains, with its losses as `forward`: the module that DDP wraps."""

    def __init__(self, objective: Objective):
        super().__init__()
        self.networks = nn.ModuleDict(objective.networks)
        self.losses = objective.losses  # may use other networks, which get no gradients

    def forward(self, part: Part) -> Outcome:
        return self.losses(part)


def _parallel(module: nn.Module) -> nn.Module:
    """`module` with gradients averaged over the processes during backward."""
    # A false warning, about speed alone: the gradient of a 1x1 convolution lies in memory alike in both memory formats,
    # but torch compares the strides, which differ.
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
    # The processes' buffers are equal anyway, except the running statistics of plain batch norm. Those of the main
    # process are saved, as published.
    settings: dict[str, Any] = {SYNC_BUFFERS: False}
    return DistributedDataParallel(module, gradient_as_bucket_view=True, **settings)


def _joined(outcomes: list[Outcome]) -> Outcome:
    """The outcome of a batch from those of its micro-batches: means of scalars, all images."""
    losses: dict[str, Any] = {}
    for outcome in outcomes:
        for name, loss in outcome.losses.items():
            losses[name] = losses.get(name, 0) + loss / len(outcomes)
    names = outcomes[0].metrics
    metrics = {name: torch.stack([outcome.metrics[name] for outcome in outcomes]).mean() for name in names}
    fakes = [outcome.fake for outcome in outcomes if outcome.fake is not None]
    return Outcome(losses, metrics, torch.cat(fakes) if fakes else None)


def _check_scale(scaler: torch.amp.GradScaler, norm: Tensor) -> tuple[bool, str]:
    """Whether gradients overflowed because the loss scale is too large; and what a message adds about the scale.

    With fp16 such overflows are normal, and cost one step: `scaler.update` then lowers the scale. Gradients are already
    averaged over processes, so that all decide alike. With fp16 this waits for the device, as GradScaler does.
    """
    if not scaler.is_enabled() or norm.isfinite():
        return False, ""
    scale = scaler.get_scale()
    return scale > SMALLEST_SCALE, f" at a loss scale of {scale:.0e} (--precision bf16 needs none)"


@contextlib.contextmanager
def frozen(networks: Collection[nn.Module]) -> Iterator[None]:
    """Inside, the parameters of `networks` get no gradients; gradients still flow through them to their inputs."""
    trained = [p for network in networks for p in network.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
