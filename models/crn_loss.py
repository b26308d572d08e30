"""CRN's loss (arXiv 1707.09405), which SIMS shares: weighted differences of VGG-19 features of fakes and photos."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.losses import l1_loss
from models.networks.layout import SemanticLayout
from models.vgg import AveragePoolVGG
from util.distributed import is_main_process, process_count, sum_over_processes
from util.errors import InputError, describe
from util.precision import full_precision

TERMS = ("input", "relu1_2", "relu2_2", "relu3_2", "relu4_2", "relu5_2")
# Published for the original weights of VGG-19 and Cityscapes: at 256x512 with 9 images, and at larger sizes with one.
DIVERSITY_WEIGHTS = (1.0, 1 / 1.6, 1 / 2.3, 1 / 1.8, 1 / 2.8, 10 / 0.8)
PLAIN_WEIGHTS = (1.0, 1 / 2.6, 1 / 4.8, 1 / 3.7, 1 / 5.6, 10 / 1.5)
BEST_FRACTION = 0.999
"""Weight of the best of k images in the diversity loss; the mean of all has the rest, so that all get gradients."""
DERIVED_OVER = 100
"""Number of forward passes over which weights are derived."""


class TermWeights:
    """Weights of the loss terms: given, or derived so that all terms contribute alike.

    The published weights were found by that rule late in a training, and then fixed. Here, weight i is the mean of the
    input's term divided by the mean of term i, over the forward passes so far; it is fixed after `DERIVED_OVER`.

    Args:
        given: one for each term; None to derive them.
    """

    def __init__(self, given: Sequence[float] | None = None):
        self.given = given
        self.sums: Tensor | None = None  # (terms,)
        self.passes = 0

    def __call__(self, means: Tensor) -> Tensor:
        """Weights (terms,) for terms with these means (terms,), of which derived weights take account."""
        if self.given is not None:
            return means.new_tensor(self.given[: len(means)])
        if self.sums is None:
            self.sums = torch.zeros_like(means)
        self.sums = self.sums.to(means.device)
        if self.passes < DERIVED_OVER:
            means = sum_over_processes(means.detach()) / process_count()
            # Without batches that are not finite, which the trainer may skip.
            self.sums = self.sums + torch.where(means.isfinite().all(), means, 0.0)
            self.passes += 1
            if self.passes == DERIVED_OVER and is_main_process():
                print(f"weights of the loss terms from now on: {json.dumps(self.named())}", flush=True)
        return self.sums[0] / self.sums

    def named(self) -> dict[str, float]:
        """The derived weights by term, as `--crn_weights` takes them; waits for the device."""
        assert self.sums is not None, "weights are derived from forward passes"
        return {term: float(f"{weight:.4g}") for term, weight in zip(TERMS, (self.sums[0] / self.sums).tolist())}

    def state_dict(self) -> dict[str, Any]:
        """What the weights are derived from; empty if they are given."""
        return {} if self.sums is None else {"sums": self.sums.cpu(), "passes": self.passes}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state; an empty one is that before the first forward pass."""
        self.sums, self.passes = state.get("sums"), state.get("passes", 0)


