"""The loss terms of the paper, each a function of tensors. The caller weights and sums them."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from util.precision import full_precision

# Discriminator outputs: features[scale][layer], the logits last.
Features = list[list[Tensor]]


class GANLoss(NamedTuple):
    """Losses as functions from the logits of one scale to a scalar, which the player minimizes."""

    generator: Callable[[Tensor], Tensor]
    discriminator_fake: Callable[[Tensor], Tensor]
    discriminator_real: Callable[[Tensor], Tensor]


def _mse_to(target: float) -> Callable[[Tensor], Tensor]:
    return lambda logits: F.mse_loss(logits, torch.full_like(logits, target))


def _bce_to(target: float) -> Callable[[Tensor], Tensor]:
    return lambda logits: F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def _mean(logits: Tensor) -> Tensor:
    return logits.mean()


def _minus_mean(logits: Tensor) -> Tensor:
    return -logits.mean()


GAN_LOSSES = {
    # The paper's choice. The generator's term is the plain mean: a hinge there would stop its gradient once it wins.
    "hinge": GANLoss(_minus_mean, lambda logits: F.relu(1 + logits).mean(), lambda logits: F.relu(1 - logits).mean()),
    "ls": GANLoss(_mse_to(1.0), _mse_to(0.0), _mse_to(1.0)),
    "original": GANLoss(_bce_to(1.0), _bce_to(0.0), _bce_to(1.0)),
    # Wasserstein critic without penalty or clipping, as published.
    "w": GANLoss(_minus_mean, _mean, _minus_mean),
}


def gan_loss(term: Callable[[Tensor], Tensor], features: Features) -> Tensor:
    """One term of a `GANLoss` over the logits of every scale: their mean, a scalar."""
    return torch.stack([term(full_precision(outputs[-1])) for outputs in features]).mean()


def mean_logit(features: Features) -> Tensor:
    """Mean logit over positions and scales, a scalar: how real the discriminator finds the images."""
    return gan_loss(_mean, features)


def feature_matching_loss(fake: Features, real: Features) -> Tensor:
    """L1 distance of discriminator features: mean per layer, summed over inner layers, averaged over scales.

    The real side is a constant. The sum is not divided by the number of layers (published behavior).
    """
    per_scale = [
        reduce(torch.add, (l1_loss(x, y.detach()) for x, y in zip(fake_scale[:-1], real_scale)))
        for fake_scale, real_scale in zip(fake, real)
    ]
    return reduce(torch.add, per_scale) / len(per_scale)


def l1_loss(x: Tensor, y: Tensor) -> Tensor:
    """Mean absolute difference, a scalar in full precision."""
    return F.l1_loss(full_precision(x), full_precision(y))


def kl_loss(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(q(z|x) || N(0, 1)) of appendix A, SUMMED over batch and dimensions (published behavior).

    The trainer takes the mean of the losses over micro-batches and processes. The method therefore multiplies this one
    by their number, which makes it the sum over the whole batch. (The published code summed over the samples of each
    GPU and averaged over GPUs, so its weight fell with their number.)

    Args:
        mu, logvar: (N, z_dim). The sum means that --lambda_kld weighs more in larger batches.
    """
    return -0.5 * (1 + logvar - mu.square() - logvar.exp()).sum()
