"""Features of a network of the user, such as DINOv2, saved as a program: TorchScript or torch.export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evaluation.features import FeatureExtractor
from models.programs import Program, load_program, one_line
from util.errors import InputError
from util.files import checksum

PROBED = 2  # photos, to refuse a program that was traced for a single one
MOST_FEATURES = 16_384  # an image: their covariance has 2 GiB; a flattened image has ten times as many


def own_features(
    path: Path, size: int, mean: Sequence[float], std: Sequence[float], device: torch.device | str
) -> FeatureExtractor:
    """Features by the program in a file, from photos (N, 3, size, size) to (N, dim).

    **A program is code, and runs when it is used: load none that you do not trust.**

    Args:
        size: side of the photos that the program gets, in pixels.
        mean, std: of red, green and blue in 0..1: the program gets (photos - mean) / std.
    Raises:
        InputError: the file holds no program, or one that gives no features of such photos.
    """
    program = load_program(path, device)
    height, width = (fixed or size for fixed in program.size)
    if (height, width) != (size, size):
        raise InputError(
            f"--features {path}: takes photos of {width}x{height}, and gets {size}x{size}; give the side that it takes "
            f"as --features_size, or export it for square photos"
        )
    network = _Network(program, path)
    dim = network(torch.zeros(PROBED, 3, size, size, device=device)).shape[1]
    if dim > MOST_FEATURES:
        raise InputError(
            f"--features {path}: gives {dim:,} features an image, and distances are of {MOST_FEATURES:,} at most; "
            f"average them over positions"
        )
    facts = {
        "file": path.name,
        "file_sha256": checksum(path),
        "input": f"{size}x{size}",
        "resize": "antialiased bicubic",
        "mean": list(mean),
        "std": list(std),
        "library": f"torch {version('torch')}",
    }
    return FeatureExtractor("own", "own_feature_distance", dim, _preparing(size, mean, std), network, device, facts)


class _Network(nn.Module):
    """A program as a module, from normalized photos (N, 3, H, W) to features (N, dim) float32."""

    def __init__(self, program: Program, path: Path):
        super().__init__()
        self.path = path
        self._programs = (program,)  # in a tuple, as no submodule: exported programs refuse eval()

    def forward(self, photos: Tensor) -> Tensor:
        shape = tuple(photos.shape)
        try:
            features = self._programs[0](photos)
        except (RuntimeError, ValueError, TypeError, AssertionError) as error:
            raise InputError(
                f"--features {self.path}: cannot compute features of photos of shape {shape} ({one_line(error)})"
            ) from error
        if not isinstance(features, Tensor) or features.ndim != 2 or len(features) != len(photos):
            found = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
            raise InputError(
                f"--features {self.path}: must map photos (N, 3, H, W) to features (N, D); made of {shape}: {found}"
            )
        return features.float()


def _preparing(size: int, mean: Sequence[float], std: Sequence[float]) -> Callable[[Tensor], Tensor]:
    """A function from images (N, 3, H, W) uint8 to what the program gets, (N, 3, size, size) float32."""

    def prepare(images: Tensor) -> Tensor:
        pixels = images.float()
        if images.shape[2:] != (size, size):
            pixels = F.interpolate(pixels, (size, size), mode="bicubic", align_corners=False, antialias=True)
        shift, scale = (torch.tensor(values, device=images.device).view(1, 3, 1, 1) for values in (mean, std))
        return (pixels.clamp(0, 255) / 255 - shift) / scale  # bicubic overshoots

    return prepare
