"""pix2pix (Isola et al., arXiv 1611.07004): cross-entropy and L1; the discriminator steps first, on the same fake."""

from __future__ import annotations

from collections import deque
from typing import Any

import torch
from torch import Tensor

from models.augmentation import NO_AUGMENTATION, DiffAugment
from models.losses import GAN_LOSSES, l1_loss
from models.methods.base import Method, Objective, Outcome, Part
from models.networks.init import init_weights
from models.networks.pix2pix import NORMS, PatchDiscriminator, UNetGenerator
from models.pix2pix_model import Pix2PixModel
from models.regularization import NO_REGULARIZATION, Regularization
from util.errors import InputError
from util.precision import full_precision

FEWEST_LEVELS, MOST_LEVELS = 5, 9
D_WEIGHT = 0.5
"""The discriminator's loss is the mean of its two terms."""
BCE = GAN_LOSSES["original"]


def unet_levels(height: int, width: int) -> int:
    """The number of times that a U-Net halves images of a size: to 1 pixel, or 9 times, or as often as it can."""
    return next((k for k in range(MOST_LEVELS, FEWEST_LEVELS, -1) if height % 2**k == width % 2**k == 0), FEWEST_LEVELS)


def _size(opt: Any) -> tuple[int, int]:
    """(height, width) of the images."""
    return round(opt.crop_size / opt.aspect_ratio), opt.crop_size


def decay(epoch: int, lr: float, niter: int, niter_decay: int) -> float:
    """Learning rate in `epoch` (counted from 1): constant for `niter` epochs, then linear to 0 after the last one."""
    return lr * (1 - max(0, epoch - niter) / (niter_decay + 1))


class Pix2PixMethod(Method):
    """The losses of both players: D, then G through the updated D. Both see the fake that D's losses generate.

    Args:
        model: of `UNetGenerator` and `PatchDiscriminator`.
        lambda_L1: weight of the L1 distance to the photo.
        betas: of both Adam optimizers.
        D_warmup: first steps in which the learning rate of the discriminator rises.
        diffaugment, regularization: of what the discriminator sees, and of its loss.
    """

    def __init__(
        self,
        model: Pix2PixModel,
        lambda_L1: float = 100.0,
        betas: tuple[float, float] = (0.5, 0.999),
        D_warmup: int = 0,
        diffaugment: DiffAugment = NO_AUGMENTATION,
        regularization: Regularization = NO_REGULARIZATION,
    ):
        assert isinstance(model.netD, PatchDiscriminator), "a model that is trained has a discriminator"
        self.model, self.netD, self.lambda_L1 = model, model.netD, lambda_L1
        self.diffaugment, self.regularization = diffaugment, regularization
        self.fakes: deque[Tensor] = deque()  # of the parts of a batch, each with its graph, between the players' steps
        common: dict[str, Any] = {"betas": betas, "schedule": decay}
        self.objectives = (
            Objective("D", {"D": model.netD}, self.discriminator_losses, warmup=D_warmup, **common),
            Objective("G", {"G": model.netG}, self.generator_losses, frozen=[model.netD], **common),
        )

    @classmethod
    def size_step(cls, opt: Any) -> tuple[int, str]:
        """The fewest levels halve the image five times."""
        return 2**FEWEST_LEVELS, ""

    @classmethod
    def check(cls, opt: Any) -> None:
        """Refuse sizes and norms that the networks do not have, and styles without dropout. Raises `InputError`."""
        super().check(opt)
        if getattr(opt, "num_styles", 1) > 1 and unet_levels(*_size(opt)) == FEWEST_LEVELS:
            raise InputError(
                f"--num_styles {opt.num_styles}: the generator for {opt.crop_size} pixels has no dropout, "
                "and so one image for each label map; leave it out"
            )
        for flag in ("norm_G", "norm_D") if opt.is_train else ("norm_G",):
            if getattr(opt, flag) not in NORMS:
                raise InputError(
                    f"--{flag} {getattr(opt, flag)}: --method pix2pix needs one of {', '.join(NORMS)}, "
                    f"such as --{flag} batch"
                )

    @classmethod
    def create_model(cls, opt: Any) -> Pix2PixModel:
        """The networks that the options describe, with as many levels as the size allows."""
        netG = UNetGenerator(
            opt.semantic_nc,
            opt.ngf,
            unet_levels(*_size(opt)),
            opt.norm_G,
            _size(opt),
            dropout=opt.dropout,
            own_statistics=opt.test_statistics == "own",
        )
        if not opt.is_train:
            return Pix2PixModel(netG, None, None, opt.num_labels)
        netD = PatchDiscriminator(opt.semantic_nc, opt.ndf, opt.norm_D, opt.n_layers_D)
        for network in (netG, netD):
            init_weights(network, opt.init_type, opt.init_gain)
        return Pix2PixModel(netG, netD, None, opt.num_labels)

    @classmethod
    def create(cls, opt: Any, model: Pix2PixModel) -> Pix2PixMethod:
        """The losses and players for training `model`."""
        return cls(
            model,
            opt.lambda_L1,
            (opt.beta1, opt.beta2),
            D_warmup=opt.D_warmup,
            diffaugment=DiffAugment.of(opt),
            regularization=Regularization.of(opt),
        )

    def draw_noise(self, count: int) -> Tensor | None:
        """The noise of dropout for `count` samples, (count, z_dim) from N(0, 1); None without dropout."""
        z_dim = self.model.z_dim
        return None if z_dim is None else torch.randn(count, z_dim, device=self.model.device)

    def discriminator_losses(self, part: Part) -> Outcome:
        """D_Fake and D_real on new fakes, which are kept for the generator's losses; terms of regularization."""
        fake = self.model.generate(part.layout, part.noise)
        self.fakes.append(fake)
        return self.discriminator_losses_of(part, fake.detach())

    def discriminator_losses_of(self, part: Part, fake: Tensor) -> Outcome:
        """As `discriminator_losses`, on given fakes. Batch norm sees fakes and photos apart, in this order."""
        layout, fake, real = self.augmented(part, part.layout, fake, part.real)
        fake_logits, real_logits = (full_precision(self.netD(layout, images)) for images in (fake, real))
        losses = {
            "D_Fake": D_WEIGHT * BCE.discriminator_fake(fake_logits),
            "D_real": D_WEIGHT * BCE.discriminator_real(real_logits),
        }
        losses |= self.regularization.losses(self.netD, part.step, layout, real, [[fake_logits]], [[real_logits]])
        logits = {"logits/fake": fake_logits.detach().mean(), "logits/real": real_logits.detach().mean()}
        return Outcome(losses, metrics=logits)

    def generator_losses(self, part: Part) -> Outcome:
        """GAN and L1 of the fakes that the discriminator's losses generated, judged by the updated discriminator."""
        fake = self.fakes.popleft()
        return Outcome(self.generator_losses_of(part, fake), fake=fake.detach())

    def generator_losses_of(self, part: Part, fake: Tensor) -> dict[str, Tensor]:
        """As `generator_losses`, on given fakes."""
        logits = full_precision(self.netD(*self.augmented(part, part.layout, fake)))
        return {"GAN": BCE.generator(logits), "L1": self.lambda_L1 * l1_loss(fake, part.real)}
