"""Instance features of pix2pixHD (arXiv 1711.11585, section 3.4): from photos, or in a test from cluster centers."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.networks.generators import Generator
from models.networks.layout import SemanticLayout
from models.networks.pix2pixhd import FEATURES, FeatureEncoder
from models.pix2pix_model import Pix2PixModel
from models.weights import read_weights
from util.errors import InputError
from util.latents import draw_latents

INSTANCES, LABELS = "instances", "labels"


def centers_path(run_dir: Path, label: str) -> Path:
    """The file of the cluster centers beside the networks of a label, such as `latest`."""
    return run_dir / f"{label}_feature_centers.pth"


class FeatureCenters:
    """Features to draw from in a test: for each label, the centers of the clusters of its features in the training set.

    Saved as a dict of the three tensors.

    Args:
        centers: (num_labels, n_clusters, feat_num).
        counts: (num_labels,) number of clusters of each label, the first of its row in `centers`.
        encoder: fingerprint of the encoder that found the features.
    """

    def __init__(self, centers: Tensor, counts: Tensor, encoder: Tensor):
        self.centers, self.counts, self.encoder = centers, counts, encoder

    @classmethod
    def read(cls, path: Path) -> FeatureCenters:
        """Read a file of `python -m scripts.prepare features`. Raises `InputError` for any other."""
        try:
            return cls(**read_weights(path))
        except TypeError:
            raise InputError(f"{path}: not a file of python -m scripts.prepare features") from None

    def save(self, path: Path) -> None:
        """Write the file at `path`."""
        torch.save({"centers": self.centers, "counts": self.counts, "encoder": self.encoder}, path)

    def draw(self, regions: Tensor, labels: Tensor, seed: int, index: int) -> Tensor:
        """One center for each region of a label map, of the label that most of its pixels have; 0 if it has no centers.

        Args:
            regions, labels: integers (H, W), on the CPU.
            seed, index: with the same seed and index of the label map in its data set, the same centers are drawn.
        Returns:
            (feat_num, H, W).
        """
        num_labels = len(self.counts)
        ids, region = torch.unique(regions, return_inverse=True)  # (R,), (H, W)
        votes = torch.bincount((region * num_labels + labels).flatten(), minlength=len(ids) * num_labels)
        label = votes.view(len(ids), num_labels).argmax(1)  # (R,)
        uniform = torch.special.ndtr(draw_latents(seed, [index], len(ids))[0, 0])  # (R,) in 0..1
        place = (uniform * self.counts[label]).long().minimum(self.counts[label] - 1).clamp(min=0)
        features = self.centers[label, place] * (self.counts[label] > 0)[:, None]  # (R, feat_num)
        return features[region].movedim(-1, 0)  # (feat_num, H, W)


class InstanceFeatureModel(Pix2PixModel):
    """A model whose generator also takes features: those that the encoder finds in a photo, or drawn ones.

    Args:
        netG, netD, num_labels: see `Pix2PixModel`.
        encoder: finds the features; its file has the letter E.
        regions: "instances" or "labels": pixels with the same number have the same features.
        centers: to draw features from instead of taking those of the photo; for tests.
        seed: of what is drawn.
    """

    def __init__(
        self,
        netG: Generator,
        netD: nn.Module | None,
        encoder: FeatureEncoder,
        num_labels: int,
        regions: str = INSTANCES,
        centers: FeatureCenters | None = None,
        seed: int = 0,
    ):
        names = [INSTANCES] if regions == INSTANCES else []
        super().__init__(netG, netD, None, num_labels, others={"E": encoder}, map_names=names)
        self.centers, self.seed = centers, seed

    @property
    def only_for_losses(self) -> Collection[str]:
        """Photos, where features are drawn and not theirs."""
        return () if self.centers is None else super().only_for_losses

    def label_layout(self, batch: dict[str, Any]) -> SemanticLayout:
        """The layout of a batch with features, for generating images. In a training step, where gradients are wanted,
        it has none yet: the losses add them."""
        layout = super().label_layout(batch)
        if torch.is_grad_enabled():
            return layout
        if self.centers is not None:
            return _with_map(layout, self._drawn(layout, batch))
        if "image" not in batch:
            raise InputError("features are those of photos, and there are none: see python -m scripts.prepare features")
        return self.with_features(layout, batch["image"].to(self.device))

    def with_features(self, layout: SemanticLayout, photos: Tensor) -> SemanticLayout:
        """A layout that also has the features of photos (N, 3, H, W) in [-1, 1]."""
        return _with_map(layout, self.others["E"](photos, self.regions(layout)))

    def regions(self, layout: SemanticLayout) -> Tensor:
        """The numbers (N, H, W) of the regions of equal features."""
        return layout.maps.get(INSTANCES, layout.labels)

    def _drawn(self, layout: SemanticLayout, batch: dict[str, Any]) -> Tensor:
        assert self.centers is not None, "only centers are drawn from"
        if not torch.equal(fingerprint(self.others["E"]), self.centers.encoder):
            raise InputError(
                "the feature centers were made with another encoder, before further training; make them again by "
                "python -m scripts.prepare features"
            )
        regions, labels = self.regions(layout).cpu(), layout.labels.long().cpu()
        indices = batch.get("index", torch.arange(len(layout))).tolist()
        drawn = [self.centers.draw(regions[i], labels[i], self.seed, index) for i, index in enumerate(indices)]
        return torch.stack(drawn).to(self.device)  # (N, feat_num, H, W)


def fingerprint(encoder: nn.Module) -> Tensor:
    """A number (1,) that is another one for other weights."""
    return torch.stack([p.detach().cpu().double().square().sum() for p in encoder.parameters()]).sum(0, keepdim=True)


def _with_map(layout: SemanticLayout, features: Tensor) -> SemanticLayout:
    return SemanticLayout(layout.labels, layout.edges, layout.num_labels, layout.maps | {FEATURES: features})
