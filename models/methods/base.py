"""What a method tells the trainer: its players in order, each with networks, losses and settings of their optimizer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor, nn

from models.networks.layout import SemanticLayout
from models.pix2pix_model import Pix2PixModel


@dataclass(frozen=True)
class Part:
    """The part of a batch that one process computes in one forward: all of it, without processes and --accumulate.

    Attributes:
        layout: of N label maps.
        real: photos (N, 3, H, W) in [-1, 1].
        noise: what the method's `draw_noise` has drawn for these samples, (N, ...) or None.
        num_parts: the number of equal parts of the batch. The trainer takes the mean of the losses over them.
    """

    layout: SemanticLayout
    real: Tensor
    noise: Tensor | None = None
    num_parts: int = 1


@dataclass(frozen=True)
class Outcome:
    """What one forward of a player has computed.

    Attributes:
        losses: weighted scalars by name, in full precision; their sum is minimized.
        watched: further scalars by name that are worth a curve, without gradients.
        fake: generated images (N, 3, H, W) in [-1, 1] to show, without gradients; None for a player that has none.
    """

    losses: dict[str, Tensor]
    watched: dict[str, Tensor] = field(default_factory=dict)
    fake: Tensor | None = None


@dataclass(frozen=True)
class Objective:
    """What one optimizer minimizes.

    Attributes:
        name: of the player: in file names (optimizer_G), curves (lr/G) and messages.
        networks: that it trains, by the letter in their file names.
        losses: computes a part of a batch. May use other networks, too.
        frozen: networks whose parameters get no gradients from the losses, although gradients flow through them.
        lr_factor: multiplies the base learning rate.
        betas: of Adam.
        interval: a step is taken in the first one of so many batches.
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
        """All networks that are trained, on their device."""
        ...

    @property
    def objectives(self) -> Sequence[Objective]:
        """One for each player, in the order of their steps."""
        ...

    @property
    def fixed_networks(self) -> Collection[nn.Module]:
        """Networks that the losses use and no player trains."""
        ...

    def draw_noise(self, count: int) -> Tensor | None:
        """The random input of `count` samples, drawn anew for each step of a player; None if there is none."""
        ...
