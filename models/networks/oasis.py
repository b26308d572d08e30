"""OASIS (Schönfeld, Sushko et al., arXiv 2012.04781): generator and segmentation discriminator, one class each."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.blocks import SLOPE, SPADEResnetBlock, leaky_relu, upsample
from models.networks.generators import Generator
from models.networks.layout import SemanticLayout
from models.networks.normalization import SPADE
from models.networks.norms import NormSpec
from models.networks.spectral_norm import spectral_norm

GENERATOR_WIDTHS = (16, 16, 16, 8, 4, 2, 1)
"""Channels before the first and after each block, in units of the option `ngf`."""
UPSAMPLINGS = 5
"""Doublings of the first feature map, between the blocks."""
ENCODER_WIDTHS, DECODER_WIDTHS = (2, 2, 4, 4, 8, 8), (8, 4, 4, 2, 2, 1)
"""Channels after each block of the discriminator, in units of the option `ndf`."""
SIZE_STEP = 2 ** len(ENCODER_WIDTHS)
"""The discriminator's images have multiples of this many pixels each way, or its skips would not fit."""


class FirstNorm(nn.Module):
    """Mixin of `SPADE` and its subclasses: the parameter-free norm is named as in the released weights of OASIS."""

    first_norm: nn.Module

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        children = dict(self.named_children())
        for name in children:  # all of them anew: the order of names is that of registration
            delattr(self, name)
        for name, child in children.items():
            self.add_module("first_norm" if name == "param_free_norm" else name, child)

    @property
    def param_free_norm(self) -> nn.Module:
        return self.first_norm


class OASISSPADE(FirstNorm, SPADE):
    """SPADE under the names of OASIS."""


class OASISResnetBlock(SPADEResnetBlock):
    """The residual block of SPADE, with the norm layers of OASIS."""

    spade = OASISSPADE


class OASISGenerator(Generator):
    """The OASIS generator: SPADE's with noise in front of every semantic map that it sees.

    There is one vector for each sample, the same at every pixel and in every layer. Where a map of vectors changes, the
    image changes there. There are 6 blocks; SPADE's generator has 7.

    Args:
        semantic_nc: channels of the semantic map, without the noise.
        channels: base number of channels: the first blocks have 16 times as many.
        norm: SPADE norm such as "spectralspadesyncbatch3x3".
        latent_size: (height, width) of the first feature map, 1/32 of the image.
        z_dim: channels of the noise; None for a generator without.
        block: makes a block of (in_channels, out_channels, semantic_nc, norm).
    """

    def __init__(
        self,
        semantic_nc: int,
        channels: int = 64,
        norm: str | NormSpec = "spectralspadesyncbatch3x3",
        latent_size: tuple[int, int] = (8, 8),
        z_dim: int | None = 64,
        block: Callable[..., SPADEResnetBlock] = OASISResnetBlock,
    ):
        super().__init__()
        self.latent_size, self.z_dim = latent_size, z_dim
        semantic_nc += z_dim or 0
        widths = [factor * channels for factor in GENERATOR_WIDTHS]
        self.conv_img = nn.Conv2d(channels, 3, 3, padding=1)
        self.body = nn.ModuleList(block(*pair, semantic_nc, norm) for pair in itertools.pairwise(widths))
        self.fc = nn.Conv2d(semantic_nc, widths[0], 3, padding=1)

    @property
    def output_size(self) -> tuple[int, int]:
        """(height, width) of the images."""
        height, width = self.latent_size
        return height * self.scale, width * self.scale

    @property
    def scale(self) -> int:
        """How many times larger the images are than the first feature map."""
        return 2**UPSAMPLINGS

    def forward(self, layout: SemanticLayout, z: Tensor | None = None) -> Tensor:
        """Images (N, 3, H, W) in [-1, 1] for a layout; H x W is `output_size`, whatever the size of the layout.

        Args:
            z: (N, z_dim), or a map (N, z_dim, H', W') as large as the layout; drawn from N(0, 1) if it is None and
                z_dim is set.
        """
        if self.z_dim is not None:
            z = torch.randn(len(layout), self.z_dim, device=layout.device) if z is None else z
            layout = layout.with_noise(z)
        x = self.fc(layout.at(*self.latent_size))  # (N, 16 * channels, h, w)
        for block, scale in self.stages():
            x = block(x, layout, scale)
        return torch.tanh(self.conv_img(leaky_relu(x)))

    def stages(self) -> list[tuple[nn.Module, int]]:
        """The blocks in their order, each with the factor by which it first upsamples its input."""
        return [(block, 2 if number else 1) for number, block in enumerate(self.body)]


