"""The latents z of label maps in test.py, evaluate.py, exported generators and the progress images of a training."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor


def draw_latents(seed: int, indices: Iterable[int], z_dim: int, styles: int = 1) -> Tensor:
    """Draw latents (N, styles, z_dim) from N(0, 1), of torch's default dtype on the CPU, by seed, index and style.

    They do not depend on batch size, order, device, or the number of processes, styles and label maps. They are drawn
    by NumPy, so that scripts/export/generate.py draws the same ones without torch.

    Args:
        indices: positions of the label maps in their data set, from 0.
    """
    drawn = [_generator(seed, index).standard_normal((styles, z_dim), dtype=np.float32) for index in indices]
    z = torch.from_numpy(np.stack(drawn)) if drawn else torch.empty(0, styles, z_dim)
    return z.to(torch.get_default_dtype())


def _generator(seed: int, index: int) -> np.random.Generator:
    # Not default_rng, whose bit generator may change between versions of NumPy.
    return np.random.Generator(np.random.PCG64([seed, index]))
