"""Regularization of discriminators: R1 (Mescheder et al., arXiv 1801.04406), LeCam (Tseng et al., arXiv 2104.03310)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn

from models.losses import Features, gan_loss
from models.networks.layout import Layout
from models.networks.norms import NormSpec
from models.networks.statistics import frozen_spectral_norm
from util.distributed import process_count, sum_over_processes
from util.errors import InputError
from util.precision import full_precision

LECAM_DECAY = 0.99


def r1_penalty(netD: nn.Module, layout: Layout, real: Tensor) -> Tensor:
    """E |grad_x D(x)|^2 over photos x, a scalar; D(x) is the sum of all logits, over positions and scales.

    Takes a pass of its own, in full precision, with the singular vectors of the step.

    Args:
        netD: returns features, or logits alone; without batch norm, which would mix the photos.
        real: (N, 3, H, W), as the discriminator sees them.
    """
    real = real.detach().requires_grad_()
    with frozen_spectral_norm(netD), torch.autocast(real.device.type, enabled=False):
        output: Tensor | Features = netD(layout, real)
    logits = [output] if isinstance(output, Tensor) else [scale[-1] for scale in output]
    total = reduce(torch.add, (scale.sum() for scale in logits))
    (gradient,) = torch.autograd.grad(total, real, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()


class R1:
    """The gradient penalty gamma / 2 * `r1_penalty`.

    It is computed in every `interval`-th step, beginning with the first, and weighs `interval` times as much there
    ("lazy regularization" of StyleGAN2, Karras et al., arXiv 1912.04958).
    """

    def __init__(self, gamma: float, interval: int = 16):
        self.gamma, self.interval = gamma, interval

    def is_due(self, step: int) -> bool:
        """Whether the step, counted from 1, has the penalty."""
        return (step - 1) % self.interval == 0

    def __call__(self, netD: nn.Module, layout: Layout, real: Tensor) -> Tensor:
        """The weighted penalty of a step that has it, a scalar."""
        return 0.5 * self.gamma * self.interval * r1_penalty(netD, layout, real)


class LeCam:
    """Keeps logits of either kind of image near the past mean of the other kind's.

    The means are exponential averages over the steps before, of the whole batch.

    Args:
        weight: of the term.
        start: steps without the term; until then averages settle.

    Attributes:
        averages: of mean logits, (2,): of photos, of fakes; None before the first step.
    """

    def __init__(self, weight: float, start: int = 0):
        self.weight, self.start = weight, start
        self.averages: Tensor | None = None

    def is_due(self, step: int) -> bool:
        """Whether the step, counted from 1, has the term."""
        return step > self.start and self.averages is not None

    def __call__(self, fake: Features, real: Features) -> Tensor:
        """E relu(D(real) - mean of fakes)^2 + E relu(mean of photos - D(fake))^2, weighted; means over all logits."""
        assert self.averages is not None, "there was a step before"
        of_real, of_fake = self.averages
        above = gan_loss(lambda logits: (logits - of_fake).relu().square().mean(), real)
        below = gan_loss(lambda logits: (of_real - logits).relu().square().mean(), fake)
        return self.weight * (above + below)

    def update(self, real: Tensor, fake: Tensor) -> None:
        """Note the mean logits of a step in this process, scalars."""
        means = sum_over_processes(full_precision(torch.stack([real, fake]).detach())) / process_count()
        self.averages = means if self.averages is None else self.averages.lerp(means, 1 - LECAM_DECAY)


class Regularization:
    """The terms that a discriminator's loss has besides those of its method; None for those that it has not."""

    def __init__(self, r1: R1 | None = None, lecam: LeCam | None = None):
        self.r1, self.lecam = r1, lecam

    @classmethod
    def of(cls, opt: Any) -> Regularization:
        """As the options say."""
        return cls(
            R1(opt.r1_gamma, opt.r1_interval) if opt.r1_gamma else None,
            LeCam(opt.lambda_lecam, opt.lecam_start) if opt.lambda_lecam else None,
        )

    @staticmethod
    def check(opt: Any) -> None:
        """Refuse R1 where a photo has no gradient of its own, or that no derivative. Raises `InputError`."""
        if not opt.r1_gamma:
            return
        if NormSpec.parse(opt.norm_D, "norm_D").kind in ("batch", "syncbatch"):
            without = opt.norm_D.replace("sync", "").replace("batch", "instance")
            raise InputError(
                f"--r1_gamma {opt.r1_gamma:g}: batch norm mixes the photos of a batch, so that none has a gradient of "
                f"its own; use --norm_D {without} in a new run, or leave the flag out"
            )
        if opt.compile:
            raise InputError(
                f"--r1_gamma {opt.r1_gamma:g}: compiled networks have no second derivative; use --no_compile, or leave "
                "the flag out"
            )

    def losses(
        self,
        netD: nn.Module,
        step: int,
        layout: Layout,
        real: Tensor,
        fake_features: Features,
        real_features: Features,
    ) -> dict[str, Tensor]:
        """R1 and LeCam, if a step has them, by name.

        Args:
            step: from 1.
            layout, real: as the discriminator sees them.
            fake_features, real_features: what it has made of fakes and photos, with gradients.
        """
        losses = {}
        if self.r1 is not None and self.r1.is_due(step):
            losses["R1"] = self.r1(netD, layout, real)
        if self.lecam is not None and self.lecam.is_due(step):
            losses["LeCam"] = self.lecam(fake_features, real_features)
        return losses

    def after_step(self, metrics: Mapping[str, Tensor]) -> None:
        """Note the metrics of a player's step, among which are the discriminator's mean logits."""
        if self.lecam is not None and "logits/real" in metrics:
            self.lecam.update(metrics["logits/real"], metrics["logits/fake"])

    def state_dict(self) -> dict[str, Any]:
        """The averages of logits; empty without LeCam."""
        if self.lecam is None or self.lecam.averages is None:
            return {}
        return {"lecam": self.lecam.averages.cpu()}

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Restore `state`; averages start anew in a run that had none."""
        if self.lecam is not None and "lecam" in state:
            self.lecam.averages = state["lecam"].to(device)


NO_REGULARIZATION = Regularization()
