"""The segments found for a label map, before networks have said where they lie and which of them are in front."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from data.sims.canvas import Canvas, Segment, compose
from data.sims.components import Component
from data.sims.ordering import NOTHING
from data.sims.roles import Roles


@dataclass(frozen=True)
class Scene:
    """What the canvas of a test is made of.

    Attributes:
        labels: (H, W), the true layout.
        pasted: its components in the order of `back_to_front`, with the segments retrieved for them, or None.
        roles: of the classes.
        smallest: fraction of the image; components are larger.
        seed: of the random pixels of the canvas.
    """

    labels: np.ndarray
    pasted: Sequence[tuple[Component, Segment | None]]
    roles: Roles
    smallest: float
    seed: Sequence[int]

    @property
    def segments(self) -> list[tuple[Component, Segment]]:
        """The components that have a segment, K of them."""
        return [(component, segment) for component, segment in self.pasted if segment is not None]

    def queries(self) -> tuple[Tensor, Tensor]:
        """The segments (K, 3, H, W) in 0..1, black around each, and where they are wanted, (K, H, W) bool."""
        count, size = len(self.segments), self.labels.shape
        pixels, masks = np.empty((count, *size, 3), np.float32), np.empty((count, *size), bool)
        for place, (component, segment) in enumerate(self.segments):
            pixels[place], masks[place] = segment.photo * segment.mask[..., None], component.mask
        return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(masks)  # (K, 3, H, W)

    def shifted(self, shifts: Iterable[tuple[int, int]]) -> Scene:
        """Move the K segments down and to the right by whole pixels, unless that lowers the overlap with the query."""
        moved = [
            max(shift_segment(segment, *shift), segment, key=lambda one: _overlap(component.mask, one.mask))
            for (component, segment), shift in zip(self.segments, shifts, strict=True)
        ]
        return self._with_segments(moved)

    def overlaps(self) -> list[tuple[int, int]]:
        """The pairs of segments of different classes that overlap: the earlier and the later one, in 0..K-1."""
        segments = self.segments
        return [
            (earlier, later)
            for later, (component, segment) in enumerate(segments)
            for earlier, (other, below) in enumerate(segments[:later])
            if component.label != other.label and (segment.mask & below.mask).any()
        ]

    def pair_labels(self, pairs: Sequence[tuple[int, int]]) -> Tensor:
        """Class ids of pairs of segments (P, H, W) int16, the later one over the earlier one, -1 around them."""
        maps = np.full((len(pairs), *self.labels.shape), NOTHING, np.int16)
        for number, pair in enumerate(pairs):
            for place in pair:
                component, segment = self.segments[place]
                maps[number, segment.mask] = component.label
        return torch.from_numpy(maps)

    def classes(self, pairs: Sequence[tuple[int, int]]) -> Tensor:
        """Class ids of pairs of segments, (P, 2) int64."""
        labels = [component.label for component, _ in self.segments]
        return torch.tensor([[labels[earlier], labels[later]] for earlier, later in pairs])

    def ordered(self, earlier_in_front: Iterable[tuple[int, int]]) -> Scene:
        """Cut segments where they lie behind earlier ones.

        Args:
            earlier_in_front: those of `overlaps`, in that order, whose earlier segment is in front. From the later one
                is cut what the earlier one shows after its own cuts.
        """
        segments = [segment for _, segment in self.segments]
        for earlier, later in earlier_in_front:
            mask = segments[later].mask & ~segments[earlier].mask
            segments[later] = segments[later]._replace(mask=mask)
        return self._with_segments(segments)

    def compose(self) -> tuple[Tensor, Tensor]:
        """Paste the segments; see `canvas_maps`."""
        random = np.random.default_rng(self.seed)
        return canvas_maps(compose(self.labels, self.pasted, self.roles, self.smallest, random))

    def _with_segments(self, segments: Iterable[Segment]) -> Scene:
        remaining = iter(segments)
        return replace(
            self, pasted=[(component, None if old is None else next(remaining)) for component, old in self.pasted]
        )


def canvas_maps(canvas: Canvas) -> tuple[Tensor, Tensor]:
    """A canvas (3, H, W) in 0..1, and the labels that fit it, (H, W) int16."""
    return torch.from_numpy(canvas.pixels).permute(2, 0, 1).contiguous(), torch.from_numpy(canvas.labels)


def shift_segment(segment: Segment, down: int, right: int) -> Segment:
    """Move a segment and its photo; what leaves the frame is lost, and what comes in is black and of class 0."""
    return Segment(*(_shift(pixels, down, right) for pixels in segment))


def _shift(pixels: np.ndarray, down: int, right: int) -> np.ndarray:
    """(H, W, ...) moved by whole pixels, with zeros where nothing came from."""
    moved = np.zeros_like(pixels)
    (to_rows, rows), (to_columns, columns) = (
        (slice(max(0, by), max(0, side + by)), slice(max(0, -by), max(0, side - by)))
        for by, side in zip((down, right), pixels.shape)
    )
    moved[to_rows, to_columns] = pixels[rows, columns]
    return moved


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two masks, of which the first one is not empty."""
    return np.count_nonzero(one & other) / np.count_nonzero(one | other)
