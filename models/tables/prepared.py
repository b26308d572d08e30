"""Layouts with their rows of gamma and beta kept: for many styles of one label map, or for edits of it."""

from __future__ import annotations

import torch

from models.networks.generators import SPADEGenerator
from models.networks.layout import SemanticLayout
from models.tables.blocks import TableResnetBlock
from models.tables.sites import Store, store_of

KEPT_BYTES = 2**29
"""Rows that layouts keep for later ones: a 256x256 map of COCO needs some 60 MB."""


@torch.no_grad()
def prepare(netG: SPADEGenerator, layout: SemanticLayout, earlier: SemanticLayout | None = None) -> SemanticLayout:
    """The same layout with all that depends on it alone computed and kept; without tables, just the same layout.

    Its gamma and beta are computed anew if the weights have changed since. For a network in evaluation mode.

    Args:
        earlier: a prepared layout; what an edit of it has left as it was is not computed again.
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
    """The same layout, for which every SPADE layer keeps its rows of gamma and beta.

    Args:
        earlier: a layout that keeps rows; those of neighborhoods that both have are used again.
        limit: bytes of kept rows above which those of earlier layouts are given up.
    """
    store = None if earlier is None else store_of(earlier)
    if store is None or store.kept_bytes > limit:
        store = Store(keeps_rows=True)
    layout = SemanticLayout(layout.labels, layout.edges, layout.num_labels)
    layout.memo[Store] = store
    return layout
