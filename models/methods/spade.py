"""SPADE (Park et al., arXiv 1903.07291, section 3 and appendix A): generator and encoder against a discriminator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from models.augmentation import NO_AUGMENTATION, DiffAugment
from models.losses import GAN_LOSSES, feature_matching_loss, gan_loss, kl_loss, mean_logit
from models.methods.base import Method, Objective, Outcome, Part
from models.methods.spade_networks import create_networks
from models.pix2pix_model import Pix2PixModel
from models.regularization import NO_REGULARIZATION, Regularization
from models.vgg import VGGLoss


class SPADEMethod(Method):
    """The losses of both players, and the order of their steps.

    Args:
        model: has a discriminator, and an encoder for image synthesis with a style photo (figure 15).
        gan_mode: key of `GAN_LOSSES`.
        lambda_feat, lambda_vgg, lambda_kld: loss weights; with lambda_feat None there is no feature matching.
        vgg: the perceptual loss; None for none.
        TTUR: two time-scale update rule (Heusel et al., arXiv 1706.08500): half the learning rate for the generator,
            double for the discriminator; 1e-4 and 4e-4 with the published base learning rate, 2e-4.
        betas: of both Adam optimizers; (0, 0.9) in the published code.
        D_steps_per_G: discriminator steps for each generator step.
        D_warmup: first steps in which the learning rate of the discriminator rises.
        diffaugment, regularization: of what the discriminator sees, and of its loss.
    """

    def __init__(
        self,
        model: Pix2PixModel,
        gan_mode: str = "hinge",
        lambda_feat: float | None = 10.0,
        lambda_vgg: float = 10.0,
        lambda_kld: float = 0.05,
        vgg: nn.Module | None = None,
        TTUR: bool = True,
        betas: tuple[float, float] = (0.0, 0.9),
        D_steps_per_G: int = 1,
        D_warmup: int = 0,
        diffaugment: DiffAugment = NO_AUGMENTATION,
        regularization: Regularization = NO_REGULARIZATION,
    ):
        self.model, self.diffaugment, self.regularization = model, diffaugment, regularization
        self.gan_loss = GAN_LOSSES[gan_mode]
        self.lambda_feat, self.lambda_vgg, self.lambda_kld, self.vgg = lambda_feat, lambda_vgg, lambda_kld, vgg
        assert model.netD is not None, "a model that is trained has a discriminator"
        self.netD = model.netD
        G_factor, D_factor = (0.5, 2.0) if TTUR else (1.0, 1.0)
        self.objectives = (  # in the order of the steps
            Objective(
                "G",
                {letter: network for letter, network in model.networks.items() if letter in ("G", "E")},
                self.generator_losses,
                frozen=[self.netD],
                lr_factor=G_factor,
                betas=betas,
                interval=D_steps_per_G,
            ),
            Objective(
                "D", {"D": self.netD}, self.discriminator_losses, lr_factor=D_factor, betas=betas, warmup=D_warmup
            ),
        )

    @classmethod
    def create_model(cls, opt: Any) -> Pix2PixModel:
        """The networks that the options describe."""
        return create_networks(opt)

    @classmethod
    def create(cls, opt: Any, model: Pix2PixModel) -> SPADEMethod:
        """Losses and players for training `model`; loads VGG-19 unless `--no_vgg_loss`."""
        return cls(
            model,
            gan_mode=opt.gan_mode,
            lambda_feat=opt.lambda_feat if opt.gan_feat_loss else None,
            lambda_vgg=opt.lambda_vgg,
            lambda_kld=opt.lambda_kld,
            vgg=VGGLoss.of(opt, model.device),
            TTUR=opt.TTUR,
            betas=(opt.beta1, opt.beta2),
            D_steps_per_G=opt.D_steps_per_G,
            D_warmup=opt.D_warmup,
            diffaugment=DiffAugment.of(opt),
            regularization=Regularization.of(opt),
        )

    @property
    def fixed_networks(self) -> Sequence[nn.Module]:
        """VGG-19, which is frozen."""
        return () if self.vgg is None else (self.vgg,)

    def draw_noise(self, count: int) -> Tensor | None:
        """`count` random latents, or with an encoder their random part, drawn again for each player's step."""
        return self.model.draw_eps(count)

    def generator_losses(self, part: Part) -> Outcome:
        """KLD (with an encoder), GAN, GAN_Feat and VGG."""
        losses, z = {}, part.noise
        if self.model.netE is not None and z is not None:
            z, mu, logvar = self.model.encode(part.real, z)
            losses["KLD"] = self.lambda_kld * part.num_parts * kl_loss(mu, logvar)  # a sum, not a mean, over the batch
        fake = self.model.generate(part.layout, z)
        return Outcome(losses | self.image_losses(part, fake), fake=fake.detach())

    def image_losses(self, part: Part, fake: Tensor) -> dict[str, Tensor]:
        """The generator's losses on given fakes: GAN, GAN_Feat, VGG."""
        seen = self.augmented(part, part.layout, fake, part.real)
        fake_features, real_features = self.model.discriminate(*seen)
        losses = {"GAN": gan_loss(self.gan_loss.generator, fake_features)}
        if self.lambda_feat is not None:
            losses["GAN_Feat"] = self.lambda_feat * feature_matching_loss(fake_features, real_features)
        if self.vgg is not None:
            losses["VGG"] = self.lambda_vgg * self.vgg(fake, part.real)
        return losses

    def discriminator_losses(self, part: Part) -> Outcome:
        """D_Fake and D_real on new fakes, terms of regularization, and the mean logits of both kinds of images.

        The fakes are generated without gradients but in training mode, with new noise: the batch statistics and
        spectral-norm vectors of G and E advance a second time in each iteration, as published.
        """
        with torch.no_grad():
            z = part.noise
            if self.model.netE is not None and z is not None:
                z = self.model.encode(part.real, z)[0]
            fake = self.model.generate(part.layout, z)
        return self.discriminator_losses_of(part, fake)

    def discriminator_losses_of(self, part: Part, fake: Tensor) -> Outcome:
        """As `discriminator_losses`, on given fakes."""
        layout, fake, real = self.augmented(part, part.layout, fake, part.real)
        fake_features, real_features = self.model.discriminate(layout, fake, real)
        losses = {
            "D_Fake": gan_loss(self.gan_loss.discriminator_fake, fake_features),
            "D_real": gan_loss(self.gan_loss.discriminator_real, real_features),
        }
        losses |= self.regularization.losses(self.netD, part.step, layout, real, fake_features, real_features)
        with torch.no_grad():
            logits = {"logits/fake": mean_logit(fake_features), "logits/real": mean_logit(real_features)}
        return Outcome(losses, metrics=logits)
