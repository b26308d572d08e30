"""Compare an exported file with the trained network on random inputs."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.networks.layout import instance_edges
from scripts.export.formats import Program
from scripts.export.graphs import Sizes

Inputs = dict[str, Tensor]
BATCH_SIZES = (1, 3)
CELLS = 8  # regions of a random label map along each side, at most
PEAK_TO_PEAK = 2.0  # of images in [-1, 1]
TIMINGS = 5
SEED = 0


@dataclass
class Comparison:
    """Differences from the outputs of the trained network, over all batches.

    Attributes:
        largest: absolute difference; NaN if one output is not a number.
    """

    batches: int = 0
    largest: float = 0.0
    _squares: float = 0.0
    _count: int = 0

    def add(self, output: np.ndarray, expected: np.ndarray) -> None:
        """Add one batch; the shapes must be equal."""
        assert output.shape == expected.shape, f"{output.shape} and {expected.shape}"
        difference = np.abs(output.astype(np.float64) - expected)
        self.batches += 1
        self.largest = float(np.max([self.largest, difference.max()]))  # np.max propagates NaN, max does not
        self._squares += float(np.square(difference).sum())
        self._count += difference.size

    @property
    def psnr(self) -> float:
        """Peak signal-to-noise ratio in dB, of values in [-1, 1]; infinite for equal outputs."""
        error = self._squares / self._count
        return math.inf if error == 0 else 10 * math.log10(PEAK_TO_PEAK**2 / error)


def random_labels(count: int, size: tuple[int, int], num_labels: int, generator: torch.Generator) -> Inputs:
    """Labels (N, H, W) int64 in rectangles of random classes, and the edges (N, H, W) bool of others across them."""
    height, width = size
    cells = min(CELLS, height), min(CELLS, width)

    def rectangles(ids: int) -> Tensor:
        drawn = torch.randint(ids, (count, 1, *cells), generator=generator)
        return F.interpolate(drawn.float(), size=(height, width), mode="nearest")[:, 0].long()

    return {"labels": rectangles(num_labels), "edges": instance_edges(rectangles(3))}


def generator_inputs(sizes: Sizes, num_labels: int, edges: bool, z_dim: int | None, dynamic_size: bool) -> list[Inputs]:
    """Batches of 1 and 3 at the trained size and, if the size is free, at others."""
    generator = torch.Generator().manual_seed(SEED)
    checked = [sizes.trained]
    if dynamic_size:
        small = sizes.smallest
        checked += [(small, small), (small + sizes.unit, small + 3 * sizes.unit)]
    batches = []
    for size in checked:
        for count in BATCH_SIZES:
            inputs = random_labels(count, size, num_labels, generator)
            if not edges:
                del inputs["edges"]
            if z_dim is not None:
                inputs["z"] = torch.randn(count, z_dim, generator=generator)
            batches.append(inputs)
    return batches


def encoder_inputs(sizes: Sizes) -> list[Inputs]:
    """Batches of 1 and 3 random photos, of the trained size and of another."""
    generator = torch.Generator().manual_seed(SEED)
    height, width = sizes.trained
    shapes = [(count, 3, *size) for size in ((height, width), (height + 5, width // 2)) for count in BATCH_SIZES]
    return [{"style": torch.rand(shape, generator=generator) * 2 - 1} for shape in shapes]


@torch.no_grad()
def compare(program: Program, live: Callable[..., Tensor], batches: list[Inputs]) -> Comparison:
    """Run a file and the trained network on the same batches."""
    comparison = Comparison()
    for inputs in batches:
        comparison.add(program(**as_arrays(inputs)), live(**inputs).numpy())
    return comparison


@torch.no_grad()
def seconds_per_image(program: Program, live: Callable[..., Tensor], inputs: Inputs) -> tuple[float, float]:
    """Median seconds of a file and of the trained network for a batch of one, in turns, after one warm-up run each."""
    arrays = as_arrays(inputs)
    runs = [lambda: program(**arrays), lambda: live(**inputs)]
    taken: list[list[float]] = [[], []]
    for _ in range(TIMINGS + 1):
        for times, run in zip(taken, runs):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
    return statistics.median(taken[0][1:]), statistics.median(taken[1][1:])


def as_arrays(inputs: Inputs) -> dict[str, np.ndarray]:
    """The same inputs for numpy."""
    return {name: tensor.numpy() for name, tensor in inputs.items()}
