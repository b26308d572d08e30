"""Diversity of the images of one label map in different styles: LPIPS over all pairs."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Sequence
from importlib.metadata import version

import torch
from torch import Tensor, nn

from evaluation.published import read_measuring
from models.published import mismatch_error
from util.errors import InputError
from util.optional import require

SMALLEST = 31
"""Smallest side of an image for AlexNet's pooling layers."""


class LPIPSDistance:
    """Learned perceptual distance of image pairs (Zhang et al. 2018), version 0.1 on AlexNet, its authors' default.

    It uses the authors' package `lpips`, which defines the numbers and contains the learned heads. The trunk is built
    with random weights, a documented option, and then loaded from a file.

    Attributes:
        facts: everything that the distance depends on, as JSON values.
    """

    def __init__(self, network: nn.Module, device: torch.device | str, facts: dict):
        self.device = torch.device(device)
        self.facts = facts
        self._network = network.to(self.device).eval().requires_grad_(False)

    @torch.no_grad()
    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Two batches (N, 3, H, W) uint8, RGB -> distances (N,) float32 of the pairs.

        0 is for equal images, about 0.7 for very different ones.

        Raises:
            InputError: the images are too small for AlexNet.
        """
        if first.shape != second.shape or first.ndim != 4 or first.shape[1] != 3:
            raise ValueError(f"images {tuple(first.shape)} and {tuple(second.shape)}: must both be (N, 3, H, W)")
        if first.dtype != torch.uint8 or second.dtype != torch.uint8:
            raise ValueError(f"images {first.dtype} and {second.dtype}: must be uint8")
        if min(first.shape[2:]) < SMALLEST:
            height, width = first.shape[2:]
            raise InputError(f"LPIPS needs images of {SMALLEST}x{SMALLEST} or larger; these are {width}x{height}")
        with torch.autocast(self.device.type, enabled=False):
            pair = (images.to(self.device).float() / 127.5 - 1 for images in (first, second))
            return self._network(*pair).flatten()


def lpips_distance(weights: str | None, may_download: bool, device: torch.device | str) -> LPIPSDistance:
    """LPIPS with the published weights.

    Args:
        weights: torchvision's AlexNet file; None for torch hub's folder of checkpoints, or a download.
        may_download: whether a missing file may be downloaded.
    Raises:
        InputError: the weights are missing, damaged, unsafe, or of another network.
    """
    lpips = require("lpips")
    path, state, facts = read_measuring("alexnet", weights, may_download)
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():  # random weights, which are replaced
        warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")  # it uses deprecated arguments
        network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    trunk = network.net
    # The package renames torchvision's `features.6` to `slice3.6`.
    named = {name: f"features.{name.partition('.')[2]}" for name in trunk.state_dict()}
    try:
        trunk.load_state_dict({name: state[theirs] for name, theirs in named.items() if theirs in state})
    except RuntimeError:
        raise mismatch_error("alexnet", weights, path) from None
    facts = {"network": "alex", "version": network.version, **facts, "library": f"lpips {version('lpips')}"}
    return LPIPSDistance(network, device, facts)


def mean_pairwise(distance: Callable[[Tensor, Tensor], Tensor], styles: Sequence[Tensor]) -> float:
    """Mean distance of two styles of the same label map, over all pairs of styles and all label maps.

    Args:
        distance: two batches of images -> distances (N,).
        styles: a batch (N, 3, H, W) for each style; image i of every batch is of label map i.
    Raises:
        InputError: fewer than 2 styles.
    """
    if len(styles) < 2:
        raise InputError(f"the diversity of styles needs 2 styles or more of every label map; there are {len(styles)}")
    if len(shapes := {tuple(style.shape) for style in styles}) > 1 or not len(styles[0]):
        raise ValueError(f"styles {sorted(shapes)}: must be batches of the same label maps, one at least")
    # Every pair has all label maps, so this is also the mean over label maps of their means over pairs.
    pairs = [distance(first, second).double().mean() for first, second in itertools.combinations(styles, 2)]
    return float(torch.stack(pairs).mean())
