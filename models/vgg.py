"""Perceptual loss on VGG-19 features."""

from __future__ import annotations

import urllib.error
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn

from models.losses import l1_loss
from models.weights import read_weights
from util.errors import InputError

# Layer of torchvision's `vgg19().features` -> weight of its L1 distance: relu1_1, relu2_1, relu3_1, relu4_1, relu5_1.
TAPS = {1: 1 / 32, 6: 1 / 16, 11: 1 / 8, 20: 1 / 4, 29: 1.0}

WITHOUT = "or train without the perceptual loss (--no_vgg_loss)"


class VGGLoss(nn.Module):
    """Weighted L1 distance of the five VGG-19 feature maps of fake and real images.

    Images in [-1, 1] go in as they are, without ImageNet's mean and deviation: the published loss did so, and its
    weight of 10 is tuned to it.

    Attributes:
        features: torchvision's `vgg19().features` up to relu5_1, frozen, in evaluation mode.
    """

    def __init__(self):
        super().__init__()
        layers = torchvision.models.vgg19(weights=None).features[: max(TAPS) + 1]
        self.features = layers.eval().requires_grad_(False)

    @classmethod
    def pretrained(cls, weights: str | Path | None = None) -> VGGLoss:
        """The loss with ImageNet weights: a file in torchvision's format, or torchvision's own download and cache.

        Raises:
            InputError: the weights cannot be had; the message says how to get them and how to do without.
        """
        state = _read(Path(weights)) if weights else _download()
        state = {name.removeprefix("features."): tensor for name, tensor in state.items()}
        loss = cls()
        missing = [name for name in loss.features.state_dict() if name not in state]
        if missing:
            raise InputError(f"--vgg_weights {weights}: no entry features.{missing[0]}; give torchvision's vgg19 file")
        loss.features.load_state_dict({name: state[name] for name in loss.features.state_dict()})
        return loss

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        """Images (N, 3, H, W) in [-1, 1] -> scalar. No gradient flows to `real`."""
        with torch.no_grad():
            targets = self._taps(real)
        terms = [w * l1_loss(x, y) for w, x, y in zip(TAPS.values(), self._taps(fake), targets)]
        return sum(terms)

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


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return read_weights(path)
    except InputError as error:
        raise InputError(f"--vgg_weights {error}; give torchvision's vgg19 file, {WITHOUT}") from None


def _download() -> dict[str, Tensor]:
    url = torchvision.models.VGG19_Weights.IMAGENET1K_V1.url
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    try:
        return torch.hub.load_state_dict_from_url(url, map_location="cpu", check_hash=True, weights_only=True)
    except (urllib.error.URLError, OSError, RuntimeError) as error:
        raise InputError(
            f"VGG-19 weights for the perceptual loss cannot be downloaded ({error}): fetch {url} on another machine "
            f"and give it with --vgg_weights FILE, or put it into {cache}, {WITHOUT}"
        ) from None
