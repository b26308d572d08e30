"""The latents z of label maps in test.py, evaluate.py, exported generators and the progress images of a training."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor


def draw_latents(seed: int, indices: Iterable[int], z_dim: int, styles: int = 1) -> Tensor:
    """Draw latents (N, styles, z_dim) from N(0, 1), of torch's default dtype on the CPU, by seed, index and style.

    They depend neither on batch size, order, device and number of processes, nor on how many styles or label maps
    there are. NumPy draws them, so that scripts/export/generate.py draws the same without torch.

    Args:
        indices: of the label maps in their data set, 0 or more.
    """
    drawn = [_generator(seed, index).standard_normal((styles, z_dim), dtype=np.float32) for index in indices]
    z = torch.from_numpy(np.stack(drawn)) if drawn else torch.empty(0, styles, z_dim)
    return z.to(torch.get_default_dtype())


def _generator(seed: int, index: int) -> np.random.Generator:
    # Not default_rng, which may come to mean another bit generator.
    return np.random.Generator(np.random.PCG64([seed, index]))
