"""PatchGAN discriminators: layout and image in, a map of logits and all inner features out."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.blocks import SLOPE
from models.networks.layout import SemanticLayout
from models.networks.norms import NormSpec, normalized_conv

MAX_CHANNELS = 512
STRIDE, PADDING = 2, 2


class NLayerDiscriminator(nn.Module):
    """PatchGAN discriminator (paper, figure 13): each logit is about one patch of the image.

    Args:
        in_channels: semantic map and image together.
        ndf: channels after the first convolution; doubled per layer up to 512.
        norm: plain norm string or `NormSpec` of the inner layers; the first and the last have no norm.
        n_layers: convolutions before the last one.
    """

    def __init__(self, in_channels: int, ndf: int = 64, norm: str | NormSpec = "spectralinstance", n_layers: int = 4):
        super().__init__()
        norm = NormSpec.of(norm, spade=False, flag="norm_D")
        self.n_layers = n_layers
        sizes: dict[str, Any] = {"kernel_size": 4, "padding": PADDING}
        self.model0 = nn.Sequential(
            nn.Conv2d(in_channels, ndf, stride=STRIDE, **sizes), nn.LeakyReLU(SLOPE, inplace=True)
        )
        channels = ndf
        for n in range(1, n_layers):
            wider = min(2 * channels, MAX_CHANNELS)
            stride = 1 if n == n_layers - 1 else STRIDE
            conv = normalized_conv(nn.Conv2d, channels, wider, norm, stride=stride, **sizes)
            self.add_module(f"model{n}", nn.Sequential(conv, nn.LeakyReLU(SLOPE, inplace=True)))
            channels = wider
        self.add_module(f"model{n_layers}", nn.Sequential(nn.Conv2d(channels, 1, stride=1, **sizes)))

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, in_channels, H, W) -> outputs of all layers, the logits (N, 1, h, w) last."""
        outputs = []
        for n in range(self.n_layers + 1):
            x = self.get_submodule(f"model{n}")(x)
            outputs.append(x)
        return outputs


class MultiscaleDiscriminator(nn.Module):
    """`num_D` PatchGAN discriminators; number i sees its input average-pooled i times.

    Attributes:
        patch_discriminator: class of each discriminator. A subclass may name another one with the same parameters.
    """

    patch_discriminator: type[NLayerDiscriminator] = NLayerDiscriminator

    def __init__(
        self,
        semantic_nc: int,
        ndf: int = 64,
        norm: str | NormSpec = "spectralinstance",
        n_layers: int = 4,
        num_D: int = 2,
    ):
        super().__init__()
        for i in range(num_D):
            discriminator = self.patch_discriminator(semantic_nc + 3, ndf, norm, n_layers)
            self.add_module(f"discriminator_{i}", discriminator)

    def forward(self, layout: SemanticLayout, images: Tensor) -> list[list[Tensor]]:
        """Features and logits of images, given their layout.

        Args:
            images: (K * N, 3, H, W), K sets (fakes, then reals), each in the order of the layout's N label maps.
        Returns:
            features [scale][layer], each (K * N, C, h, w); the last layer holds the logits.
        """
        semantics = layout.at(*images.shape[-2:])
        x = torch.cat([semantics.repeat(len(images) // len(layout), 1, 1, 1), images], dim=1)  # (K * N, C, H, W)
        features = []
        for i, discriminator in enumerate(self.children()):
            if i > 0:
                x = halve(x)
            features.append(discriminator(x))
        return features


def halve(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, H / 2, W / 2), rounded up: means over 3x3 windows, without the padding at the border."""
    return F.avg_pool2d(x, kernel_size=3, stride=2, padding=1, count_include_pad=False)
