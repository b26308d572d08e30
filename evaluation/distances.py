"""Distances between two sets of images, by their features: Fréchet (FID) and kernel (KID)."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from util.distributed import World
from util.errors import InputError
from util.files import checksum, replacing

MOST_KEPT = 50_000
"""Number of images whose features are kept by default: 400 MB of Inception's."""
AT_ONCE = 1024
"""Images in one update of the covariance, a 2048 x 2048 product: one for each batch would take longer than a GPU."""


class FeatureSet:
    """Features of a set of images: their number, mean and covariance, and the features themselves unless too many.

    Everything is on the CPU. Mean and covariance are updated about the running mean (Chan, Golub and LeVeque 1983) in
    64 bits, so neither their order nor a large mean costs precision.

    Attributes:
        n: number of images; None if the statistics are from a file without it.
        facts: metadata saved with the statistics, such as the features' network; empty if there is none.
        file_sha256: hexadecimal SHA-256 of the file of the statistics; None without a file.
    """

    def __init__(self, most_kept: int = MOST_KEPT):
        self.n: int | None = 0
        self.facts: dict[str, Any] = {}
        self.file_sha256: str | None = None
        self._most_kept = most_kept
        self._kept: list[Tensor] | None = []
        self._pending: list[Tensor] = []  # features that are not yet in mean and scatter
        self._measured = 0  # number of images in mean and scatter
        # Mean (dim,), and scatter (dim, dim), the sum of outer products of deviations; the covariance if n is unknown.
        self._moments: tuple[Tensor, Tensor] | None = None

    def add(self, features: Tensor) -> None:
        """Add the features (k, dim) of k more images.

        Raises:
            InputError: a feature is NaN or infinite, or dim is not that of earlier images.
        """
        if features.ndim != 2:
            raise ValueError(f"features {tuple(features.shape)}: must be (k, dim)")
        if self.n is None:
            raise ValueError("statistics of an unknown number of images cannot be added to")
        if self.dim is not None and features.shape[1] != self.dim:
            raise InputError(f"features of {features.shape[1]} numbers cannot join those of {self.dim}")
        # A copy, as the caller may overwrite its tensor; in 32 bits at least, as 16 are too few for sums.
        kept = torch.float64 if features.dtype == torch.float64 else torch.float32
        features = features.detach().to("cpu", kept, copy=True)
        finite = features.isfinite().all(dim=1)
        if not finite.all():
            image = self.n + int((~finite).nonzero()[0])
            raise InputError(f"image {image} (from 0): its features are not finite; is the weight file damaged?")
        if len(features):
            self._count(len(features), features)
            self._pending.append(features)
            if self.n - self._measured >= AT_ONCE:
                self._measure()

    def _count(self, n: int, features: Tensor | None) -> None:
        """Count n more images; keep their features (n, dim) if they are known and not too many."""
        self.n = (self.n or 0) + n
        if self._kept is None or features is None or self.n > self._most_kept:
            self._kept = None
        else:
            self._kept.append(features)

    def _measure(self) -> None:
        """Update mean and scatter with the pending features."""
        if self._pending:
            rows = torch.cat(self._pending).double()
            self._pending = []
            mean = rows.mean(dim=0)
            rows = rows - mean
            self._merge(len(rows), mean, rows.T @ rows)

    def _merge(self, n: int, mean: Tensor, scatter: Tensor) -> None:
        if self._moments is None:
            self._moments = mean, scatter
        else:
            before, scatter_before = self._moments
            step = mean - before
            total = self._measured + n
            scatter = (scatter_before + scatter).addr_(step, step, alpha=self._measured * n / total)
            self._moments = before + step * (n / total), scatter
        self._measured += n

    @property
    def dim(self) -> int | None:
        """Number of features of an image; None before the first image."""
        if self._pending:
            return self._pending[0].shape[1]
        return None if self._moments is None else len(self._moments[0])

    @property
    def mean(self) -> Tensor:
        """(dim,) float64. Raises InputError if there is no image."""
        return self._measured_moments(least=1)[0]

    @property
    def covariance(self) -> Tensor:
        """(dim, dim) float64, divided by n - 1. Raises InputError for fewer than 2 images."""
        scatter = self._measured_moments(least=2)[1]
        return scatter if self.n is None else scatter / (self.n - 1)

    @property
    def features(self) -> Tensor | None:
        """(n, dim) in the order of `add`, in 32 or 64 bits; None if only statistics are known."""
        if self._kept is None:
            return None
        if len(self._kept) > 1:
            self._kept = [torch.cat(self._kept)]
        return self._kept[0] if self._kept else torch.empty(0, self.dim or 0)

    def check(self, least: int) -> None:
        """Raise an `InputError` if there are fewer images."""
        if self.n is not None and self.n < least:
            raise InputError(f"a distance between sets of images needs 2 images or more in each; one has {self.n}")

    def _measured_moments(self, least: int) -> tuple[Tensor, Tensor]:
        self.check(least)
        self._measure()
        assert self._moments is not None, "images that are counted have moments"
        return self._moments

    def gathered(self, world: World) -> FeatureSet:
        """The union of the sets of all processes, in order of rank; the same in every process.

        All processes must call this, also those without images.

        Raises:
            InputError: the processes have features of different dims.
        """
        if self.n is None:
            raise ValueError("statistics of an unknown number of images cannot be merged")
        if world.size == 1:
            return self
        union = FeatureSet(self._most_kept)
        union.facts = self.facts
        self._measure()
        parts = [part for part in world.all_gather((self.n, self._moments, self.features)) if part[0]]
        if len(dims := {len(mean) for _, (mean, _), _ in parts}) > 1:
            raise InputError(f"processes hold features of {' and '.join(map(str, sorted(dims)))} numbers")
        for n, (mean, scatter), features in parts:
            union._count(n, features)
            union._merge(n, mean, scatter)
        return union

    def save_npz(self, path: str | Path, facts: dict[str, Any]) -> None:
        """Write mu and sigma as pytorch-fid does, and also n and `facts` as JSON.

        Raises:
            InputError: fewer than 2 images.
        """
        arrays: dict[str, Any] = {"mu": self.mean.numpy(), "sigma": self.covariance.numpy()}
        arrays["facts"] = np.array(json.dumps(facts))
        if self.n is not None:
            arrays["n"] = np.array(self.n)
        with replacing(Path(path)) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def load_npz(cls, path: str | Path) -> FeatureSet:
        """Read statistics that `save_npz` or pytorch-fid has written; code in the file is never run.

        Raises:
            InputError: there is no such file, or it does not hold a mean and a covariance.
        """
        arrays = _read_npz(Path(path))
        for key in ("mu", "sigma"):
            if key not in arrays:
                raise InputError(f"{path}: has no {key}; statistics of images hold mu and sigma, as pytorch-fid's do")
        mu, sigma = arrays["mu"], arrays["sigma"]
        if mu.ndim != 1 or not len(mu) or sigma.shape != (len(mu), len(mu)):
            raise InputError(f"{path}: mu {mu.shape} and sigma {sigma.shape} must be (d,) and (d, d)")
        if not all(array.dtype.kind == "f" and np.isfinite(array).all() for array in (mu, sigma)):
            raise InputError(f"{path}: mu or sigma holds something other than finite numbers")
        if not np.allclose(sigma, sigma.T, rtol=0, atol=1e-6 * np.abs(sigma).max()):
            raise InputError(f"{path}: sigma is not symmetric, so it is not a covariance")
        result = cls()
        result._kept = None
        mean, covariance = (torch.from_numpy(array.astype(np.float64)) for array in (mu, sigma))
        try:
            result.n = int(arrays["n"]) if "n" in arrays else None
            result.facts = dict(json.loads(str(arrays["facts"]))) if "facts" in arrays else {}
        except (TypeError, ValueError):
            raise InputError(f"{path}: n is not a number, or facts are not JSON") from None
        result.file_sha256 = checksum(Path(path))
        result.check(least=2)
        result._measured = result.n or 0
        result._moments = mean, covariance if result.n is None else covariance * (result.n - 1)
        return result


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise ValueError("a single array")
        with archive:
            return dict(archive)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, EOFError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error):
        raise InputError(f"{path}: not a readable .npz file of plain arrays") from None


