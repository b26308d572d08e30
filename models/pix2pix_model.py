"""Generator, discriminator and encoder as one conditional GAN."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.losses import Features
from models.networks.discriminators import MultiscaleDiscriminator
from models.networks.encoder import ConvEncoder
from models.networks.generators import Generator
from models.networks.layout import SemanticLayout
from util.precision import full_precision


class Pix2PixModel(nn.Module):
    """Conditional image synthesis: `netG` generates from a layout, `netD` discriminates, `netE` encodes a style.

    Args:
        netG: a generator, (layout, z) -> images.
        netD: a discriminator, (layout, images) -> features; None outside training.
        netE: an encoder, photos -> (mu, logvar); None without `use_vae`.
        num_labels: channels of the one-hot map, the unknown class included.
    """

    def __init__(
        self,
        netG: Generator,
        netD: MultiscaleDiscriminator | None,
        netE: ConvEncoder | None,
        num_labels: int,
    ):
        super().__init__()
        self.netG = netG
        self.netD = netD
        self.netE = netE
        self.num_labels = num_labels

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
        layout = SemanticLayout.from_instances(batch["labels"], batch.get("instances"), self.num_labels)
        return layout.to(self.device)

    def encode(self, style: Tensor, eps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Style photos (N, 3, H, W) -> (z, mu, logvar), each (N, z_dim); z by the reparameterization of appendix A."""
        assert self.netE is not None, "only a model with an encoder has styles"
        mu, logvar = (full_precision(output) for output in self.netE(style))
        return mu + eps * torch.exp(0.5 * logvar), mu, logvar

    def draw_eps(self, count: int) -> Tensor | None:
        """The random part of the reparameterization, (count, z_dim) from N(0, 1); None without an encoder."""
        return None if self.netE is None else torch.randn(count, self.netE.z_dim, device=self.device)

    def discriminate(self, layout: SemanticLayout, fake: Tensor, real: Tensor) -> tuple[Features, Features]:
        """Discriminator features of fake and real images, from one pass, as batch norm in D sees both together."""
        assert self.netD is not None, "only a model in training has a discriminator"
        features = self.netD(layout, torch.cat([fake, real]))  # of (2N, 3, H, W)
        halves = [[layer.chunk(2) for layer in scale] for scale in features]
        return [[half[0] for half in scale] for scale in halves], [[half[1] for half in scale] for scale in halves]

    def generate(self, layout: SemanticLayout, z: Tensor | None) -> Tensor:
        """Images of the generator (N, 3, H, W) in [-1, 1], in full precision."""
        return full_precision(self.netG(layout, z))
