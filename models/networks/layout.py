"""Label maps of a batch as the semantic maps that networks take. The only place where labels become channels."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

Value = TypeVar("Value")
NO_CLASS = -1
"""Label of a pixel that has no class, not even the unknown one: outside of a label map that was moved."""
NOISE = "noise"
"""Key of `SemanticLayout.maps`: values that are joined to the semantic map, see `SemanticLayout.with_noise`."""


def instance_edges(instances: Tensor) -> Tensor:
    """Mark every pixel whose instance id differs from one of its four neighbors (both sides of an edge are marked).

    Args:
        instances: instance ids (N, H, W), any integer type.
    Returns:
        (N, H, W) bool.
    """
    edges = torch.zeros_like(instances, dtype=torch.bool)
    across = instances[:, :, 1:] != instances[:, :, :-1]
    down = instances[:, 1:] != instances[:, :-1]
    edges[:, :, 1:] |= across
    edges[:, :, :-1] |= across
    edges[:, 1:] |= down
    edges[:, :-1] |= down
    return edges


class SemanticLayout:
    """Integer labels and instance edges of a batch; hands out the semantic map m of the paper at any resolution.

    The semantic map has `channels`: num_labels one-hot channels, then the edge channel when there is one. Those of a
    layout `with_noise` have the channels of the noise in front.

    Args:
        labels: class ids (N, H, W), any integer type, 0 <= id < num_labels. Unknown pixels are a class of their own.
            All channels are 0 where the label is `NO_CLASS`.
        edges: (N, H, W) bool, or None when the networks are built without instance maps.
        num_labels: channels of the one-hot map, the unknown class included.
        maps: further maps of the samples (N, ...) that some networks take, by name.

    Attributes:
        memo: values computed from the labels so far, by key; see `once`.
    """

    def __init__(self, labels: Tensor, edges: Tensor | None, num_labels: int, maps: Mapping[str, Tensor] | None = None):
        assert labels.dim() == 3 and (edges is None or edges.shape == labels.shape), "labels and edges are (N, H, W)"
        self.labels = labels
        self.edges = edges
        self.num_labels = num_labels
        self.maps = dict(maps or {})
        self.memo: dict[Hashable, Any] = {}

    @classmethod
    def from_instances(
        cls, labels: Tensor, instances: Tensor | None, num_labels: int, maps: Mapping[str, Tensor] | None = None
    ) -> SemanticLayout:
        """Layout with the edges of an instance map (N, H, W), or without an edge channel when it is None."""
        return cls(labels, None if instances is None else instance_edges(instances), num_labels, maps)

    @property
    def channels(self) -> int:
        noise = 0 if self.noise is None else self.noise.shape[1]
        return noise + self.num_labels + (self.edges is not None)

    @property
    def noise(self) -> Tensor | None:
        """What `with_noise` joined to the semantic map; None if nothing."""
        return self.maps.get(NOISE)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the label map."""
        height, width = self.labels.shape[-2:]
        return height, width

    @property
    def device(self) -> torch.device:
        return self.labels.device

    def __len__(self) -> int:
        return self.labels.shape[0]

    def to(self, device: torch.device | str) -> SemanticLayout:
        """The same layout on another device."""
        edges = None if self.edges is None else self.edges.to(device, non_blocking=True)
        maps = {name: tensor.to(device, non_blocking=True) for name, tensor in self.maps.items()}
        return SemanticLayout(self.labels.to(device, non_blocking=True), edges, self.num_labels, maps)

    def split(self, parts: int) -> list[SemanticLayout]:
        """Layouts of equal parts of the batch, in its order; `parts` must divide its length."""
        labels = self.labels.chunk(parts)
        edges = [None] * parts if self.edges is None else self.edges.chunk(parts)
        maps = {name: tensor.chunk(parts) for name, tensor in self.maps.items()}
        return [
            SemanticLayout(labels[i], edges[i], self.num_labels, {name: chunks[i] for name, chunks in maps.items()})
            for i in range(parts)
        ]

    def with_noise(self, z: Tensor) -> SemanticLayout:
        """The same layout with Z more channels in front of its semantic map (OASIS, section 3.3).

        Args:
            z: (N, Z), the same values at every pixel; or (N, Z, H, W), a map as large as that of the labels.
        """
        return SemanticLayout(self.labels, self.edges, self.num_labels, {**self.maps, NOISE: z})

    def once(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """`make()`, called when `key` is asked for the first time; its value is kept as long as the layout."""
        if key not in self.memo:
            self.memo[key] = make()
        return self.memo[key]

    def at(self, height: int, width: int) -> Tensor:
        """The semantic map (N, channels, height, width), float, computed once per size.

        Under autocast it has the 16-bit type that convolutions would cast it to, which is exact for 0 and 1.
        """
        device_type = self.device.type
        autocast = torch.is_autocast_enabled(device_type)
        dtype = torch.get_autocast_dtype(device_type) if autocast else torch.get_default_dtype()
        return self.once(("semantics", height, width, dtype), lambda: self._semantics(height, width, dtype))

    def _semantics(self, height: int, width: int, dtype: torch.dtype) -> Tensor:
        one_hot = self._one_hot(height, width, dtype)
        if self.noise is None:
            return one_hot
        return torch.cat([noise_map(self.noise, height, width).to(dtype), one_hot], dim=1)

    def _one_hot(self, height: int, width: int, dtype: torch.dtype) -> Tensor:
        """Resize, then encode: with nearest neighbor the order does not matter, and no full-size map is needed."""
        labels = resize_nearest(self.labels, height, width).long()[:, None]  # (N, 1, height, width)
        channels = self.num_labels + (self.edges is not None)
        semantics = torch.zeros(len(self), channels, height, width, dtype=dtype, device=labels.device)
        semantics.scatter_(1, labels.clamp(min=0), (labels != NO_CLASS).to(dtype))
        if self.edges is not None:
            semantics[:, -1] = resize_nearest(self.edges, height, width)
        return semantics


class SoftLayout:
    """A semantic map of any values: a blend of two maps, probabilities, or a conditioning image such as a sketch.

    Networks take it in place of a `SemanticLayout`.

    Args:
        semantics: (N, channels, H, W), the edge channel last where the network has one.
        resize: how `at` makes it smaller: "nearest" as label maps, so that one-hot maps give the same as labels; or
            "area", the mean of the pixels that become one, which thin lines survive.
    """

    def __init__(self, semantics: Tensor, resize: str = "nearest"):
        self.semantics = semantics
        self.resize = resize

    @property
    def channels(self) -> int:
        return self.semantics.shape[1]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the map."""
        height, width = self.semantics.shape[-2:]
        return height, width

    @property
    def device(self) -> torch.device:
        return self.semantics.device

    def __len__(self) -> int:
        return len(self.semantics)

    def to(self, device: torch.device | str) -> SoftLayout:
        """The same layout on another device."""
        return SoftLayout(self.semantics.to(device, non_blocking=True), self.resize)

    def split(self, parts: int) -> list[SoftLayout]:
        """Layouts of equal parts of the batch, in its order; `parts` must divide its length."""
        return [SoftLayout(semantics, self.resize) for semantics in self.semantics.chunk(parts)]

    def with_noise(self, z: Tensor) -> SoftLayout:
        """The same map with noise in front; see `SemanticLayout.with_noise`."""
        return SoftLayout(torch.cat([noise_map(z, *self.size), self.semantics], dim=1), self.resize)

    def at(self, height: int, width: int) -> Tensor:
        """The map (N, channels, height, width), resized as `resize` says."""
        if (height, width) == self.size:
            return self.semantics
        return F.interpolate(self.semantics, size=(height, width), mode=self.resize)


Layout = SemanticLayout | SoftLayout
"""What networks take."""


def noise_map(z: Tensor, height: int, width: int) -> Tensor:
    """(N, Z), or (N, Z, H, W) -> (N, Z, height, width), by nearest neighbor as label maps."""
    if z.dim() == 2:
        return z[:, :, None, None].expand(-1, -1, height, width)  # (N, Z, height, width)
    return z if z.shape[-2:] == (height, width) else F.interpolate(z, size=(height, width), mode="nearest")


def resize_nearest(ids: Tensor, height: int, width: int) -> Tensor:
    """(N, H, W) -> (N, height, width) by torch's "nearest" (not "nearest-exact"), as published.

    `interpolate` needs floats, which are exact for ids below 2^24.
    """
    if ids.shape[-2:] == (height, width):
        return ids
    return F.interpolate(ids[:, None].float(), size=(height, width), mode="nearest")[:, 0]