class CRNLoss(nn.Module):
    """Sum over terms of weighted absolute differences: of images in 0..255, and of VGG-19 features.

    Args:
        vgg: None for the difference of images alone.
        weights: of the terms.
    """

    def __init__(self, vgg: AveragePoolVGG | None, weights: TermWeights):
        super().__init__()
        self.vgg, self.weights = vgg, weights

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        """The loss for one image a sample: images (N, 3, H, W), 0..255 at -1..1 -> scalar."""
        return self.terms(fake, real).sum()

    def terms(self, fake: Tensor, real: Tensor) -> Tensor:
        """The weighted terms (terms,) of `forward`."""
        with torch.no_grad():
            targets = self._features(real)
        means = torch.stack([l1_loss(x, y) for x, y in zip(self._features(fake), targets)])
        return self.weights(means) * means

    def diversity(self, images: Tensor, real: Tensor, layout: SemanticLayout) -> Tensor:
        """The loss for k images a sample: for each class, the smallest error of the k images counts.

        Args:
            images: (N, k, 3, H, W), and `real` (N, 3, H, W), 0..255 at -1..1.
        Returns:
            the mean over samples, a scalar.
        """
        errors = self.diversity_terms(images, real, layout).sum(0)  # (N, k, classes)
        per_class = BEST_FRACTION * errors.amin(1) + (1 - BEST_FRACTION) * errors.mean(1)  # (N, classes)
        return per_class.sum(1).mean()

    def diversity_terms(self, images: Tensor, real: Tensor, layout: SemanticLayout) -> Tensor:
        """The weighted errors (terms, N, k, classes): of feature maps, at the pixels of a class, over all pixels."""
        with torch.no_grad():
            targets = self._features(real)
        tables = []
        outputs = self._features(images.flatten(0, 1))  # of (N * k, 3, H, W)
        with torch.autocast(real.device.type, enabled=False):
            semantics = layout.at(*layout.size)  # (N, classes, H, W)
            for output, target in zip(outputs, targets):
                difference = full_precision(output).unflatten(0, images.shape[:2]) - full_precision(target)[:, None]
                errors = difference.abs().mean(2)  # (N, k, h, w)
                fractions = F.avg_pool2d(semantics, semantics.shape[-1] // errors.shape[-1])  # (N, classes, h, w)
                tables.append(torch.einsum("nkhw,nchw->nkc", errors, fractions) / errors[0, 0].numel())
            stacked = torch.stack(tables)  # (terms, N, k, classes)
            means = stacked.sum(3).mean((1, 2))  # (terms,), as the fractions of all classes sum to 1
            return self.weights(means)[:, None, None, None] * stacked

    def _features(self, images: Tensor) -> list[Tensor]:
        pixels = (images + 1) * 127.5
        return [pixels] if self.vgg is None else [pixels, *self.vgg(pixels)]


def check_loss(opt: Any) -> None:
    """Refuse the original weights of VGG-19 without a file, or without a use. Raises `InputError`."""
    if opt.vgg_origin == "caffe" and not opt.vgg_loss:
        raise InputError("--vgg_origin caffe: with --no_vgg_loss there are no such weights; leave one of them out")
    if opt.vgg_origin == "caffe" and opt.vgg_loss and not opt.vgg_weights:
        raise InputError(
            "--vgg_origin caffe: these weights are not downloaded; add --vgg_weights FILE, or use --vgg_origin "
            "torchvision"
        )


def create_loss(opt: Any, published: Sequence[float]) -> CRNLoss:
    """The loss that the options describe, with VGG-19 unless `--no_vgg_loss`.

    Args:
        published: weights of the terms for the original weights of VGG-19.
    Raises:
        InputError: a file is missing or holds something else.
    """
    vgg, is_original = None, opt.vgg_origin == "caffe"
    given = published if is_original else None
    if opt.crn_weights:
        given = read_term_weights(Path(opt.crn_weights))  # before a download
    if opt.vgg_loss:
        vgg = AveragePoolVGG.pretrained(opt.vgg_weights, opt.download, caffe=is_original)
    return CRNLoss(vgg, TermWeights(given))


def read_term_weights(path: Path) -> list[float]:
    """The weights of all `TERMS` in a JSON file. Raises `InputError` for a file with other content."""
    try:
        weights = json.loads(path.read_text(encoding="utf-8"))
        return [float(weights[term]) for term in TERMS]
    except OSError as error:
        raise InputError(f"--crn_weights {path}: {describe(error)}") from None
    except (ValueError, KeyError, TypeError):
        example = json.dumps(dict.fromkeys(TERMS, 1.0))
        raise InputError(f"--crn_weights {path}: must hold one number for each term, such as {example}") from None
