"""Deterministic, non-trivial weights without a file: every tensor is a function of its name, its shape and a seed.

They allow comparison with recorded numbers of large networks without storing weights.
"""

from __future__ import annotations

import zlib

import numpy as np
import torch
from torch import Tensor, nn

POWER_ITERATIONS = 4


@torch.no_grad()
def fill(network: nn.Module, seed: int) -> None:
    """Fill all parameters and buffers of `network` in place, by state-dict name.

    Filters and matrices: normal, variance 1 / fan_in. Biases: 0.1 n. Other vectors: 1 + 0.1 n. running_mean: 0.2 n.
    running_var: uniform in [0.5, 1.5). Spectral-norm vectors: four power iterations, so that sigma is close to the
    largest singular value. num_batches_tracked is left alone.
    """
    state = network.state_dict()
    for name, tensor in state.items():
        kind = name.rsplit(".", 1)[-1]
        if kind not in ("weight_u", "weight_v", "num_batches_tracked"):
            tensor.copy_(torch.from_numpy(np.asarray(_value(name, kind, tuple(tensor.shape), seed))))
    for name in state:
        if name.endswith("weight_u"):
            _fill_singular_vectors(state, name.removesuffix("_u"), seed)


def _generator(name: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _value(name: str, kind: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    if kind == "running_var":
        return _generator(name, seed).random(shape) + 0.5
    noise = _generator(name, seed).standard_normal(shape)
    if kind == "running_mean":
        return 0.2 * noise
    if len(shape) > 1:
        return noise / np.sqrt(np.prod(shape[1:]))
    return 0.1 * noise if kind == "bias" else 1 + 0.1 * noise


def _fill_singular_vectors(state: dict[str, Tensor], weight: str, seed: int) -> None:
    matrix = state[f"{weight}_orig"].double().cpu()
    if len(matrix) != len(state[f"{weight}_u"]):  # transposed convolutions are normalized over dimension 1
        matrix = matrix.transpose(0, 1)
    matrix = matrix.flatten(1)
    u = torch.from_numpy(_generator(f"{weight}_u", seed).standard_normal(len(matrix)))
    u /= u.norm()
    for _ in range(POWER_ITERATIONS):
        v = matrix.T @ u
        v /= v.norm()
        u = matrix @ v
        u /= u.norm()
    state[f"{weight}_u"].copy_(u)
    state[f"{weight}_v"].copy_(v)
