"""The interface between a method and the trainer: players in order, with networks, losses and optimizer settings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor, nn

from models.networks.layout import SemanticLayout
from models.pix2pix_model import Pix2PixModel


@dataclass(frozen=True)
class Part:
    """A micro-batch: the samples of one forward pass. With one process and `--accumulate 1` it is the whole batch.

    Attributes:
        layout: of N label maps.
        real: photos (N, 3, H, W) in [-1, 1].
        noise: output of the method's `draw_noise` for these samples, (N, ...) or None.
        num_parts: number of micro-batches in the whole batch, over all processes; the trainer takes the
            mean of their losses.
    """

    layout: SemanticLayout
    real: Tensor
    noise: Tensor | None = None
    num_parts: int = 1


@dataclass(frozen=True)
class Outcome:
    """Result of one forward pass of a player.

    Attributes:
        losses: weighted scalars by name, in full precision; their sum is minimized.
        metrics: further scalars by name to plot, without gradients.
        fake: generated images (N, 3, H, W) in [-1, 1] to show, without gradients; None if the player generates none.
    """

    losses: dict[str, Tensor]
    metrics: dict[str, Tensor] = field(default_factory=dict)
    fake: Tensor | None = None


@dataclass(frozen=True)
class Objective:
    """What one optimizer minimizes.

    Attributes:
        name: of the player, used in the names of optimizers (optimizer_G) and curves (lr/G) and in messages.
        networks: the networks to train, by the letter in their file names.
        losses: computes the losses of a micro-batch. May use other networks, too.
        frozen: networks whose parameters get no gradients from the losses, although gradients flow through them.
        lr_factor: factor on the base learning rate.
        betas: of Adam.
        interval: the player takes a step every `interval` batches, beginning with the first.
    """

    name: str
    networks: dict[str, nn.Module]
    losses: Callable[[Part], Outcome]
    frozen: Collection[nn.Module] = ()
    lr_factor: float = 1.0
    betas: tuple[float, float] = (0.0, 0.9)
    interval: int = 1


class Method(Protocol):
    """A way to train a model."""

    @property
    def model(self) -> Pix2PixModel:
        """The model to train, on its device."""
        ...

    @property
    def objectives(self) -> Sequence[Objective]:
        """One objective for each player, in the order of their steps."""
        ...

    @property
    def fixed_networks(self) -> Collection[nn.Module]:
        """Networks that the losses use and no player trains."""
        ...

    def draw_noise(self, count: int) -> Tensor | None:
        """The random input of `count` samples, drawn anew for each step of a player; None if there is none."""
        ...
