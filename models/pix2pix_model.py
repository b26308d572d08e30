"""Generator, discriminator and encoder as one conditional GAN, and the losses of its two players."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.losses import GAN_LOSSES, Features, feature_matching_loss, gan_loss, kl_loss, mean_logit
from models.networks.layout import SemanticLayout
from models.vgg import VGGLoss
from util.precision import full_precision


@dataclass(frozen=True)
class Objective:
    """What the two players minimise.

    Attributes:
        gan_mode: key of `GAN_LOSSES`.
        lambda_feat, lambda_vgg, lambda_kld: weights; lambda_feat None leaves feature matching out.
        vgg: the perceptual loss, or None to do without.
    """

    gan_mode: str = "hinge"
    lambda_feat: float | None = 10.0
    lambda_vgg: float = 10.0
    lambda_kld: float = 0.05
    vgg: VGGLoss | None = None


class Pix2PixModel(nn.Module):
    """Conditional image synthesis: `netG` paints a layout, `netD` judges, `netE` reads the style of a photo.

    Args:
        netG: a generator, (layout, z) -> images.
        netD: a discriminator, (layout, images) -> features; None outside training.
        netE: an encoder, photos -> (mu, logvar); None without `use_vae`.
        num_labels: channels of the one-hot map, the unknown class included.
        modulation: how layouts let SPADE make gamma and beta; see `SemanticLayout`.
    """

    def __init__(
        self,
        netG: nn.Module,
        netD: nn.Module | None,
        netE: nn.Module | None,
        num_labels: int,
        modulation: str | None = None,
    ):
        super().__init__()
        self.netG = netG
        self.netD = netD
        self.netE = netE
        self.num_labels = num_labels
        self.modulation = modulation

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The networks that exist, by the letter in their file names."""
        networks = {"G": self.netG, "D": self.netD, "E": self.netE}
        return {letter: network for letter, network in networks.items() if network is not None}

    @property
    def z_dim(self) -> int | None:
        """Length of the generator's latent; None if it takes none."""
        return self.netG.z_dim

    @property
    def device(self) -> torch.device:
        return next(self.netG.parameters()).device

    def layout(self, batch: dict) -> SemanticLayout:
        """The layout of a batch, on the model's device."""
        instances = batch.get("instances")
        layout = SemanticLayout.from_instances(batch["labels"], instances, self.num_labels, self.modulation)
        return layout.to(self.device)

    def encode(self, style: Tensor, eps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Style photos (N, 3, H, W) -> (z, mu, logvar), each (N, z_dim); z by the reparameterisation of appendix A."""
        mu, logvar = (full_precision(output) for output in self.netE(style))
        return mu + eps * torch.exp(0.5 * logvar), mu, logvar

    def draw_eps(self, count: int) -> Tensor | None:
        """The random part of the reparameterisation, (count, z_dim) from N(0, 1); None without an encoder."""
        return None if self.netE is None else torch.randn(count, self.netE.z_dim, device=self.device)

    def discriminate(self, layout: SemanticLayout, fake: Tensor, real: Tensor) -> tuple[Features, Features]:
        """Features of fake and real images. One pass over both, so that batch norm in D sees them together."""
        features = self.netD(layout, torch.cat([fake, real]))
        halves = [[layer.chunk(2) for layer in scale] for scale in features]
        return [[half[0] for half in scale] for scale in halves], [[half[1] for half in scale] for scale in halves]

    def paint(self, layout: SemanticLayout, z: Tensor | None) -> Tensor:
        """The generator's images (N, 3, H, W) in [-1, 1], in full precision."""
        return full_precision(self.netG(layout, z))

    def generator_losses(
        self, layout: SemanticLayout, real: Tensor, eps: Tensor | None, objective: Objective, parts: int = 1
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Weighted losses of the generator (and encoder) by name, and the fakes (N, 3, H, W) behind them.

        Args:
            real: photos (N, 3, H, W) in [-1, 1].
            eps: from `draw_eps`.
            parts: of how many equal parts of a batch this is one. The mean of the losses over the parts is then the
                loss of the batch, also for the KL term, which is a sum over samples.
        """
        losses, z = {}, None
        if self.netE is not None:
            z, mu, logvar = self.encode(real, eps)
            losses["KLD"] = objective.lambda_kld * parts * kl_loss(mu, logvar)
        fake = self.paint(layout, z)
        return losses | self.image_losses(layout, fake, real, objective), fake

    def image_losses(
        self, layout: SemanticLayout, fake: Tensor, real: Tensor, objective: Objective
    ) -> dict[str, Tensor]:
        """The generator's weighted losses on given fakes: GAN, GAN_Feat, VGG."""
        fake_features, real_features = self.discriminate(layout, fake, real)
        losses = {"GAN": gan_loss(GAN_LOSSES[objective.gan_mode].generator, fake_features)}
        if objective.lambda_feat is not None:
            losses["GAN_Feat"] = objective.lambda_feat * feature_matching_loss(fake_features, real_features)
        if objective.vgg is not None:
            losses["VGG"] = objective.lambda_vgg * objective.vgg(fake, real)
        return losses

    def discriminator_losses(
        self, layout: SemanticLayout, real: Tensor, eps: Tensor | None, objective: Objective
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Losses of the discriminator by name, D_Fake and D_real, and its mean logits by the kind of image.

        The fakes are made anew, without gradients but in training mode: batch statistics and spectral-norm vectors of
        G and E advance a second time per iteration, as published.
        """
        with torch.no_grad():
            z = None if self.netE is None else self.encode(real, eps)[0]
            fake = self.paint(layout, z)
        return self.judge(layout, fake, real, objective)

    def judge(
        self, layout: SemanticLayout, fake: Tensor, real: Tensor, objective: Objective
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """What `discriminator_losses` returns, on given images."""
        fake_features, real_features = self.discriminate(layout, fake, real)
        players = GAN_LOSSES[objective.gan_mode]
        losses = {
            "D_Fake": gan_loss(players.discriminator_fake, fake_features),
            "D_real": gan_loss(players.discriminator_real, real_features),
        }
        with torch.no_grad():
            return losses, {"fake": mean_logit(fake_features), "real": mean_logit(real_features)}
