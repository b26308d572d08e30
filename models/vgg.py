"""Perceptual losses on VGG-19 features: that of SPADE and pix2pixHD, and the features that CRN and SIMS compare."""

from __future__ import annotations

from collections.abc import Collection
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from models.losses import l1_loss
from models.published import mismatch_error, read_published

# Layer of torchvision's `vgg19().features` -> weight of its L1 distance: relu1_1, relu2_1, relu3_1, relu4_1, relu5_1.
TAPS = {1: 1 / 32, 6: 1 / 16, 11: 1 / 8, 20: 1 / 4, 29: 1.0}
CRN_TAPS = (3, 8, 13, 22, 31)
"""Likewise relu1_2, relu2_2, relu3_2, relu4_2, relu5_2."""
# Of RGB. The first for the original weights, trained with Caffe on 0..255; the others for torchvision's, on 0..1.
CAFFE_MEAN = (123.68, 116.779, 103.939)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

Network = TypeVar("Network", bound="VGG19")


class VGG19(nn.Module):
    """VGG-19 (Simonyan and Zisserman, arXiv 1409.1556) up to a layer, frozen, in evaluation mode.

    Its weights are those of `pretrained`, or arbitrary until they are set.

    Attributes:
        features: torchvision's `vgg19().features` up to the last of `taps`.
        taps: indices of the layers whose outputs are compared.
    """

    def __init__(self, taps: Collection[int]):
        super().__init__()
        import torchvision  # late: importing it takes a second

        self.taps = taps
        with torch.device("meta"):  # without random initialization, which takes seconds
            layers = list(torchvision.models.vgg19(weights=None).features.children())
        features = nn.Sequential(*layers[: max(taps) + 1]).to_empty(device="cpu")
        self.features = features.eval().requires_grad_(False)

    @classmethod
    def pretrained(
        cls: type[Network], weights: str | Path | None = None, may_download: bool = True, **settings
    ) -> Network:
        """The network with ImageNet weights.

        Args:
            weights: a file in torchvision's format; None for torch hub's folder of checkpoints, or a download.
            may_download: whether a missing file may be downloaded.
            settings: arguments of the class.
        Raises:
            InputError: there are no usable weights; the message says how to get them, or how to train without them.
        """
        path, state = read_published("vgg19", weights, may_download)
        network, found = cls(**settings), {}
        for name, parameter in network.features.state_dict().items():
            tensor = state.get(f"features.{name}", state.get(name))
            if tensor is None or tensor.shape != parameter.shape:
                raise mismatch_error("vgg19", weights, path)
            found[name] = tensor
        network.features.load_state_dict(found)
        return network

    def outputs(self, x: Tensor) -> list[Tensor]:
        """Outputs of the layers at `taps` for the input (N, 3, H, W)."""
        outputs = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self.taps:
                outputs.append(x)
        return outputs

    def train(self, mode: bool = True) -> VGG19:
        """Always in evaluation mode."""
        return super().train(False)


class VGGLoss(VGG19):
    """Weighted L1 distance of the five VGG-19 feature maps of fake and real images.

    Images in [-1, 1] go in as they are, without ImageNet's mean and deviation: the published loss did so, and its
    weight of 10 is tuned to it.
    """

    def __init__(self):
        super().__init__(TAPS)

    @classmethod
    def of(cls, opt: Any, device: torch.device) -> VGGLoss | None:
        """As the options say, with pretrained weights; None with `--no_vgg_loss`. Raises `InputError`."""
        return cls.pretrained(opt.vgg_weights, opt.download).to(device) if opt.vgg_loss else None

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        """Images (N, 3, H, W) in [-1, 1] -> scalar. No gradient flows to `real`."""
        with torch.no_grad():
            targets = self.outputs(real)
        terms = [w * l1_loss(x, y) for w, x, y in zip(TAPS.values(), self.outputs(fake), targets)]
        return reduce(torch.add, terms)


class AveragePoolVGG(VGG19):
    """The features that CRN and SIMS compare, of VGG-19 with 2x2 average pooling in place of max pooling.

    Args:
        caffe: whether the weights are the original ones, which expect RGB in 0..255 minus a mean (arranged for
            torchvision's layers); otherwise they are torchvision's, which expect 0..1 with mean and deviation 0 and 1.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, caffe: bool = False):
        super().__init__(CRN_TAPS)
        for index, layer in enumerate(self.features):
            if isinstance(layer, nn.MaxPool2d):
                self.features[index] = nn.AvgPool2d(2)
        mean = torch.tensor(CAFFE_MEAN) if caffe else 255 * torch.tensor(IMAGENET_MEAN)
        std = torch.ones(3) if caffe else 255 * torch.tensor(IMAGENET_STD)
        self.register_buffer("mean", mean[:, None, None], persistent=False)
        self.register_buffer("std", std[:, None, None], persistent=False)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Images (N, 3, H, W) in 0..255 -> relu1_2, relu2_2, relu3_2, relu4_2, relu5_2, from full size to 1/16."""
        return self.outputs((pixels - self.mean) / self.std)
