"""Warping samples at random by thin-plate splines (Bookstein, PAMI 1989), for more shapes from few photos."""

import numpy as np
import scipy
import torch
import torch.nn.functional as F
from torch import Tensor

from data.sample import DerivedDataset, Sample, SampleDataset

POINTS = 5
"""Control points along each side of an image, evenly spaced, the outermost on its border."""


class ThinPlateWarp:
    """Smooth maps of an image to itself, between control points that move on their own.

    A thin-plate spline is linear in its values: all maps are sums of the same splines, one for each point.

    Args:
        height, width: of the images, in pixels.
        strength: control points move by at most this fraction of the height and of the width.
    """

    def __init__(self, height: int, width: int, strength: float):
        self.strength = strength
        self.size = np.array([height, width], dtype=np.float32)
        self.points = _grid(POINTS, POINTS).reshape(-1, 2)  # (K, 2), K = POINTS^2: row, column in 0..1
        splines = scipy.interpolate.RBFInterpolator(self.points, np.eye(len(self.points)), kernel="thin_plate_spline")
        weights = splines(_grid(height, width).reshape(-1, 2))  # (H * W, K)
        self.weights = weights.T.reshape(-1, height, width).astype(np.float32)  # (K, H, W)

    def draw(self) -> Tensor:
        """The positions of a random warp, see `positions`. Draws from torch's main generator."""
        moves = (2 * torch.rand(len(self.points), 2, dtype=torch.float32) - 1).numpy() * self.strength
        moves[np.isin(self.points, (0, 1))] = 0  # points on a border stay on it: little comes from outside
        return self.positions(moves)

    def positions(self, moves: np.ndarray) -> Tensor:
        """Where each pixel of the warped image comes from: row and column in pixels, (2, H, W), within the image.

        What would come from outside is mirrored at the border.

        Args:
            moves: of the control points, (K, 2), fractions of height and width.
        """
        height, width = self.weights.shape[1:]
        # Not by a matrix product, whose rounding may depend on the number of threads.
        offsets = np.einsum("khw,kc->chw", self.weights, moves * self.size)  # (2, H, W)
        last = (self.size - 1)[:, None, None]
        positions = last - abs(last - abs(np.indices((height, width), dtype=np.float32) + offsets))
        return torch.from_numpy(np.clip(positions, 0, last).astype(np.float32))


def _grid(rows: int, columns: int) -> np.ndarray:
    """Evenly spaced points of the unit square, (rows, columns, 2)."""
    return np.stack(np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij"), axis=-1)


def warp_ids(ids: Tensor, positions: Tensor) -> Tensor:
    """Ids (H, W) of any integer type at the nearest pixels of `ThinPlateWarp.positions`."""
    rows, columns = positions.round().long()
    return ids[rows, columns]


def warp_image(image: Tensor, positions: Tensor) -> Tensor:
    """An image (3, H, W) in [-1, 1] at `ThinPlateWarp.positions`; bicubic, as bilinear samples would be blurred."""
    return _sample(image, positions, "bicubic").clamp(-1, 1)


def warp_condition(condition: Tensor, positions: Tensor) -> Tensor:
    """A conditioning image (C, H, W) at `ThinPlateWarp.positions`; bilinear, so that probabilities stay such."""
    return _sample(condition, positions, "bilinear")


def _sample(image: Tensor, positions: Tensor, mode: str) -> Tensor:
    rows, columns = positions
    height, width = image.shape[1:]
    grid = torch.stack([2 * columns / (width - 1) - 1, 2 * rows / (height - 1) - 1], dim=-1)  # (H, W, 2) in [-1, 1]
    return F.grid_sample(image[None], grid[None], mode, padding_mode="border", align_corners=True)[0]


class WarpedDataset(DerivedDataset):
    """Samples whose maps and photo are warped alike: the photo still shows the label map.

    Random numbers come from torch's main generator, after those of the data set.

    Args:
        dataset: the samples, for training.
        height, width, strength: see `ThinPlateWarp`.
    """

    def __init__(self, dataset: SampleDataset, height: int, width: int, strength: float):
        super().__init__(dataset)
        self.warp = ThinPlateWarp(height, width, strength)

    def __getitem__(self, index: int) -> Sample:
        """Read a sample, and warp it. Raises `InputError` for files that cannot be read."""
        sample = self.dataset[index].copy()
        positions = self.warp.draw()
        if "condition" in sample:
            sample["condition"] = warp_condition(sample["condition"], positions)
        if "labels" in sample:
            sample["labels"] = warp_ids(sample["labels"], positions)
        if "instances" in sample:
            sample["instances"] = warp_ids(sample["instances"], positions)
        if "image" in sample:
            sample["image"] = warp_image(sample["image"], positions)
        return sample
