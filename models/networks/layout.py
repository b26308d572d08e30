"""The label map of a batch as the networks ask for it. The only place where labels become channels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from models.tables.neighborhoods import Neighborhoods, Sites, TooManyNeighborhoodsError

MOST_NEW = 0.9
"""Distinct neighborhoods, as a share of all sites, from which on the dense path is faster and smaller."""
KEPT_BYTES = 2**29
"""Rows that layouts keep for later ones: a 256x256 map of COCO needs some 60 MB."""
FEW_SITES = 256
"""Maps of so few sites never need the dense path, however many distinct neighborhoods they have."""


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

    Args:
        labels: class ids (N, H, W), any integer type, 0 <= id < num_labels. Unknown pixels are a class of their own.
        edges: (N, H, W) bool, or None when the networks are built without instance maps.
        num_labels: channels of the one-hot map, the unknown class included.
        modulation: "dense" for the two convolutions of eq. 1 at every site, "table" for one row of a table for each
            distinct neighborhood, None for tables wherever they are known to be faster. The images are the same.

    The semantic map has `channels` = num_labels one-hot channels, then the edge channel when there is one.
    """

    def __init__(self, labels: Tensor, edges: Tensor | None, num_labels: int, modulation: str | None = None):
        assert labels.dim() == 3 and (edges is None or edges.shape == labels.shape), "labels and edges are (N, H, W)"
        self.labels = labels
        self.edges = edges
        self.num_labels = num_labels
        self.modulation = modulation
        self._semantics: dict[tuple[int, int, torch.dtype], Tensor] = {}
        self._present: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
        self._neighborhoods: dict[tuple[int, int, int], Neighborhoods] = {}
        self._sites: dict[tuple[int, int, int], Sites | None] = {}
        self._keep = False

    @classmethod
    def from_instances(
        cls, labels: Tensor, instances: Tensor | None, num_labels: int, modulation: str | None = None
    ) -> SemanticLayout:
        """Layout with the edges of an instance map (N, H, W), or without an edge channel when it is None."""
        return cls(labels, None if instances is None else instance_edges(instances), num_labels, modulation)

    @property
    def channels(self) -> int:
        return self.num_labels + (self.edges is not None)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the label map."""
        return tuple(self.labels.shape[-2:])

    @property
    def device(self) -> torch.device:
        return self.labels.device

    def __len__(self) -> int:
        return self.labels.shape[0]

    def to(self, device: torch.device | str) -> SemanticLayout:
        """The same layout on another device."""
        edges = None if self.edges is None else self.edges.to(device, non_blocking=True)
        return SemanticLayout(self.labels.to(device, non_blocking=True), edges, self.num_labels, self.modulation)

    def at(self, height: int, width: int) -> Tensor:
        """The semantic map (N, channels, height, width), float, made once per size and kept.

        Labels are resized before they become one-hot: nearest neighbor picks pixels, so the order does not matter
        and the full-size map is never needed. The rule is torch's "nearest" (not "nearest-exact"), as published.
        Under autocast the map, which holds only 0 and 1, comes in the 16 bits that convolutions would make of it.
        """
        device_type = self.device.type
        autocast = torch.is_autocast_enabled(device_type)
        dtype = torch.get_autocast_dtype(device_type) if autocast else torch.get_default_dtype()
        if (height, width, dtype) not in self._semantics:
            labels = _resize_nearest(self.labels, height, width).long()
            semantics = torch.zeros(len(self), self.channels, height, width, dtype=dtype, device=labels.device)
            semantics.scatter_(1, labels[:, None], 1.0)
            if self.edges is not None:
                semantics[:, -1] = _resize_nearest(self.edges, height, width)
            self._semantics[height, width, dtype] = semantics
        return self._semantics[height, width, dtype]

    def present(self, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Those channels of the semantic map (N, P, height, width) whose labels occur, and which they are, (P,)."""
        if (height, width) not in self._present:
            labels = _resize_nearest(self.labels, height, width).long()
            channels = torch.unique(labels)
            semantics = (labels[:, None] == channels[:, None, None]).to(torch.get_default_dtype())
            if self.edges is not None:
                edges = _resize_nearest(self.edges, height, width)[:, None].to(semantics.dtype)
                semantics = torch.cat([semantics, edges], dim=1)
                channels = torch.cat([channels, channels.new_tensor([self.channels - 1])])
            self._present[height, width] = semantics, channels
        return self._present[height, width]

    def sites(self, height: int, width: int, kernel: int) -> Sites | None:
        """The neighborhood of every site at one size, for two k x k convolutions in a row; made once and kept.

        None where the two convolutions themselves are the better way: noise-like maps, whose neighborhoods are all
        different; while torch.compile traces, which cannot follow tables; and on devices on which tables have not
        been measured to be faster, unless they are asked for.
        """
        if not self.by_table:
            return None
        key = height, width, kernel
        if key not in self._sites:
            self._sites[key] = self._find_sites(key)
        return self._sites[key]

    def _find_sites(self, key: tuple[int, int, int]) -> Sites | None:
        height, width, kernel = key
        neighborhoods = self._neighborhoods.setdefault(key, Neighborhoods(kernel, self._keep))
        labels = _resize_nearest(self.labels, height, width)
        edges = None if self.edges is None else _resize_nearest(self.edges, height, width)
        try:
            sites = neighborhoods.sites(labels, edges)
        except TooManyNeighborhoodsError:
            del self._neighborhoods[key]
            return None
        pays = sites.share < MOST_NEW or height * width <= FEW_SITES
        return sites if pays or self.modulation == "table" else None

    @property
    def by_table(self) -> bool:
        """Whether networks may make use of what repeats itself in the labels."""
        if torch.compiler.is_compiling() or self.modulation == "dense":
            return False
        return self.modulation == "table" or self.device.type == "cpu"

    def keeping_rows(self, earlier: SemanticLayout | None = None, limit: int = KEPT_BYTES) -> SemanticLayout:
        """The same layout, for which every SPADE layer keeps its rows of gamma and beta.

        Args:
            earlier: a layout that keeps rows; those of neighborhoods that both have are used again.
            limit: bytes of kept rows above which those of earlier layouts are given up.
        """
        layout = SemanticLayout(self.labels, self.edges, self.num_labels, self.modulation)
        layout._keep = True
        if earlier is not None and earlier.kept_bytes <= limit:
            layout._neighborhoods = earlier._neighborhoods
        return layout

    @property
    def kept_bytes(self) -> int:
        """Memory of the kept rows."""
        return sum(neighborhoods.kept_bytes for neighborhoods in self._neighborhoods.values())

    def split(self, parts: int) -> list[SemanticLayout]:
        """Layouts of equal shares of the batch, in its order; `parts` must divide its length."""
        labels = self.labels.chunk(parts)
        edges = [None] * parts if self.edges is None else self.edges.chunk(parts)
        return [SemanticLayout(*both, self.num_labels, self.modulation) for both in zip(labels, edges)]


class SoftLayout:
    """A semantic map of any numbers, such as the probabilities of a segmentation network or a mixture of two maps.

    Serves generators wherever a `SemanticLayout` does. It has no labels, so its modulation is always dense.

    Args:
        semantics: (N, channels, H, W), the edge channel last where the network has one.
    """

    def __init__(self, semantics: Tensor):
        self.semantics = semantics

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the map."""
        return tuple(self.semantics.shape[-2:])

    @property
    def device(self) -> torch.device:
        return self.semantics.device

    def __len__(self) -> int:
        return len(self.semantics)

    def at(self, height: int, width: int) -> Tensor:
        """The map (N, channels, height, width), resized as that of labels is."""
        return F.interpolate(self.semantics, size=(height, width), mode="nearest")

    def sites(self, height: int, width: int, kernel: int) -> None:
        """Nothing repeats itself for certain."""
        return None


def _resize_nearest(ids: Tensor, height: int, width: int) -> Tensor:
    """(N, H, W) -> (N, height, width). Through float, which `interpolate` wants; exact for ids below 2^24."""
    if ids.shape[-2:] == (height, width):
        return ids
    return F.interpolate(ids[:, None].float(), size=(height, width), mode="nearest")[:, 0]
