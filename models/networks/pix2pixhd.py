"""pix2pixHD (Wang et al., arXiv 1711.11585) as published: two generators, discriminator, and encoder of features.

`generators.Pix2PixHDGenerator` is another one: SPADE's version of the global one, pix2pixHD++ in its paper.

Every convolution has a bias. In front of a norm, which subtracts it again, it has no effect, but the released weights
contain it. Submodule names are those of the released weights.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.networks.blocks import SLOPE
from models.networks.discriminators import MAX_CHANNELS, halve
from models.networks.generators import Generator
from models.networks.layout import SemanticLayout
from models.networks.norms import InstanceNorm, OwnStatisticsBatchNorm
from util.precision import full_precision

FEATURES = "features"
"""Name of the map of the layout in which generators with `feat_num` find the instance features."""


class ResidualBlock(nn.Module):
    """Two reflection-padded 3x3 convolutions with norms, and a skip connection; no activation after the sum."""

    def __init__(self, channels: int, norm: str = "instance"):
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            *conv_norm_relu(nn.Conv2d(channels, channels, 3), norm),
            nn.ReflectionPad2d(1),
            *conv_norm_relu(nn.Conv2d(channels, channels, 3), norm)[:-1],
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> the same shape."""
        return x + self.conv_block(x)


# The published code never leaves training mode: in a test, batch norm has the statistics of the one image.
NORMS: dict[str, Callable[[int], nn.Module]] = {"instance": InstanceNorm, "batch": OwnStatisticsBatchNorm}
Block = Callable[[int, str], nn.Module]
"""Makes a residual block of (channels, norm)."""


def conv_norm_relu(conv: nn.Conv2d | nn.ConvTranspose2d, norm: str) -> list[nn.Module]:
    """A convolution, its norm ("instance" or "batch") and ReLU: three entries of an nn.Sequential."""
    return [conv, NORMS[norm](conv.out_channels), nn.ReLU(inplace=True)]


def first_layer(in_channels: int, channels: int, norm: str) -> list[nn.Module]:
    return [nn.ReflectionPad2d(3), *conv_norm_relu(nn.Conv2d(in_channels, channels, 7), norm)]


def down(channels: int, norm: str) -> list[nn.Module]:
    """Half the size, double the channels."""
    return conv_norm_relu(nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1), norm)