class OASISDiscriminator(nn.Module):
    """A U-Net that classifies every pixel of an image as fake or as one of the labels.

    It sees the image alone, and no norm layer mixes its samples.

    Args:
        num_labels: number of labels, the unknown one included.
        channels: base number of channels; 64 is published.
    """

    def __init__(self, num_labels: int, channels: int = 64):
        super().__init__()
        encoder, decoder = ([factor * channels for factor in widths] for widths in (ENCODER_WIDTHS, DECODER_WIDTHS))
        below = [encoder[-1], *decoder[:-1]]
        skips = [0, *encoder[-2::-1]]  # the deepest block gets the last features alone
        # The submodules are in the order of the released weights.
        self.body_up = nn.ModuleList(UpBlock(skip + x, width) for skip, x, width in zip(skips, below, decoder))
        self.body_down = nn.ModuleList(
            DownBlock(*widths, is_first=number == 0) for number, widths in enumerate(zip([3, *encoder], encoder))
        )
        self.layer_up_last = nn.Conv2d(decoder[-1], num_labels + 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W) -> logits (N, num_labels + 1, H, W): channel 0 is fake, channel c + 1 is label c."""
        x, skips = images, []
        for block in self.body_down:
            skips.append(x)
            x = block(x)
        x = self.body_up[0](x)
        for block in self.body_up[1:]:
            x = block(torch.cat([skips.pop(), x], dim=1))  # the encoder's features first
        return self.layer_up_last(x)


class DownBlock(nn.Module):
    """(N, in_channels, H, W) -> (N, out_channels, H / 2, W / 2): a residual block without norm layers.

    Args:
        is_first: whether the input is an image, to which no activation is applied.
    """

    def __init__(self, in_channels: int, out_channels: int, is_first: bool = False):
        super().__init__()
        activation = () if is_first else (nn.LeakyReLU(SLOPE),)
        self.conv1 = nn.Sequential(*activation, _conv(in_channels, out_channels))
        self.conv2 = nn.Sequential(nn.LeakyReLU(SLOPE), _conv(out_channels, out_channels))
        self.conv_s = _conv(in_channels, out_channels, kernel=1) if in_channels != out_channels else None

    def forward(self, x: Tensor) -> Tensor:
        residual = F.avg_pool2d(self.conv2(self.conv1(x)), 2)
        shortcut = F.avg_pool2d(x, 2)
        # Published after the pooling in the first block alone: a 1x1 convolution and a mean of pixels commute.
        return residual + (shortcut if self.conv_s is None else self.conv_s(shortcut))


class UpBlock(nn.Module):
    """(N, in_channels, h, w) -> (N, out_channels, 2h, 2w): a residual block without norm layers."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv1 = nn.Sequential(nn.LeakyReLU(SLOPE), nn.Upsample(scale_factor=2), _conv(in_channels, out_channels))
        self.conv2 = nn.Sequential(nn.LeakyReLU(SLOPE), _conv(out_channels, out_channels))
        self.conv_s = _conv(in_channels, out_channels, kernel=1) if in_channels != out_channels else None

    def forward(self, x: Tensor) -> Tensor:
        residual = self.conv2(self.conv1(x))
        # Published after the upsampling, where the 1x1 convolution computes every pixel four times.
        return residual + upsample(x if self.conv_s is None else self.conv_s(x))


def _conv(in_channels: int, out_channels: int, kernel: int = 3) -> nn.Conv2d:
    return spectral_norm(nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2))


def init_oasis_weights(network: nn.Module, gain: float = 0.02) -> nn.Module:
    """Initialize the convolutions in place: xavier normal weights with a gain of 0.02, biases 0.

    Unlike those of SPADE (`init_weights`), spectrally normalized weights are initialized, too: the published code
    did it before its networks went to the GPU. It matters: their scale does not change the images, but Adam's steps
    are 29 times larger relative to them than to PyTorch's default weights.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            (weight,) = (parameter for name, parameter in layer.named_parameters() if name.startswith("weight"))
            nn.init.xavier_normal_(weight, gain=gain)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network
