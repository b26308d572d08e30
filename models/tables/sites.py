"""Decides where tables are used, and finds the neighborhoods of a layout, once for each size."""

from __future__ import annotations

from typing import TypeGuard

import torch

from models.networks.layout import SemanticLayout, resize_nearest
from models.tables.neighborhoods import Neighborhoods, Sites, TooManyNeighborhoodsError

MOST_NEW = 0.9
"""Distinct neighborhoods, as a fraction of all sites, from which on the dense path is faster and needs less memory."""
FEW_SITES = 256
"""Maps of at most this many sites never take the dense path, however many distinct neighborhoods they have."""


class Store:
    """The neighborhoods of one or more layouts, by (height, width, kernel, padding mode).

    Args:
        keeps_rows: whether it also keeps the rows of gamma and beta of SPADE layers.
    """

    def __init__(self, keeps_rows: bool = False):
        self.keeps_rows = keeps_rows
        self.neighborhoods: dict[tuple[int, int, int, str], Neighborhoods] = {}

    @property
    def kept_bytes(self) -> int:
        """Bytes of the kept rows."""
        return sum(neighborhoods.kept_bytes for neighborhoods in self.neighborhoods.values())


def store_of(layout: SemanticLayout) -> Store:
    """The store of a layout, created empty at the first call."""
    return layout.once(Store, Store)


def may_use_tables(layout: object, always: bool) -> TypeGuard[SemanticLayout]:
    """Whether networks may take the fast path.

    Not for a `SoftLayout`, nor while torch.compile traces, which cannot follow sizes that depend on the labels, nor,
    unless `always`, on GPUs, where tables have not been measured to be faster.
    """
    if torch.compiler.is_compiling() or not isinstance(layout, SemanticLayout):
        return False
    return always or layout.device.type == "cpu"


def sites_of(
    layout: object, height: int, width: int, kernel: int, always: bool = False, padding_mode: str = "zeros"
) -> Sites | None:
    """The neighborhood of every site of a layout at one size, for two k x k convolutions in a row; computed once.

    Args:
        always: use tables on every device and for noise-like maps.
        padding_mode: of both convolutions.
    Returns:
        None where the dense path is better: see `may_use_tables`; also for noise-like maps, whose neighborhoods are
        nearly all different; and for layouts with noise that is not the same at every pixel.
    """
    if not may_use_tables(layout, always) or (layout.noise is not None and layout.noise.dim() > 2):
        return None
    key = "sites", height, width, kernel, always, padding_mode
    return layout.once(key, lambda: _find_sites(layout, height, width, kernel, always, padding_mode))


def _find_sites(
    layout: SemanticLayout, height: int, width: int, kernel: int, always: bool, padding_mode: str
) -> Sites | None:
    store, key = store_of(layout), (height, width, kernel, padding_mode)
    neighborhoods = store.neighborhoods.setdefault(key, Neighborhoods(kernel, store.keeps_rows, padding_mode))
    labels = resize_nearest(layout.labels, height, width)
    edges = None if layout.edges is None else resize_nearest(layout.edges, height, width)
    try:
        sites = neighborhoods.sites(labels, edges, layout.noise)
    except TooManyNeighborhoodsError:
        del store.neighborhoods[key]
        return None
    pays = sites.fraction_new < MOST_NEW or height * width <= FEW_SITES
    return sites if pays or always else None
