"""Finds the sites of a label map at which two k x k convolutions in a row have equal outputs.

The first layer of SPADE's modulation network sees k x k labels, the second k x k of the first one's outputs. At sites
where these neighborhoods of labels are equal, so are gamma and beta. Real label maps have few distinct neighborhoods:
with k = 3, a 256x256 map of COCO-Stuff has a tenth as many as sites, so a table saves nine tenths of the work, with the
same result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

OUTSIDE = 0
"""Id of positions beyond the border of a map, where convolutions see zeros if padded so. Other ids start at 1."""
BITS = 21
"""Three ids below 2^21 fit into one int64: at most two million distinct neighborhoods at each size."""
PIECE = 256
"""Most sites in one bag of a sum. Bags run in parallel; a single one would hold most sites of a map of one class."""


class TooManyNeighborhoodsError(OverflowError):
    """There are more distinct values than ids."""


class Numbering:
    """Gives every distinct value an id, counted from 1: equal values get equal ids, also in later calls."""

    def __init__(self):
        self._known: tuple[Tensor, Tensor] | None = None  # sorted values, and their ids

    def __len__(self) -> int:
        return 0 if self._known is None else len(self._known[0])

    def of(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """The ids of int64 values, in their shape, and a flat index of each new value, in order of id."""
        distinct, inverse = torch.unique(values, return_inverse=True)
        if self._known is None:
            numbers = torch.arange(1, len(distinct) + 1, device=values.device)
            self._known = distinct, numbers
            new = distinct.new_ones(len(distinct), dtype=torch.bool)
        else:
            known, known_numbers = self._known
            place = torch.searchsorted(known, distinct).clamp(max=len(known) - 1)
            new = known[place] != distinct
            numbers = known_numbers[place]
            numbers[new] = len(known) + torch.arange(1, int(new.sum()) + 1, device=values.device)
            known, order = torch.cat([known, distinct[new]]).sort()
            self._known = known, torch.cat([known_numbers, numbers[new]])[order]
        if len(self) >= 2**BITS:
            raise TooManyNeighborhoodsError
        first = torch.empty_like(distinct)
        first[inverse.flatten()] = torch.arange(values.numel(), device=values.device)  # of any occurrence
        return numbers[inverse], first[new]


class Windows:
    """Assigns an id to every distinct k x k window of maps of ids, and keeps its contents.

    Args:
        padding_mode: of the convolution that sees the windows: "zeros" or "replicate".
    """

    def __init__(self, kernel: int, padding_mode: str = "zeros"):
        self.kernel = kernel
        self.padding_mode = padding_mode
        self._numberings: dict[tuple[int, int], Numbering] = {}
        self._contents: Tensor | None = None

    def of(self, numbers: Tensor) -> Tensor:
        """The ids (N, h, w) of the windows around every site of maps (N, h, w)."""
        lines, _ = self._lines(numbers, dim=2)
        windows, new = self._lines(lines, dim=1)
        self._append(numbers, new)
        return windows

    @property
    def contents(self) -> Tensor:
        """(count + 1, k * k) ids, row by row, after the first map; window 0 (`OUTSIDE`) lies wholly outside."""
        assert self._contents is not None, "there has been no map"
        return self._contents

    def __len__(self) -> int:
        """The number of windows, including the one outside."""
        return 1 if self._contents is None else len(self._contents)

    def _lines(self, numbers: Tensor, dim: int) -> tuple[Tensor, Tensor]:
        """Ids of k adjacent values along `dim`, packed into one integer as many at a time as fit."""
        if self.kernel == 1 and dim == 2:
            return numbers, numbers
        padded = self._pad(numbers, dim)
        neighbors = [padded.narrow(dim, i, numbers.shape[dim]) for i in range(self.kernel)]
        line = new = neighbors[0]
        for first in range(1, max(self.kernel, 2), 2):
            for neighbor in neighbors[first : first + 2]:
                line = (line << BITS) | neighbor
            line, new = self._numberings.setdefault((dim, first), Numbering()).of(line)
        return line, new

    def _append(self, numbers: Tensor, new: Tensor) -> None:
        """Add the contents of the windows around the sites `new`, flat indices."""
        padded = self._pad(self._pad(numbers, dim=2), dim=1)
        height, width = numbers.shape[1:]
        map_, row, column = new // (height * width), new // width % height, new % width
        steps = torch.arange(self.kernel, device=new.device)
        rows, columns = row[:, None, None] + steps[:, None], column[:, None, None] + steps
        contents = padded[map_[:, None, None], rows, columns].flatten(1)  # (new, k * k)
        before = contents.new_full((1, self.kernel**2), OUTSIDE) if self._contents is None else self._contents
        self._contents = torch.cat([before, contents])

    def _pad(self, numbers: Tensor, dim: int) -> Tensor:
        """Maps (N, h, w) with what the convolution sees before and after them along `dim`."""
        margin, size = self.kernel // 2, numbers.shape[dim]
        if self.padding_mode == "replicate":  # F.pad does not replicate integers on GPUs
            places = torch.arange(-margin, size + margin, device=numbers.device)
            return numbers.index_select(dim, places.clamp(0, size - 1))
        return F.pad(numbers, (margin, margin) if dim == 2 else (0, 0, margin, margin), value=OUTSIDE)


class Neighborhoods:
    """The distinct neighborhoods of all maps so far, at one size of the maps.

    Args:
        kernel, padding_mode: of the two convolutions.
        keep: whether to keep rows of gamma and beta.

    Attributes:
        inner: windows of symbols, which are pairs of label and edge; each has one row of hidden features. Where there
            is noise, equal pairs of different samples are different symbols.
        outer: windows of inner windows; each has one row of gamma and beta.
        labels, edges, samples: of every symbol but the one outside, in order of id; edges are 0 or 1, samples places in
            the batch. Set by `sites`.
        kept: rows of gamma and beta by layer, or None if none are kept.
    """

    labels: Tensor
    edges: Tensor
    samples: Tensor

    def __init__(self, kernel: int, keep: bool = False, padding_mode: str = "zeros"):
        self.inner = Windows(kernel, padding_mode)
        self.outer = Windows(kernel, padding_mode)
        self.kept: dict[object, KeptRows] | None = {} if keep else None
        self._symbols = Numbering()
        self._windows: tuple[tuple[int, int], tuple[Tensor, Tensor]] | None = None
        self._gathered: tuple[tuple[int, int], tuple[Tensor, Tensor]] | None = None

    def sites(self, labels: Tensor, edges: Tensor | None, noise: Tensor | None = None) -> Sites:
        """The neighborhood of every site of maps (N, h, w).

        Args:
            noise: (N, Z), a vector that stands in front of the semantic map at every pixel of its sample. Only an
                object without kept rows takes it.
        Raises:
            TooManyNeighborhoodsError: there are 2^21 distinct ones or more; the object cannot be used afterwards.
        """
        assert noise is None or self.kept is None, "the rows of noise serve one batch"
        symbols = labels.long() * 2 if edges is None else labels.long() * 2 + edges.long()
        samples = torch.arange(len(labels), device=labels.device)
        is_first = len(self._symbols) == 0
        numbers, new = self._symbols.of(symbols if noise is None else symbols + (samples << 32)[:, None, None])
        values = symbols.flatten()[new]
        owners = samples[new // symbols[0].numel()]
        self.labels = values // 2 if is_first else torch.cat([self.labels, values // 2])
        self.edges = values % 2 if is_first else torch.cat([self.edges, values % 2])
        self.samples = owners if is_first else torch.cat([self.samples, owners])
        before = len(self.outer)
        ids = self.outer.of(self.inner.of(numbers))
        return Sites(self, ids, (len(self.outer) - before) / ids.numel(), noise)

    def windows(self, first: int) -> tuple[Tensor, Tensor]:
        """Contents of the outer windows from id `first` on, and of the inner windows that occur in them.

        The result is computed once for all layers of one size.

        Returns:
            inner (V, k * k), ids of symbols; outer (U, k * k), indices into inner.
        """
        key = first, len(self.outer)
        if self._windows is None or self._windows[0] != key:
            inner, outer = self.inner.contents, self.outer.contents[first:]
            if first:  # a few new outer windows need a few of the inner ones
                needed, outer = torch.unique(outer, return_inverse=True)
                inner = inner[needed]
            self._windows = key, (inner, outer)
        return self._windows[1]

    def gathered(self, first: int) -> tuple[Tensor, Tensor]:
        """For every step s and inner window v of `windows(first)`, the outer windows that have v at s.

        The result is computed once for all layers of one size.

        Returns:
            indices of outer windows, sorted by s, then by v; where those of (s, v) start in them, (k * k * V,).
        """
        key = first, len(self.outer)
        if self._gathered is None or self._gathered[0] != key:
            inner, outer = self.windows(first)  # (V, k * k), (U, k * k)
            steps = outer.shape[1]
            places = (outer + len(inner) * torch.arange(steps, device=outer.device)).flatten()  # (U * k * k,)
            counts = torch.bincount(places, minlength=steps * len(inner))
            self._gathered = key, (places.argsort(stable=True) // steps, counts.cumsum(0) - counts)
        return self._gathered[1]

    @property
    def kept_bytes(self) -> int:
        """Bytes of the kept rows."""
        return sum(rows.bytes for rows in (self.kept or {}).values())


class KeptRows:
    """Rows of one layer in a buffer that grows with the neighborhoods, by half at a time, so that copies are rare."""

    def __init__(self):
        self._buffer: Tensor | None = None
        self._count = 0
        self._stamp: object = None

    def up_to(self, count: int, stamp: object, compute: Callable[[int], Tensor]) -> Tensor:
        """The first `count` rows; `compute(first)` makes the missing ones, or all if the `stamp` has changed."""
        if stamp != self._stamp:
            self._stamp, self._count = stamp, 0
        buffer = self._buffer
        if buffer is None or self._count < count:
            rows = compute(self._count)
            if buffer is None or self._count == 0:
                buffer = rows
            else:
                if count > len(buffer):
                    grown = rows.new_empty(count + count // 2, rows.shape[1])
                    grown[: self._count] = buffer[: self._count]
                    buffer = grown
                buffer[self._count : count] = rows
            self._buffer, self._count = buffer, count
        return buffer[:count]

    @property
    def bytes(self) -> int:
        """Size of the buffer."""
        return 0 if self._buffer is None else self._buffer.nbytes


@dataclass(frozen=True)
class Sites:
    """The neighborhoods of the sites of one batch of maps.

    Attributes:
        ids: (N, h, w), ids of outer windows.
        fraction_new: new neighborhoods as a fraction of the sites: near 0 tables save almost all work, near 1 none.
        noise: (N, Z), in front of the semantic map of each sample, or None.
    """

    neighborhoods: Neighborhoods
    ids: Tensor
    fraction_new: float
    noise: Tensor | None = None

    @cached_property
    def by_neighborhood(self) -> tuple[Tensor, Tensor, Tensor]:
        """The sites sorted by neighborhood, in pieces of at most `PIECE` sites of one neighborhood.

        Returns:
            Flat indices of the sites in order of neighborhood; start of each piece in them; first piece of each
            neighborhood.
        """
        ids = self.ids.flatten()  # (N * h * w,)
        order = ids.argsort(stable=True)
        counts = torch.bincount(ids, minlength=len(self.neighborhoods.outer))
        pieces = (counts + PIECE - 1) // PIECE
        first_piece = pieces.cumsum(0) - pieces
        owner = torch.repeat_interleave(torch.arange(len(counts), device=ids.device), pieces)
        within = torch.arange(len(owner), device=ids.device) - first_piece[owner]
        return order, (counts.cumsum(0) - counts)[owner] + within * PIECE, first_piece

    def sum_by_neighborhood(self, values: Tensor) -> Tensor:
        """(sites, C) -> (neighborhoods, C): sums over the sites of each, always in the same order (deterministic)."""
        order, piece_starts, first_piece = self.by_neighborhood
        parts = F.embedding_bag(order, values, piece_starts, mode="sum")
        return F.embedding_bag(torch.arange(len(parts), device=parts.device), parts, first_piece, mode="sum")