def up(channels: int, norm: str) -> list[nn.Module]:
    """Double the size, half the channels."""
    conv = nn.ConvTranspose2d(channels, channels // 2, 3, stride=2, padding=1, output_padding=1)
    return conv_norm_relu(conv, norm)


def last_layer(channels: int, out_channels: int) -> list[nn.Module]:
    return [nn.ReflectionPad2d(3), nn.Conv2d(channels, out_channels, 7), nn.Tanh()]


def down_and_up(
    in_channels: int, width: int, n_downsample: int, n_blocks: int, norm: str, block: Block
) -> list[nn.Module]:
    """Layers from the input to `width` channels at the same size, with residual blocks where the image is smallest."""
    widths = [width * 2**i for i in range(n_downsample + 1)]
    return [
        *first_layer(in_channels, width, norm),
        *itertools.chain(*(down(channels, norm) for channels in widths[:-1])),
        *(block(widths[-1], norm) for _ in range(n_blocks)),
        *itertools.chain(*(up(channels, norm) for channels in reversed(widths[1:]))),
    ]


class Pix2PixHDBase(Generator):
    """What both generators have in common: their input.

    Args:
        feat_num: channels of the instance features, a map "features" (N, feat_num, H, W) of the layout; 0 for none.
    """

    def __init__(self, feat_num: int = 0):
        super().__init__()
        self.feat_num = feat_num

    def semantics(self, layout: SemanticLayout) -> Tensor:
        """The semantic map, followed by the instance features: (N, semantic_nc + feat_num, H, W)."""
        semantics = layout.at(*layout.size)
        if not self.feat_num:
            return semantics
        return torch.cat([semantics, layout.maps[FEATURES].to(semantics.dtype)], dim=1)


class GlobalGenerator(Pix2PixHDBase):
    """The global generator (section 3.2, G1): convolutions down, residual blocks, transposed convolutions up.

    Images are as large as their layout, a multiple of 2^n_downsample.

    Args:
        semantic_nc: channels of the semantic map.
        ngf: base number of channels: doubled by each of the `n_downsample` layers.
        norm: "instance", without parameters and running statistics, or "batch", with both.
        feat_num: see `Pix2PixHDBase`.
        block: class of the residual blocks.
    """

    def __init__(
        self,
        semantic_nc: int,
        ngf: int = 64,
        n_downsample: int = 4,
        n_blocks: int = 9,
        norm: str = "instance",
        feat_num: int = 0,
        block: Block = ResidualBlock,
    ):
        super().__init__(feat_num)
        layers = down_and_up(semantic_nc + feat_num, ngf, n_downsample, n_blocks, norm, block)
        self.model = nn.Sequential(*layers, *last_layer(ngf, 3))

    def forward(self, layout: SemanticLayout, z: Tensor | None = None) -> Tensor:
        """Images (N, 3, H, W) in [-1, 1]; `z` is ignored."""
        return self.model(self.semantics(layout))


class LocalEnhancer(Pix2PixHDBase):
    """Global generator at low resolution, refined by `n_enhancers` enhancers (section 3.2, G2), each at twice the size.

    Images are as large as their layout, a multiple of 2^(n_downsample + n_enhancers).

    Args:
        ngf: channels of the outermost enhancer, at full size: half the width of what is inside.
        n_blocks: residual blocks of the global generator.
        n_blocks_local: residual blocks of each enhancer.
        semantic_nc, n_downsample, norm, feat_num, block: see `GlobalGenerator`.
    """

    def __init__(
        self,
        semantic_nc: int,
        ngf: int = 32,
        n_downsample: int = 4,
        n_blocks: int = 9,
        n_enhancers: int = 1,
        n_blocks_local: int = 3,
        norm: str = "instance",
        feat_num: int = 0,
        block: Block = ResidualBlock,
    ):
        super().__init__(feat_num)
        in_channels, width = semantic_nc + feat_num, ngf * 2**n_enhancers
        self.n_enhancers = n_enhancers
        self.model = nn.Sequential(*down_and_up(in_channels, width, n_downsample, n_blocks, norm, block))
        for k in range(1, n_enhancers + 1):
            width //= 2
            downsample = [*first_layer(in_channels, width, norm), *down(width, norm)]
            upsample = [*(block(2 * width, norm) for _ in range(n_blocks_local)), *up(2 * width, norm)]
            if k == n_enhancers:
                upsample += last_layer(width, 3)
            self.add_module(f"model{k}_1", nn.Sequential(*downsample))
            self.add_module(f"model{k}_2", nn.Sequential(*upsample))

    def forward(self, layout: SemanticLayout, z: Tensor | None = None) -> Tensor:
        """Images (N, 3, H, W) in [-1, 1]; `z` is ignored."""
        pyramid = [self.semantics(layout)]
        for _ in range(self.n_enhancers):
            pyramid.append(halve(pyramid[-1]))  # one-hot no longer, but soft
        y = self.model(pyramid.pop())
        for k in range(1, self.n_enhancers + 1):
            y = self.get_submodule(f"model{k}_2")(self.get_submodule(f"model{k}_1")(pyramid.pop()) + y)
        return y

    def inner_parameters(self) -> list[nn.Parameter]:
        """All parameters but those of the outermost enhancer, which is trained alone at first."""
        outermost = f"model{self.n_enhancers}_"
        return [parameter for name, parameter in self.named_parameters() if not name.startswith(outermost)]


class Pix2PixHDDiscriminator(nn.Module):
    """`num_D` PatchGAN discriminators (section 3.2), each on images of half the size of the one before.

    They are numbered from the smallest images up, so that a discriminator with one scale more, for larger images, keeps
    the meaning of the others: "scale0" sees the input average-pooled num_D - 1 times.

    Args:
        semantic_nc: channels of the semantic map.
        ndf: channels of the first convolution; doubled per layer up to 512.
        norm: of the inner layers, "instance" or "batch".
        n_layers: convolutions between the first and the last.
        num_D: number of scales.
        inner_features: return the outputs of all layers, for feature matching. Without it, the published layers have
            other names.
    """

    def __init__(
        self,
        semantic_nc: int,
        ndf: int = 64,
        norm: str = "instance",
        n_layers: int = 3,
        num_D: int = 2,
        inner_features: bool = True,
    ):
        super().__init__()
        self.n_layers, self.num_D, self.inner_features = n_layers, num_D, inner_features
        for i in range(num_D):
            layers = _patch_layers(semantic_nc + 3, ndf, norm, n_layers)
            if not inner_features:
                self.add_module(f"layer{i}", nn.Sequential(*itertools.chain(*layers)))
                continue
            for j, layer in enumerate(layers):
                self.add_module(f"scale{i}_layer{j}", nn.Sequential(*layer))

    def forward(self, layout: SemanticLayout, images: Tensor) -> list[list[Tensor]]:
        """Features and logits of images (N, 3, H, W), given their layout; instance features are not seen.

        Returns:
            features [scale][layer], full size first, each (N, C, h, w); the last layer holds the logits.
        """
        x = torch.cat([layout.at(*images.shape[-2:]), images], dim=1)  # (N, semantic_nc + 3, H, W)
        features = []
        for i in reversed(range(self.num_D)):
            features.append(self._patches(i, x))
            if i > 0:
                x = halve(x)
        return features

    def _patches(self, i: int, x: Tensor) -> list[Tensor]:
        """Outputs of the discriminator "scale{i}"."""
        if not self.inner_features:
            return [self.get_submodule(f"layer{i}")(x)]
        outputs = []
        for j in range(self.n_layers + 2):
            x = self.get_submodule(f"scale{i}_layer{j}")(x)
            outputs.append(x)
        return outputs


def _patch_layers(in_channels: int, ndf: int, norm: str, n_layers: int) -> list[list[nn.Module]]:
    """The layers of one PatchGAN discriminator, each as convolution, norm and activation, as far as it has them."""
    layers = [[nn.Conv2d(in_channels, ndf, 4, stride=2, padding=2), nn.LeakyReLU(SLOPE, inplace=True)]]
    channels = ndf
    for n in range(1, n_layers + 1):
        wider = min(2 * channels, MAX_CHANNELS)
        conv = nn.Conv2d(channels, wider, 4, stride=2 if n < n_layers else 1, padding=2)
        layers.append([conv, NORMS[norm](wider), nn.LeakyReLU(SLOPE, inplace=True)])
        channels = wider
    return [*layers, [nn.Conv2d(channels, 1, 4, stride=1, padding=2)]]


class FeatureEncoder(nn.Module):
    """Encoder of instance features (section 3.4): what a photo looks like, the same everywhere in an instance.

    Args:
        feat_num: channels of the features.
        nef: base number of channels: doubled by each of the `n_downsample` layers.
        norm: "instance" or "batch".
    """

    def __init__(self, feat_num: int = 3, nef: int = 16, n_downsample: int = 4, norm: str = "instance"):
        super().__init__()
        layers = down_and_up(3, nef, n_downsample, 0, norm, ResidualBlock)
        self.model = nn.Sequential(*layers, *last_layer(nef, feat_num))

    def forward(self, photos: Tensor, regions: Tensor) -> Tensor:
        """Photos (N, 3, H, W) in [-1, 1] and integer ids (N, H, W) of their instances -> (N, feat_num, H, W)."""
        return region_means(full_precision(self.model(photos)), regions)


def region_means(features: Tensor, regions: Tensor) -> Tensor:
    """Replace each value of (N, C, H, W) by the mean of its channel over its region, the pixels of one sample with
    one id in `regions` (N, H, W)."""
    ids = regions.long() - regions.min()
    ids = ids + torch.arange(len(ids), device=ids.device)[:, None, None] * (ids.max() + 1)  # apart between samples
    _, region, sizes = torch.unique(ids, return_inverse=True, return_counts=True)  # (N, H, W) in 0..R-1; (R,)
    values = features.transpose(0, 1).flatten(1)  # (C, N * H * W)
    sums = values.new_zeros(len(values), len(sizes)).index_add(1, region.flatten(), values)  # (C, R)
    return (sums / sizes)[:, region].transpose(0, 1)  # (N, C, H, W)
