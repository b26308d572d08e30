"""A pool of earlier fakes for the discriminator (Shrivastava et al., arXiv 1612.07828)."""

from __future__ import annotations

import torch
from torch import Tensor

from models.networks.layout import Layout, SemanticLayout, SoftLayout


class FakePool:
    """Mixes the generator's images with earlier ones, so that the discriminator does not forget those.

    Each process has a pool of its own; a checkpoint holds that of the main process, with which all of them resume.
    Random numbers come from torch's generator on the CPU, whose state each checkpoint holds, too.

    Args:
        size: number of images that are kept; 0 for no pool.
    """

    def __init__(self, size: int):
        self.size = size
        self.samples: list[dict[str, Tensor]] = []  # each of one label map and its image

    def exchange(self, layout: Layout, fake: Tensor) -> tuple[Layout, Tensor]:
        """Label maps and images (N, 3, H, W) to train the discriminator on, in place of new ones.

        Until the pool is full, new images are stored and returned. Afterwards each is returned with probability 0.5;
        otherwise a random image of the pool is, and the new one takes its place.
        """
        if not self.size:
            return layout, fake
        chosen = [self._exchange_one(sample) for sample in _samples(layout, fake.detach())]
        batch = {name: torch.stack([sample[name] for sample in chosen]) for name in chosen[0]}
        if isinstance(layout, SoftLayout):
            return SoftLayout(batch["semantics"], layout.resize), batch["fake"]
        return SemanticLayout(batch["labels"], batch.get("edges"), layout.num_labels), batch["fake"]

    def _exchange_one(self, new: dict[str, Tensor]) -> dict[str, Tensor]:
        if len(self.samples) < self.size:
            self.samples.append(new)
            return new
        if torch.rand(()) <= 0.5:
            return new
        place = int(torch.randint(self.size, ()))
        old, self.samples[place] = self.samples[place], new
        return old

    def state_dict(self) -> dict[str, list]:
        """The images of the pool and their label maps."""
        return {"samples": [{name: tensor.cpu() for name, tensor in sample.items()} for sample in self.samples]}

    def load_state_dict(self, state: dict[str, list], device: torch.device | str = "cpu") -> None:
        """Restore `state` on a device; a pool that was larger loses its last images."""
        samples = state["samples"][: self.size]
        self.samples = [{name: tensor.to(device) for name, tensor in sample.items()} for sample in samples]


def _samples(layout: Layout, fake: Tensor) -> list[dict[str, Tensor]]:
    """One dict a sample, of copies: slices would keep the whole batch in memory."""
    if isinstance(layout, SoftLayout):
        maps = {"semantics": layout.semantics}
    else:
        maps = {"labels": layout.labels, "edges": layout.edges}
    tensors = {**maps, "fake": fake}
    tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    return [{name: tensor[i].clone() for name, tensor in tensors.items()} for i in range(len(fake))]
