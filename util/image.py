"""Images as people look at them: (H, W, 3) uint8 arrays, from tensors and to PNG files."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from util.files import replacing

GAP = 2


def to_uint8(image: Tensor) -> np.ndarray:
    """Turn a float image (3, H, W), or images (N, 3, H, W), in [-1, 1] into (H, W, 3), or (N, H, W, 3), uint8.

    Values beyond [-1, 1] are clipped. Fractions are cut off, not rounded, as the published code does: files it wrote,
    and scores computed from them, would otherwise differ by one gray level at about half of all pixels.
    """
    scaled = (image.detach().float() + 1) / 2 * 255
    return scaled.clamp(0, 255).to(torch.uint8).movedim(-3, -1).cpu().numpy()


def save_png(array: np.ndarray, path: Path) -> None:
    """Write a uint8 image (H, W, 3), or (H, W) for gray, as PNG; make its folders; never leave half a file."""
    with replacing(path) as temporary:
        Image.fromarray(array).save(temporary, format="PNG")


def mosaic(images: np.ndarray, per_row: int = 4) -> np.ndarray:
    """Lay images (N, H, W, 3) uint8 out row by row with `GAP` black pixels between; one image stays as it is."""
    grid = make_grid(torch.from_numpy(images).movedim(-1, 1), nrow=per_row, padding=GAP)
    if len(images) > 1:  # make_grid frames the whole as well
        grid = grid[:, GAP:-GAP, GAP:-GAP]
    return grid.movedim(0, -1).contiguous().numpy()
