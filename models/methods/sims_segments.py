"""What the networks of SIMS about segments get and decide, in training and in tests, where they shape the canvas."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from models.networks.layout import SemanticLayout
from models.networks.sims import CANVAS, CHANGED_LABELS, resize
from models.pix2pix_model import Pix2PixModel
from util.colormap import voc_colors
from util.precision import full_precision

BASE_HEIGHT = 256
"""Images with more rows are made by further stages of the generator, one for each doubling."""
SEGMENT_MAPS = ("segments", "segment_masks", "pair_labels", "pair_fronts")
"""Maps of a sample: first, from which A learns, K segments (K, 3, H, W) in 0..1, black around each, and where each
belongs, (K, H, W) bool, nowhere for missing ones; then, from which O learns, the classes of P pairs of touching
segments (P, H, W), -1 around them, and the class in front (P,), -1 for missing ones."""
AT_ONCE = 10
"""Segments, or pairs of them, in one pass of a network."""


class Scene(Protocol):
    """The segments found for a label map. The class, and what its methods mean, is in data/sims/scene.py."""

    def queries(self) -> tuple[Tensor, Tensor]: ...
    def shifted(self, shifts: Iterable[tuple[int, int]], /) -> Scene: ...
    def overlaps(self) -> list[tuple[int, int]]: ...
    def pair_labels(self, pairs: Sequence[tuple[int, int]], /) -> Tensor: ...
    def classes(self, pairs: Sequence[tuple[int, int]], /) -> Tensor: ...
    def ordered(self, earlier_in_front: Iterable[tuple[int, int]], /) -> Scene: ...
    def compose(self) -> tuple[Tensor, Tensor]: ...


class SIMSModel(Pix2PixModel):
    """A model that composes canvases itself where its networks A and O decide about segments, which is in tests."""

    @property
    def only_for_losses(self) -> Collection[str]:
        """Photos, and the maps that A and O learn from."""
        return (*super().only_for_losses, *SEGMENT_MAPS)

    def label_layout(self, batch: dict[str, Any]) -> SemanticLayout:
        """The layout of a batch. Scenes in it are replaced by the canvases composed of them."""
        if "scenes" in batch:
            canvases = [self.compose(*pair) for pair in zip(batch.pop("scenes"), batch["labels"])]
            batch[CANVAS], batch[CHANGED_LABELS] = (torch.stack(maps) for maps in zip(*canvases))
        return super().label_layout(batch)

    @torch.no_grad()
    def compose(self, scene: Scene, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The canvas (3, H, W) and the changed labels (H, W) of a scene whose true labels are (H, W), on the CPU.

        Network A, if there is one, first places the segments; then network O orders them.
        """
        layout = SemanticLayout(labels[None].to(self.device), None, self.num_labels)
        if "A" in self.networks:
            scene = scene.shifted(shifts(self.networks["A"], scene, layout))
        if "O" in self.networks:
            scene = scene.ordered(earlier_in_front(self.networks["O"], scene, layout))
        return scene.compose()


def shifts(netA: nn.Module, scene: Scene, layout: SemanticLayout) -> list[tuple[int, int]]:
    """How far down and to the right each segment of a scene moves, in whole pixels.

    Published for Cityscapes, where interpolation hurts: of the affine map only the shift is kept, and rounded.
    """
    segments, masks = (maps.to(layout.device) for maps in scene.queries())
    passes = zip(segments.split(AT_ONCE), masks[:, None].float().split(AT_ONCE))
    maps = [affine_maps(netA, reduce(part), reduce(mask), layout) for part, mask in passes if len(part)]
    factor = 1 << num_stages(layout.size[0])
    # theta says where an output pixel is read, so the segment moves the other way.
    return [(-round(factor * f), -round(factor * c)) for _, _, c, _, _, f in (row for m in maps for row in m.tolist())]


def earlier_in_front(netO: nn.Module, scene: Scene, layout: SemanticLayout) -> list[tuple[int, int]]:
    """The overlaps of a scene whose earlier segment is in front: its class has the larger logit of the two."""
    chosen: list[tuple[int, int]] = []
    overlaps = scene.overlaps()
    for first in range(0, len(overlaps), AT_ONCE):
        pairs = overlaps[first : first + AT_ONCE]
        drawn = scene.pair_labels(pairs)[None].to(layout.device)  # (1, P, H, W)
        logits = order_logits(netO, drawn, layout).cpu()  # (P, num_labels)
        earlier, later = logits.gather(1, scene.classes(pairs)).unbind(dim=1)  # (P,) each
        chosen += [pair for pair, wins in zip(pairs, (earlier > later).tolist()) if wins]
    return chosen


def affine_maps(netA: nn.Module, segments: Tensor, masks: Tensor, layout: SemanticLayout) -> Tensor:
    """The affine maps (N * K, 6) by which K segments of each of N images are aligned.

    Args:
        segments: (N * K, 3, h, w) of `reduce`, in 0..1, black around each.
        masks: (N * K, 1, h, w), 1 where each is wanted.
    """
    semantics = reduce(layout.at(*layout.size)).repeat_interleave(len(segments) // len(layout), dim=0)
    return full_precision(netA(segments, masks, semantics))


def order_logits(netO: nn.Module, pairs: Tensor, layout: SemanticLayout) -> Tensor:
    """Logits (N * P, num_labels) of the class in front, for the classes of P pairs of segments in each of N images.

    Args:
        pairs: (N, P, H, W), -1 around the segments.
    """
    colors = torch.from_numpy(voc_colors(layout.num_labels)).to(pairs.device) / 255
    colors = torch.cat([colors, colors.new_zeros(1, 3)])  # index -1: black
    drawn, scenes = (  # (N * P, 3, h, w), (N, 3, h, w)
        reduce(colors[labels.long()].movedim(-1, 1)) for labels in (pairs.flatten(0, 1), layout.labels)
    )
    return full_precision(netO(drawn, scenes.repeat_interleave(pairs.shape[1], dim=0)))


def reduce(images: Tensor) -> Tensor:
    """Images (N, C, H, W) at the size of the generator's first stage, which is that of the networks about segments."""
    stages = num_stages(images.shape[-2])
    return resize(images, images.shape[-2] >> stages, images.shape[-1] >> stages)


def num_stages(height: int) -> int:
    """Number of stages after the first one: 0 to 511 rows need none, 512 one, 1024 two."""
    return max(0, (height // BASE_HEIGHT).bit_length() - 1)
