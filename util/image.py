"""Images as uint8 arrays (H, W, 3): from tensors, to PNG files, and as mosaics."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from util.files import replacing

GAP = 2


def to_uint8(image: Tensor) -> np.ndarray:
    """Turn a float image (3, H, W), or images (N, 3, H, W), in [-1, 1] into (H, W, 3), or (N, H, W, 3), uint8.

    Values beyond [-1, 1] are clipped. Fractions are truncated, not rounded, as in the published code; rounding would
    change about half of all values by one level, and with them the scores.
    """
    scaled = (image.detach().float() + 1) / 2 * 255
    return scaled.clamp(0, 255).to(torch.uint8).movedim(-3, -1).cpu().numpy()  # (..., H, W, 3)


def save_png(array: np.ndarray, path: Path) -> None:
    """Write a uint8 image (H, W, 3), or (H, W) for gray, as PNG; atomically; make its folders."""
    with replacing(path) as temporary:
        Image.fromarray(array).save(temporary, format="PNG")


def mosaic(images: np.ndarray, per_row: int = 4) -> np.ndarray:
    """Lay images (N, H, W, 3) uint8 out row by row with `GAP` black pixels between; one image stays as it is."""
    from torchvision.utils import make_grid  # late: importing it takes a second

    grid = make_grid(torch.from_numpy(images).movedim(-1, 1), nrow=per_row, padding=GAP)
    if len(images) > 1:  # make_grid also adds an outer border
        grid = grid[:, GAP:-GAP, GAP:-GAP]
    return grid.movedim(0, -1).contiguous().numpy()  # (H', W', 3)
