"""What a training method is: its networks, and its players in order, with losses and optimizer settings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor, nn

from models.augmentation import NO_AUGMENTATION, DiffAugment
from models.networks.layout import Layout, SemanticLayout
from models.pix2pix_model import Pix2PixModel
from models.regularization import NO_REGULARIZATION, Regularization
from util.errors import InputError

Schedule = Callable[[int, float, int, int], float]
"""(epoch from 1, base learning rate, niter, niter_decay) -> base learning rate in that epoch."""


@dataclass(frozen=True)
class Part:
    """A micro-batch: the samples of one forward pass. With one process and `--accumulate 1` it is the whole batch.

    Attributes:
        layout: of N label maps or conditioning images.
        real: photos (N, 3, H, W) in [-1, 1].
        noise: output of the method's `draw_noise` for these samples, (N, ...) or None.
        augmentation: output of its `draw_augmentation`, likewise.
        step: number of the training step, from 1.
        num_parts: number of micro-batches in the whole batch, over all processes; the trainer takes the
            mean of their losses.
        batch: output of the method's `describe_batch` for the whole batch.
    """

    layout: Layout
    real: Tensor
    noise: Tensor | None = None
    augmentation: Tensor | None = None
    step: int = 1
    num_parts: int = 1
    batch: Any = None

    @property
    def label_layout(self) -> SemanticLayout:
        """The layout, for methods that need classes: they take no conditioning images."""
        assert isinstance(self.layout, SemanticLayout), "this method takes label maps alone"
        return self.layout


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
class Held:
    """Parameters that keep their values in the first epochs; then the optimizer starts afresh, with all parameters.

    Attributes:
        parameters: of networks of the objective.
        epochs: number of epochs, counted from the first.
    """

    parameters: Collection[nn.Parameter]
    epochs: int


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
        schedule: learning rate by epoch; None for the schedule of SPADE and pix2pixHD (`trainers.schedule`).
        held: parameters that are not trained in the first epochs; None if all are.
        warmup: first training steps in which the learning rate rises linearly to that of `schedule`.
    """

    name: str
    networks: dict[str, nn.Module]
    losses: Callable[[Part], Outcome]
    frozen: Collection[nn.Module] = ()
    lr_factor: float = 1.0
    betas: tuple[float, float] = (0.0, 0.9)
    interval: int = 1
    schedule: Schedule | None = None
    held: Held | None = None
    warmup: int = 0


class Method(ABC):
    """A way to train a model. What programs know of it before they import it is its entry in `METHODS`.

    All players of a step see the same batch in the same micro-batches. What one player computes and a later one needs,
    such as the fakes, the method keeps in between.

    Attributes:
        loads_partially: whether `--load_pretrained` takes what fits and leaves the rest as initialized.
        model: the model to train, on its device.
        objectives: one for each player, in the order of their steps.
        diffaugment: changes what the discriminator sees; by default nothing.
        regularization: further terms of the discriminator's loss; by default none.
    """

    loads_partially: ClassVar[bool] = False
    model: Pix2PixModel
    objectives: Sequence[Objective]
    diffaugment: DiffAugment = NO_AUGMENTATION
    regularization: Regularization = NO_REGULARIZATION

    @classmethod
    def size_step(cls, opt: Any) -> tuple[int, str]:
        """The number that width and height of images are multiples of, and the end of a phrase that says why."""
        return 1, ""

    @classmethod
    def smallest_side(cls, opt: Any) -> int:
        """Least width and height of images, in pixels."""
        return cls.size_step(opt)[0]

    @classmethod
    def check(cls, opt: Any) -> None:
        """Refuse options that this method cannot use. Raises `InputError`."""
        if getattr(opt, "r1_gamma", 0):  # an option of training alone
            Regularization.check(opt)
        step, why = cls.size_step(opt)
        width, height = opt.crop_size, round(opt.crop_size / opt.aspect_ratio)
        if width % step:
            raise InputError(
                f"--crop_size {width}: --method {opt.method} makes sizes that are multiples of {step}{why}; use "
                f"--crop_size {max(1, round(width / step)) * step}"
            )
        if height % step or not height:
            fitting = max(1, round(height / step)) * step
            raise InputError(
                f"--aspect_ratio {opt.aspect_ratio:g}: --crop_size {width} gives height {height}, and --method "
                f"{opt.method} makes sizes that are multiples of {step}{why}; use --aspect_ratio {width / fitting:.6g}"
            )

    @classmethod
    @abstractmethod
    def create_model(cls, opt: Any) -> Pix2PixModel:
        """The initialized networks for training (`opt.is_train`) or testing."""

    @classmethod
    @abstractmethod
    def create(cls, opt: Any, model: Pix2PixModel) -> Method:
        """The losses and players for training `model`, which is on its device."""

    @property
    def fixed_networks(self) -> Collection[nn.Module]:
        """Networks that the losses use and no player trains."""
        return ()

    def draw_noise(self, count: int) -> Tensor | None:
        """The random input of `count` samples, drawn anew for each step of a player; None if there is none."""
        return None

    def draw_augmentation(self, count: int) -> Tensor | None:
        """The random numbers of `diffaugment` for `count` samples, drawn after `draw_noise`; None without policies."""
        return self.diffaugment.draw(count, self.model.device)

    def augmented(self, part: Part, layout: Layout, *images: Tensor) -> tuple:
        """(layout, *images) as the discriminator sees them, under the draw of a micro-batch."""
        return (layout, *images) if part.augmentation is None else self.diffaugment(part.augmentation, layout, *images)

    def after_step(self, outcome: Outcome) -> None:
        """Note the outcome of a step that a player has taken, over all micro-batches of this process."""
        self.regularization.after_step(outcome.metrics)

    def describe_batch(self, layout: Layout) -> Any:
        """What the losses need to know of the whole batch, anew for each step of a player; None if nothing.

        All processes call it at the same time, and must return the same.

        Args:
            layout: of the samples of this process.
        """
        return None

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training needs besides networks and optimizers."""
        return self.regularization.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state`."""
        self.regularization.load_state_dict(state, self.model.device)
