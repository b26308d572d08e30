"""Features of images, between whose distributions distances are taken: Inception's, or those of a random network.

A score is only as comparable as its features: the resize before Inception alone moves FID by tenths, so each way has a
name that travels with the score.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from evaluation.published import read_measuring
from models.published import mismatch_error
from util.errors import InputError
from util.fill import fill
from util.optional import require

INCEPTION_SIZE = 299
RANDOM_SIZE = 128


class FeatureExtractor:
    """Images (N, 3, H, W) uint8, RGB -> features (N, dim) float32 on the extractor's device.

    Always in 32 bits and without gradients, whatever the precision around it.

    Attributes:
        name: "inception" or "random".
        score_name: what a Fréchet distance of these features is called in results: "fid" for Inception's only.
        dim: number of features of an image.
        facts: what the features depend on, as JSON values: network, resize, weight file, library.
    """

    def __init__(
        self,
        name: str,
        score_name: str,
        dim: int,
        prepare: Callable[[Tensor], Tensor],
        network: nn.Module,
        device: torch.device | str,
        facts: dict[str, Any],
    ):
        self.name, self.score_name, self.dim = name, score_name, dim
        self.facts = {"features": name, "dim": dim, **facts}
        self.device = torch.device(device)
        self._prepare = prepare
        self._network = network.to(self.device).eval().requires_grad_(False)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Raises ValueError for images of another kind: what people look at, 8 bits a channel, is what is measured."""
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"images {tuple(images.shape)} {images.dtype}: must be (N, 3, H, W) uint8")
        with torch.autocast(self.device.type, enabled=False):
            return self._network(self._prepare(images.to(self.device)))


def inception_features(
    weights: str | None, resize: str, may_download: bool, device: torch.device | str
) -> FeatureExtractor:
    """The 2048 features after Inception's last pooling, as FID is defined on (Heusel et al. 2017).

    Args:
        weights: a file of the published weights; None for torch hub's folder of checkpoints, or a download.
        resize: a name in RESIZES.
        may_download: whether the weights may be downloaded if they are nowhere.
    Raises:
        InputError: an unknown resize; the weights are missing, damaged, unsafe, or of another network.
    """
    if resize not in RESIZES:
        raise InputError(f"resize {resize}: must be one of {', '.join(RESIZES)}")
    require("torch_fidelity")  # before its weights are fetched
    path, state, facts = read_measuring("inception", weights, may_download)
    try:
        network = _inception(state)
    except RuntimeError:
        raise mismatch_error("inception", weights, path) from None
    facts = {"resize": resize, **facts, "library": f"torch-fidelity {version('torch-fidelity')}"}
    return FeatureExtractor("inception", "fid", 2048, RESIZES[resize], network, device, facts)


def _inception(state: dict[str, Tensor]) -> nn.Module:
    """torch-fidelity's network from prepared images (N, 3, 299, 299) to features (N, 2048).

    Raises:
        RuntimeError: the state dict is of another network.
    """
    # torch-fidelity unpickles whatever file it is given, code included. This one is of our own making: tensors that
    # have been read safely, written anew.
    file = io.BytesIO()
    torch.save(dict(state), file)
    file.seek(0)
    network_of = require("torch_fidelity").FeatureExtractorInceptionV3
    with torch.random.fork_rng(devices=[]):  # first weights are drawn although they are replaced
        network = network_of("inception-v3-compat", ["2048"], feature_extractor_weights_path=file)
    # Its own `forward` would resize its own way. All its layers but the classifier, in order, are the same function.
    return nn.Sequential(*list(network.children())[:-1], nn.Flatten())


def _resize_tf(images: Tensor) -> Tensor:
    """As in TensorFlow 1, with which FID was published: bilinear, corners aligned at the upper left, no half pixels."""
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

    size = (INCEPTION_SIZE, INCEPTION_SIZE)
    return (interpolate_bilinear_2d_like_tensorflow1x(images.float(), size=size, align_corners=False) - 128) / 128


def _resize_pytorch_fid(images: Tensor) -> Tensor:
    """As pytorch-fid: bilinear about pixel centers without antialiasing, and 127.5 in the middle."""
    size = (INCEPTION_SIZE, INCEPTION_SIZE)
    return 2 * F.interpolate(images.float() / 255, size, mode="bilinear", align_corners=False) - 1


def _resize_clean(images: Tensor) -> Tensor:
    """As clean-fid (Parmar et al. 2022): Pillow's bicubic with antialiasing on each channel as floats, on the CPU."""
    resized = [_resize_by_pillow(channel) for channel in images.cpu().numpy().reshape(-1, *images.shape[2:])]
    stack = np.stack(resized) if resized else np.empty((0, INCEPTION_SIZE, INCEPTION_SIZE), np.float32)
    resized = torch.from_numpy(stack).view(-1, 3, INCEPTION_SIZE, INCEPTION_SIZE)
    return (resized.to(images.device) - 128) / 128


def _resize_by_pillow(channel: np.ndarray) -> np.ndarray:
    picture = Image.fromarray(channel.astype(np.float32))
    resized = picture.resize((INCEPTION_SIZE, INCEPTION_SIZE), Image.Resampling.BICUBIC)
    return np.asarray(resized).clip(0, 255)  # bicubic overshoots


# Ways to Inception's 299x299, images (N, 3, H, W) uint8 -> (N, 3, 299, 299) float32, about -1 to 1. Each is a whole
# protocol: `clean-fid` and TensorFlow's code subtract 128, pytorch-fid 127.5.
RESIZES: dict[str, Callable[[Tensor], Tensor]] = {
    "tf": _resize_tf,
    "pytorch-fid": _resize_pytorch_fid,
    "clean": _resize_clean,
}


def random_features(device: torch.device | str, seed: int = 0) -> FeatureExtractor:
    """128 features of a small network with random weights, for machines without Inception's.

    Random convolutions tell colors and textures apart, but not what people care about: distances of these features
    show whether training moves at all, and compare only with each other. Weights follow from `seed` by NumPy alone, so
    features are the same on every machine, up to rounding.
    """
    with torch.random.fork_rng(devices=[]):
        network = _RandomNetwork()
    fill(network, seed)
    facts = {"seed": seed, "resize": f"antialiased bilinear to {RANDOM_SIZE}", "library": f"torch {version('torch')}"}
    score_name = "random_feature_distance"
    return FeatureExtractor("random", score_name, network.dim, _resize_antialiased, network, device, facts)


def _resize_antialiased(images: Tensor) -> Tensor:
    size = (RANDOM_SIZE, RANDOM_SIZE)
    return F.interpolate(images.float(), size, mode="bilinear", align_corners=False, antialias=True) / 127.5 - 1


class _RandomNetwork(nn.Module):
    """Mean and deviation over the image of every channel at three scales, (N, 3, H, W) -> (N, 128)."""

    WIDTHS = (16, 24, 24)

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv2d(before, width, 3, padding=1, padding_mode="reflect")
            for before, width in zip((3, *self.WIDTHS), self.WIDTHS)
        )
        self.dim = 2 * sum(self.WIDTHS)

    def forward(self, x: Tensor) -> Tensor:
        features = []
        for layer in self.layers:
            x = layer(x).abs()  # unlike ReLU, leaves no channel dead
            deviation, mean = torch.std_mean(x, dim=(2, 3))
            features += [mean, deviation]
            x = F.avg_pool2d(x, 2)
        return torch.cat(features, dim=1)
