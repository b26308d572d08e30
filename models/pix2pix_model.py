"""The networks of a method as one model: for SPADE generator, discriminator and encoder."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor, nn

from models.losses import Features
from models.networks.encoder import ConvEncoder
from models.networks.generators import Generator
from models.networks.layout import Layout, SemanticLayout, SoftLayout
from util.precision import full_precision


class Pix2PixModel(nn.Module):
    """Conditional image synthesis: `netG` generates from a layout, `netD` discriminates, `netE` encodes a style.

    Args:
        netG: a generator, (layout, z) -> images.
        netD: a discriminator, (layout, images) -> features; None outside training.
        netE: an encoder, photos -> (mu, logvar); None without `use_vae`.
        num_labels: channels of the one-hot map, the unknown class included; 0 for conditioning images.
        others: further networks of a method, by the letter in their file names.
        map_names: what else of a batch becomes part of its layout, see `SemanticLayout.maps`.
    """

    def __init__(
        self,
        netG: Generator,
        netD: nn.Module | None,
        netE: ConvEncoder | None,
        num_labels: int,
        others: Mapping[str, nn.Module] | None = None,
        map_names: Sequence[str] = (),
    ):
        super().__init__()
        self.netG = netG
        self.netD = netD
        self.netE = netE
        self.num_labels = num_labels
        self.others = nn.ModuleDict(others or {})
        self.map_names = tuple(map_names)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The networks that exist, by the letter in their file names."""
        networks: dict[str, nn.Module | None] = {"G": self.netG, "D": self.netD, "E": self.netE, **self.others}
        return {letter: network for letter, network in networks.items() if network is not None}

    @property
    def z_dim(self) -> int | None:
        """Length of the generator's latent; None if it takes none."""
        return self.netG.z_dim

    @property
    def only_for_losses(self) -> Collection[str]:
        """Entries of a batch that losses use, and that images are not generated from."""
        return ("image",)

    @property
    def device(self) -> torch.device:
        return next(self.netG.parameters()).device

    def layout(self, batch: dict) -> Layout:
        """The layout of a batch, on the model's device: of its "condition" where it has one, else of its "labels"."""
        if "condition" in batch:
            return SoftLayout(batch["condition"], "area").to(self.device)
        return self.label_layout(batch)

    def label_layout(self, batch: dict) -> SemanticLayout:
        """The layout of the "labels" of a batch."""
        maps = {name: batch[name] for name in self.map_names if name in batch}
        labels = self.network_labels(batch["labels"])
        layout = SemanticLayout.from_instances(labels, batch.get("instances"), self.num_labels, maps)
        return layout.to(self.device)

    def network_labels(self, labels: Tensor) -> Tensor:
        """Labels of the data set, the unknown class last where it is not in the files, as those of the networks."""
        return labels

    def encode(self, style: Tensor, eps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Style photos (N, 3, H, W) -> (z, mu, logvar), each (N, z_dim); z by the reparameterization of appendix A."""
        assert self.netE is not None, "only a model with an encoder has styles"
        mu, logvar = (full_precision(output) for output in self.netE(style))
        return mu + eps * torch.exp(0.5 * logvar), mu, logvar

    def draw_eps(self, count: int) -> Tensor | None:
        """(count, z_dim) from N(0, 1): latents, or with an encoder their random part; None for netG without latent."""
        return None if self.z_dim is None else torch.randn(count, self.z_dim, device=self.device)

    def discriminate(self, layout: Layout, fake: Tensor, real: Tensor) -> tuple[Features, Features]:
        """Discriminator features of fake and real images, from one pass, as batch norm in D sees both together."""
        assert self.netD is not None, "only a model in training has a discriminator"
        features = self.netD(layout, torch.cat([fake, real]))  # of (2N, 3, H, W)
        halves = [[layer.chunk(2) for layer in scale] for scale in features]
        return [[half[0] for half in scale] for scale in halves], [[half[1] for half in scale] for scale in halves]

    def generate(self, layout: Layout, z: Tensor | None) -> Tensor:
        """Images of the generator (N, 3, H, W) in [-1, 1], in full precision."""
        return full_precision(self.netG(layout, z))