def frechet_distance(a: FeatureSet, b: FeatureSet) -> float:
    """Fréchet distance of the Gaussians with the sets' means and covariances; FID if the features are Inception's.

    |mu_a - mu_b|^2 + tr(S_a) + tr(S_b) - 2 tr((S_a S_b)^(1/2))   (Dowson and Landau 1982; Heusel et al. 2017, eq. 6)

    With S = F F^T, the last trace is the nuclear norm of F_a^T F_b. That holds at any rank, so covariances of few
    images need no epsilon on the diagonal, which would change the number.

    Raises:
        InputError: fewer than 2 images in a set, or features of different dims.
    """
    _check_pair(a, b)
    trace_of_root = torch.linalg.svdvals(_factor(a).T @ _factor(b)).sum()
    distance = (a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace() - 2 * trace_of_root
    return max(float(distance), 0.0)  # rounding can make a zero negative


def _factor(features: FeatureSet) -> Tensor:
    """A factor F (dim, k) float64 of the covariance, F F^T."""
    rows = features.features
    if rows is not None and rows.shape[0] <= rows.shape[1]:
        # The centered features themselves, which are smaller than the covariance, and exact in its null space.
        return (rows.double() - features.mean).T / (len(rows) - 1) ** 0.5
    values, vectors = torch.linalg.eigh(features.covariance)
    return vectors * values.clamp(min=0).sqrt()


def kernel_distance(
    a: FeatureSet, b: FeatureSet, subsets: int = 100, subset_size: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Kernel distance, the squared maximum mean discrepancy; KID if the features are Inception's.

    The unbiased estimate with the kernel (x.y / dim + 1)^3 (Bińkowski et al. 2018, section 4), so the mean for
    equal distributions is 0, even for few images, and values can be negative.

    Args:
        subsets: number of random subsets; torch-fidelity draws the same ones from the same seed.
        subset_size: images of each set in a subset; at most those of the smaller set.
    Returns:
        mean and standard deviation over the subsets. If each set is one whole subset, there is one value, and the
        deviation is 0.
    Raises:
        InputError: fewer than 2 images in a set, features of different dims, or a set of statistics only.
    """
    _check_pair(a, b)
    if a.features is None or b.features is None:
        raise InputError("the kernel distance needs the features of every image; of one set only statistics are known")
    x, y = a.features.double(), b.features.double()
    size = min(subset_size, len(x), len(y))
    if size < 2 or subsets < 1:
        raise ValueError(f"{subsets} subsets of {size} images: must be at least 1 of 2")
    if size == len(x) == len(y):
        return _squared_discrepancy(x, y), 0.0
    random = np.random.RandomState(seed)
    values = [
        _squared_discrepancy(*(rows[random.choice(len(rows), size, replace=False)] for rows in (x, y)))
        for _ in range(subsets)
    ]
    return float(np.mean(values)), float(np.std(values))


def _squared_discrepancy(x: Tensor, y: Tensor) -> float:
    """Unbiased estimate for features (m, dim) and (m, dim) float64."""
    m = len(x)
    xx, yy, xy = polynomial_kernel(x, x), polynomial_kernel(y, y), polynomial_kernel(x, y)
    within = sum((k.sum() - k.trace()) / (m * (m - 1)) for k in (xx, yy))
    return float(within - 2 * xy.mean())


def polynomial_kernel(x: Tensor, y: Tensor) -> Tensor:
    """(x.y / dim + 1)^3 of features (m, dim) and (n, dim): (m, n)."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def _check_pair(a: FeatureSet, b: FeatureSet) -> None:
    for features in (a, b):
        features.check(least=2)
    if a.dim != b.dim:
        raise InputError(f"the sets have features of {a.dim} and {b.dim} numbers; both must be of one network")
