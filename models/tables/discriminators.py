"""The discriminator computed on only the labels that occur in a batch: few of COCO's 182."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.discriminators import PADDING, STRIDE, MultiscaleDiscriminator, NLayerDiscriminator, halve
from models.networks.layout import NO_CLASS, SemanticLayout, resize_nearest
from models.tables.sites import may_use_tables


class PresentLabelsNLayerDiscriminator(NLayerDiscriminator):
    """Computes the first convolution of the semantic map once for all sets of images, and only of nonzero channels."""

    def features(self, semantics: Tensor, channels: Tensor, images: Tensor) -> list[Tensor]:
        """As `forward`, on the semantic map concatenated with each set of images.

        Args:
            semantics: (N, P, H, W), the channels of the semantic map that are not 0 always.
            channels: (P,) int64, their indices in the whole map.
            images: (K * N, 3, H, W).
        """
        conv, activation = self.model0
        assert isinstance(conv, nn.Conv2d), "the first layer has no norm"
        first = partial(F.conv2d, stride=STRIDE, padding=PADDING)
        # A convolution is a sum over input channels; the last ones are those of the images.
        of_map = first(semantics, conv.weight[:, channels], conv.bias)  # (N, ndf, h, w)
        of_images = first(images, conv.weight[:, -images.shape[1] :])  # (K * N, ndf, h, w)
        x = of_images.unflatten(0, (-1, len(of_map))) + of_map  # (K, N, ndf, h, w)
        outputs = [activation(x.flatten(0, 1))]  # (K * N, ndf, h, w)
        for n in range(1, self.n_layers + 1):
            outputs.append(self.get_submodule(f"model{n}")(outputs[-1]))
        return outputs


class PresentLabelsDiscriminator(MultiscaleDiscriminator):
    """`MultiscaleDiscriminator`, the same function of the same parameters, with less work for absent labels.

    Args:
        always: do so also on GPUs.
    """

    patch_discriminator = PresentLabelsNLayerDiscriminator

    def __init__(self, *args, always: bool = False, **kwargs):
        super().__init__(*args, **kwargs)
        self.always = always

    def forward(self, layout: SemanticLayout, images: Tensor) -> list[list[Tensor]]:
        """As `MultiscaleDiscriminator.forward`."""
        if not may_use_tables(layout, self.always):
            return super().forward(layout, images)
        semantics, channels = present_channels(layout, *images.shape[-2:])
        features = []
        discriminators = (child for child in self.children() if isinstance(child, PresentLabelsNLayerDiscriminator))
        for i, discriminator in enumerate(discriminators):
            if i > 0:
                semantics, images = halve(semantics), halve(images)
            features.append(discriminator.features(semantics, channels, images))
        return features


def present_channels(layout: SemanticLayout, height: int, width: int) -> tuple[Tensor, Tensor]:
    """The channels of the semantic map whose labels occur, (N, P, height, width), and their indices (P,)."""

    def make() -> tuple[Tensor, Tensor]:
        labels = resize_nearest(layout.labels, height, width).long()
        channels = torch.unique(labels)
        channels = channels[channels != NO_CLASS]
        semantics = (labels[:, None] == channels[:, None, None]).to(torch.get_default_dtype())  # (N, P, h, w)
        if layout.edges is not None:
            edges = resize_nearest(layout.edges, height, width)[:, None].to(semantics.dtype)
            semantics = torch.cat([semantics, edges], dim=1)
            channels = torch.cat([channels, channels.new_tensor([layout.channels - 1])])
        return semantics, channels

    return layout.once(("present", height, width), make)
