"""The image encoder that turns a photo into a style latent."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.blocks import leaky_relu
from models.networks.norms import NormSpec, normalized_conv

MAX_INPUT_SIZE = 256
LAST_SIZE = 4


class ConvEncoder(nn.Module):
    """Image encoder (paper, figure 14): stride-2 convolutions down to 4x4, then two linear layers for mu and logvar.

    Photos are resized to a square whose side is the largest power of two up to min(crop_size, 256). At 256 these are
    the six layers of the paper; smaller crops need fewer (the published encoder could not be built for them).

    Args:
        crop_size: width of the training images in pixels, at least 8.
        ngf: channels of the first layer (the generator's width, not `nef`, as published).
        norm: plain norm string or `NormSpec`.
        z_dim: length of mu and logvar.
    """

    def __init__(
        self, crop_size: int = 256, ngf: int = 64, norm: str | NormSpec = "spectralinstance", z_dim: int = 256
    ):
        super().__init__()
        norm = NormSpec.of(norm, spade=False, flag="norm_E")
        self.z_dim = z_dim
        self.input_size = 2 ** int(math.log2(min(crop_size, MAX_INPUT_SIZE)))
        self.num_layers = int(math.log2(self.input_size // LAST_SIZE))
        widths = [3] + [ngf * min(2**i, 8) for i in range(self.num_layers)]
        for i in range(self.num_layers):
            conv = normalized_conv(nn.Conv2d, widths[i], widths[i + 1], norm, kernel_size=3, stride=2, padding=1)
            self.add_module(f"layer{i + 1}", conv)
        self.fc_mu = nn.Linear(widths[-1] * LAST_SIZE**2, z_dim)
        self.fc_var = nn.Linear(widths[-1] * LAST_SIZE**2, z_dim)

    def forward(self, style: Tensor) -> tuple[Tensor, Tensor]:
        """Photos (N, 3, H, W) in [-1, 1] of any size, whose style is taken -> mu and logvar, each (N, z_dim)."""
        x = style
        if x.shape[-2:] != (self.input_size, self.input_size):
            x = F.interpolate(x, size=(self.input_size, self.input_size), mode="bilinear", align_corners=False)
        for i in range(self.num_layers):
            x = leaky_relu(self.get_submodule(f"layer{i + 1}")(x))
        x = x.flatten(1)  # (N, C * 4 * 4)
        return self.fc_mu(x), self.fc_var(x)
