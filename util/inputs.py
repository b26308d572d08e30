"""What networks generate from, as images for people: label maps in class colors, or conditioning images."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from util.colormap import colorize, voc_colors
from util.image import to_uint8


def input_of(batch: Mapping[str, Any]) -> Tensor:
    """The class ids (N, H, W) of a batch, or its conditioning images (N, C, H, W)."""
    return batch["condition"] if "condition" in batch else batch["labels"]


def labels_of(inputs: Tensor) -> np.ndarray | None:
    """The class ids of `input_of`, (N, H, W); None for conditioning images."""
    return inputs.cpu().numpy() if inputs.dim() == 3 else None


def drawn(inputs: Tensor, class_colors: np.ndarray) -> np.ndarray:
    """The result of `input_of` as images (N, H, W, 3) uint8.

    Of conditioning images, 1 channel is shown gray and 3 as RGB, from -1 to 1; of others a color for each channel says
    where it is the largest.
    """
    if inputs.dim() == 3:
        return colorize(inputs.cpu().numpy(), class_colors)
    channels = inputs.shape[1]
    if channels in (1, 3):
        return to_uint8(inputs.expand(-1, 3, -1, -1))
    return colorize(inputs.argmax(dim=1).cpu().numpy(), voc_colors(channels))
