"""Layouts that keep their rows of gamma and beta, for many styles of one label map or for edits of it."""

from __future__ import annotations

import torch

from models.networks.generators import SPADEGenerator
from models.networks.layout import SemanticLayout
from models.tables.blocks import TableResnetBlock
from models.tables.sites import Store, store_of

KEPT_BYTES = 2**29
"""Limit on the kept rows, 512 MiB: a 256x256 map of COCO needs some 60 MB."""


@torch.no_grad()
def prepare(netG: SPADEGenerator, layout: SemanticLayout, earlier: SemanticLayout | None = None) -> SemanticLayout:
    """Compute all gamma and beta of a layout in advance; return a copy of it that keeps them.

    They are computed again if the weights have changed since. For a network in evaluation mode; without tables, nothing
    is computed in advance.

    Args:
        earlier: a prepared layout that `layout` is an edit of; rows of neighborhoods that both have are reused.
    """
    prepared = keeping_rows(layout, earlier)
    height, width = netG.latent_size
    for block, scale in netG.stages():
        height, width = scale * height, scale * width
        if isinstance(block, TableResnetBlock):
            block.prepare(prepared, height, width)
    return prepared


def keeping_rows(
    layout: SemanticLayout, earlier: SemanticLayout | None = None, limit: int = KEPT_BYTES
) -> SemanticLayout:
    """A copy of a layout, for which every SPADE layer keeps its rows of gamma and beta.

    Args:
        earlier: a layout that keeps rows; those of neighborhoods that both have are reused.
        limit: bytes of kept rows above which those of earlier layouts are dropped.
    """
    store = None if earlier is None else store_of(earlier)
    if store is None or store.kept_bytes > limit:
        store = Store(keeps_rows=True)
    layout = SemanticLayout(layout.labels, layout.edges, layout.num_labels)
    layout.memo[Store] = store
    return layout
