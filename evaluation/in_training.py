"""Scores while a model is trained: the validation photos are read once, and the generator is scored again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Subset

from data import create_dataset, create_loader
from evaluation.image_sets import DataSetTruth
from evaluation.instruments import create_features, create_segmenter, judges_whole_labels
from evaluation.scoring import Evaluation
from util.distributed import World
from util.image import to_uint8
from util.latents import draw_latents


class ScoresInTraining:
    """What `evaluate.py` would say of a generator, without files in between.

    Each process of `world` paints and judges its share of the label maps; all of them get the same scores.

    Args:
        opt: evaluation options of the run.
        z_dim: length of the generator's latent, or None.
    Raises:
        InputError: as `evaluate.py`, before anything is trained.
    """

    def __init__(self, opt: Any, z_dim: int | None, world: World, device: torch.device):
        self.opt, self.z_dim = opt, z_dim
        with world.failing_together():
            self.dataset = create_dataset(opt)
            segmenter = create_segmenter(opt, device)
            truth = DataSetTruth(
                create_dataset(replace(opt, instance=False)),
                opt,
                opt.how_many,
                labels=segmenter is not None,
                whole_labels=judges_whole_labels(opt),
            )
            features = create_features(opt, device)
        self.evaluation = Evaluation(
            truth, features=features, segmenter=segmenter, world=world, kid=opt.kid, batch_size=opt.batch_size
        )

    def of(self, paint: Callable[[dict, Tensor | None], Tensor]) -> dict[str, float]:
        """Scores by name of what `paint` makes of batches of label maps and latents: images (N, 3, H, W) in [-1, 1]."""
        return self.evaluation.score(self._generated(paint))

    def _generated(self, paint: Callable[[dict, Tensor | None], Tensor]) -> Iterator[tuple[list[int], Tensor]]:
        share = self.evaluation.share
        loader = create_loader(replace(self.opt, num_workers=0), Subset(self.dataset, share))
        done = 0
        for batch in loader:
            indices = list(share[done : done + len(batch["labels"])])
            images = to_uint8(paint(batch, self._latents(indices)))  # (N, H, W, 3), as test.py would write them
            yield indices, torch.from_numpy(images).movedim(-1, 1)
            done += len(indices)

    def _latents(self, indices: list[int]) -> Tensor | None:
        """Those of `test.py`."""
        return None if self.z_dim is None else draw_latents(self.opt.seed, indices, self.z_dim)[:, 0]
