"""PSNR and SSIM of reconstructions: images of the label maps of photos, each in the style of its own photo."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy  # imports its parts when they are first used
import torch
from torch import Tensor

from evaluation.bootstrap import Interval, interval
from evaluation.image_sets import Truth
from util.distributed import World
from util.errors import InputError

STYLE, OWN_PHOTO = "Style", "each image has that of its own photo (reconstruction)"
"""The fact about a test by which its images are known as reconstructions, and its name."""

LEVELS = 255  # difference of the largest and the smallest value
SIGMA, WINDOW, K1, K2 = 1.5, 11, 0.01, 0.03  # of SSIM, as in its paper: Gaussian weights, and constants


def psnr(images: Tensor, photos: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of pairs (N, 3, H, W) uint8: (N,) float64, infinite for equal images."""
    squares = (images.double() - photos.double()).square().mean(dim=(1, 2, 3))
    return 10 * (LEVELS**2 / squares).log10()


def ssim(images: Tensor, photos: Tensor) -> Tensor:
    """Structural similarity of pairs (N, 3, H, W) uint8, `WINDOW` pixels or more on each side: (N,) float64.

    The mean over channels, and over all windows inside the image, of equation 13 of Wang et al. 2004. In 64 bits: 32
    would lose digits of the variances of bright, plain regions such as a sky.
    """
    x, y = images.double().numpy(), photos.double().numpy()
    inside = slice(WINDOW // 2, -(WINDOW // 2))

    def mean(values: np.ndarray) -> np.ndarray:
        means = scipy.ndimage.gaussian_filter(values, SIGMA, radius=WINDOW // 2, axes=(2, 3))
        return means[..., inside, inside]  # (N, 3, H - 10, W - 10)

    mu_x, mu_y = mean(x), mean(y)
    covariance = mean(x * y) - mu_x * mu_y
    variances = mean(x * x + y * y) - mu_x**2 - mu_y**2  # the sum of both
    c1, c2 = (K1 * LEVELS) ** 2, (K2 * LEVELS) ** 2
    similarity = (2 * mu_x * mu_y + c1) * (2 * covariance + c2) / ((mu_x**2 + mu_y**2 + c1) * (variances + c2))
    return torch.from_numpy(similarity.mean(axis=(1, 2, 3)))


SCORED = {"psnr": psnr, "ssim": ssim}
RANGES = {"psnr": (0, math.inf), "ssim": (-1, 1)}


def check_reconstructions(truth: Truth) -> None:
    """Raise an `InputError` before hours of work if the images are too small."""
    height, width = truth.size
    if min(truth.size) < WINDOW:
        raise InputError(f"SSIM needs images of {WINDOW}x{WINDOW} or larger; these are {width}x{height}")


class ReconstructionCounter:
    """Compares images with the photos of the same samples.

    Args:
        truth: with photos. They are read again for every set of images: 5,000 of 256x256 would fill 1 GB.
    Attributes:
        values: the scores of each image by name, by index of the sample.
    """

    def __init__(self, truth: Truth):
        self.truth = truth
        self.values: dict[int, dict[str, float]] = {}

    def add(self, indices: Sequence[int], images: Tensor) -> None:
        """Compare images (N, 3, H, W) uint8 of these samples."""
        photos = torch.stack([self.truth[index]["photo"] for index in indices])
        scores = {name: score(images.cpu(), photos) for name, score in SCORED.items()}
        self.values |= {index: {name: float(scores[name][i]) for name in scores} for i, index in enumerate(indices)}

    def gather(self, world: World) -> None:
        """Take over the values of all processes, in the order of the samples."""
        everything = {index: scores for part in world.all_gather(self.values) for index, scores in part.items()}
        self.values = dict(sorted(everything.items()))

    @property
    def scores(self) -> dict[str, float]:
        """The means over all images, by name of the score."""
        return {name: float(self._of_all(name).mean()) for name in RANGES}

    @property
    def per_image(self) -> dict[str, dict[str, float | None]]:
        """The scores of each image by name of the sample. JSON has no infinity: it becomes None."""
        return {
            self.truth.names[index]: {name: value if math.isfinite(value) else None for name, value in scores.items()}
            for index, scores in self.values.items()
        }

    def intervals(self, drawn: Tensor) -> dict[str, Interval]:
        """Bootstrap intervals of the scores by name, for draws (draws, samples) of samples."""
        return {
            name: interval(self.scores[name], self._of_all(name)[drawn].mean(dim=1).tolist(), *bounds)
            for name, bounds in RANGES.items()
        }

    def _of_all(self, name: str) -> Tensor:
        """A score of all images (samples,) float64."""
        return torch.tensor([scores[name] for scores in self.values.values()], dtype=torch.float64)


def reconstruction_protocol() -> dict[str, Any]:
    """The protocol of both scores, as JSON values."""
    return {
        "compared": f"8-bit RGB, data range {LEVELS}; mean over images",
        "psnr": "of the mean squared error over all pixels and channels of an image",
        "ssim": f"Gaussian window of {WINDOW}x{WINDOW}, sigma {SIGMA}, K1 {K1}, K2 {K2}; windows inside the image, "
        "mean over channels",
    }
