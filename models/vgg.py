"""Perceptual loss on VGG-19 features."""

from __future__ import annotations

from functools import reduce
from pathlib import Path

import torch
from torch import Tensor, nn

from models.losses import l1_loss
from models.published import mismatch_error, read_published

# Layer of torchvision's `vgg19().features` -> weight of its L1 distance: relu1_1, relu2_1, relu3_1, relu4_1, relu5_1.
TAPS = {1: 1 / 32, 6: 1 / 16, 11: 1 / 8, 20: 1 / 4, 29: 1.0}


class VGGLoss(nn.Module):
    """Weighted L1 distance of the five VGG-19 feature maps of fake and real images.

    Images in [-1, 1] go in as they are, without ImageNet's mean and deviation: the published loss did so, and its
    weight of 10 is tuned to it.

    Attributes:
        features: torchvision's `vgg19().features` up to relu5_1, frozen, in evaluation mode.
    """

    def __init__(self):
        super().__init__()
        import torchvision  # late: importing it takes a second

        layers = list(torchvision.models.vgg19(weights=None).features.children())
        self.features = nn.Sequential(*layers[: max(TAPS) + 1]).eval().requires_grad_(False)

    @classmethod
    def pretrained(cls, weights: str | Path | None = None, may_download: bool = True) -> VGGLoss:
        """The loss with ImageNet weights.

        Args:
            weights: a file in torchvision's format; None for torch hub's folder of checkpoints, or a download.
            may_download: whether a missing file may be downloaded.
        Raises:
            InputError: there are no usable weights; the message says how to get them, or how to train without them.
        """
        path, state = read_published("vgg19", weights, may_download)
        with torch.device("meta"):  # names and shapes only: random initialization takes seconds
            own = cls().features.state_dict()
        found = {}
        for name, parameter in own.items():
            tensor = state.get(f"features.{name}", state.get(name))
            if tensor is None or tensor.shape != parameter.shape:
                raise mismatch_error("vgg19", weights, path)
            found[name] = tensor
        loss = cls()
        loss.features.load_state_dict(found)
        return loss

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        """Images (N, 3, H, W) in [-1, 1] -> scalar. No gradient flows to `real`."""
        with torch.no_grad():
            targets = self._taps(real)
        terms = [w * l1_loss(x, y) for w, x, y in zip(TAPS.values(), self._taps(fake), targets)]
        return reduce(torch.add, terms)

    def _taps(self, x: Tensor) -> list[Tensor]:
        outputs = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in TAPS:
                outputs.append(x)
        return outputs

    def train(self, mode: bool = True) -> VGGLoss:
        """Always in evaluation mode."""
        return super().train(False)
