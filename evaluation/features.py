"""Features of images, whose distributions FID and KID compare: Inception's, or those of a random network.

Scores compare only with equal features: the resize before Inception alone changes FID by tenths, so it has a name in
the protocol of the score.
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
        name: "inception", "random", or "own" for those of a file.
        score_name: name of the Fréchet distance of these features in results: "fid" for Inception's only.
        dim: number of features of an image.
        facts: everything that the features depend on, as JSON values: network, resize, weight file, library.
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
        """Raises `ValueError` for other images: scores are of images with 8 bits a channel, as people see them."""
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
        resize: key of `RESIZES`.
        may_download: whether missing weights may be downloaded.
    Raises:
        InputError: an unknown resize; the weights are missing, damaged, unsafe, or of another network.
    """
    if resize not in RESIZES:
        raise InputError(f"resize {resize}: must be one of {', '.join(RESIZES)}")
    require("torch_fidelity")  # before its weights are downloaded
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
    # torch-fidelity unpickles its weight file, which can run code. So it gets a new file, written from tensors that
    # have been read safely.
    file = io.BytesIO()
    torch.save(dict(state), file)
    file.seek(0)
    network_of = require("torch_fidelity").FeatureExtractorInceptionV3
    with torch.random.fork_rng(devices=[]):  # random weights, which are replaced
        network = network_of("inception-v3-compat", ["2048"], feature_extractor_weights_path=file)
    # Its `forward` would resize images again. All its layers but the classifier, in order, are the same function.
    return nn.Sequential(*list(network.children())[:-1], nn.Flatten())


def _resize_tf(images: Tensor) -> Tensor:
    """As in TensorFlow 1, with which FID was published: bilinear, without half-pixel centers."""
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

    size = (INCEPTION_SIZE, INCEPTION_SIZE)
    return (interpolate_bilinear_2d_like_tensorflow1x(images.float(), size=size, align_corners=False) - 128) / 128


def _resize_pytorch_fid(images: Tensor) -> Tensor:
    """As pytorch-fid: bilinear about pixel centers without antialiasing; 127.5 becomes 0."""
    size = (INCEPTION_SIZE, INCEPTION_SIZE)
    return 2 * F.interpolate(images.float() / 255, size, mode="bilinear", align_corners=False) - 1


def _resize_clean(images: Tensor) -> Tensor:
    """As clean-fid (Parmar et al. 2022): Pillow's bicubic with antialiasing on each channel as floats, on the CPU."""
    resized = [_resize_by_pillow(channel) for channel in images.cpu().numpy().reshape(-1, *images.shape[2:])]
    stack = np.stack(resized) if resized else np.empty((0, INCEPTION_SIZE, INCEPTION_SIZE), np.float32)
    resized = torch.from_numpy(stack).view(-1, 3, INCEPTION_SIZE, INCEPTION_SIZE)  # (N, 3, 299, 299)
    return (resized.to(images.device) - 128) / 128


def _resize_by_pillow(channel: np.ndarray) -> np.ndarray:
    image = Image.fromarray(channel.astype(np.float32))
    resized = image.resize((INCEPTION_SIZE, INCEPTION_SIZE), Image.Resampling.BICUBIC)
    return np.asarray(resized).clip(0, 255)  # bicubic overshoots


# Functions from images (N, 3, H, W) uint8 to Inception's inputs (N, 3, 299, 299) float32, about -1 to 1. They include
# the scaling of values: `clean-fid` and TensorFlow's code subtract 128, pytorch-fid 127.5.
RESIZES: dict[str, Callable[[Tensor], Tensor]] = {
    "tf": _resize_tf,
    "pytorch-fid": _resize_pytorch_fid,
    "clean": _resize_clean,
}


def random_features(device: torch.device | str, seed: int = 0) -> FeatureExtractor:
    """128 features of a small network with random weights, for machines without Inception's weights.

    Random convolutions respond to colors and textures, not to content: distances of these features show whether
    training makes progress, and compare only with each other. Weights are drawn by NumPy from `seed`, so features are
    the same on every machine, up to rounding.
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
    """Mean and standard deviation over the image of every channel at three scales, (N, 3, H, W) -> (N, 128)."""

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
            x = layer(x).abs()  # not ReLU, which could leave channels dead
            deviation, mean = torch.std_mean(x, dim=(2, 3))
            features += [mean, deviation]
            x = F.avg_pool2d(x, 2)
        return torch.cat(features, dim=1)
