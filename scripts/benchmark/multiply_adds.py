"""Multiply-adds (MACs) of a generator, dense and by table, and the distinct neighborhoods that they depend on."""

import statistics
from dataclasses import dataclass

import torch
from torch import nn

from models.networks.blocks import SPADEResnetBlock
from models.networks.generators import SPADEGenerator
from models.networks.layout import SemanticLayout
from models.networks.normalization import SPADE
from models.networks.oasis import OASISGenerator
from models.tables import sites_of

Network = SPADEGenerator | OASISGenerator
"""A generator whose blocks have SPADE."""


@dataclass(frozen=True)
class Counts:
    """MACs of one batch.

    Attributes:
        shared, gamma_beta: of the two modulation layers, at every site.
        rows: of the rows of the tables that replace them; sums of rows are additions only and do not count.
        others: of all other convolutions.
    """

    shared: int
    gamma_beta: int
    rows: int
    others: int

    @property
    def dense(self) -> int:
        return self.shared + self.gamma_beta + self.others

    @property
    def table(self) -> int:
        return self.rows + self.others


def spade_kernel(network: Network) -> int:
    """Kernel size of the modulation layers."""
    block, _ = network.stages()[0]
    assert isinstance(block, SPADEResnetBlock), "this generator has SPADE in its blocks"
    return block.norm_0.mlp_gamma.kernel_size[0]


def layout_in_blocks(network: Network, layout: SemanticLayout) -> SemanticLayout:
    """A copy of `layout` with an empty cache, as the blocks of `network` see it: those of OASIS with constant noise."""
    layout = SemanticLayout(layout.labels, layout.edges, layout.num_labels)
    if not isinstance(network, OASISGenerator) or network.z_dim is None:
        return layout
    return layout.with_noise(torch.zeros(len(layout), network.z_dim, device=layout.device))


@torch.no_grad()
def count(network: Network, layout: SemanticLayout) -> Counts:
    """Count for one batch of label maps; `rows` depends on the number of distinct neighborhoods."""
    layout = layout_in_blocks(network, layout)
    shared = gamma_beta = rows = others = 0
    height, width = network.latent_size
    kernel = spade_kernel(network)
    if isinstance(network.fc, nn.Conv2d):
        others += len(layout) * height * width * network.fc.weight.numel()
    for block, scale in network.stages():
        height, width = scale * height, scale * width
        sites = len(layout) * height * width
        table = sites_of(layout, height, width, kernel, always=True)
        inner = len(table.neighborhoods.inner) if table else 0
        for module in block.children():
            if isinstance(module, nn.Conv2d):
                others += sites * module.weight.numel()
            elif isinstance(module, SPADE):
                both = 2 * module.mlp_gamma.weight.numel()
                shared += sites * module.mlp_shared.get_parameter("0.weight").numel()
                gamma_beta += sites * both
                rows += inner * both
    others += len(layout) * height * width * network.conv_img.weight.numel()
    return Counts(shared, gamma_beta, rows, others)


def fraction_table(layouts: list[SemanticLayout], network: Network) -> list[str]:
    """Markdown: distinct neighborhoods as a fraction of the sites, at every size of the network."""
    sizes, (height, width) = [], network.latent_size
    for _, scale in network.stages():
        height, width = scale * height, scale * width
        if (height, width) not in sizes:
            sizes.append((height, width))
    kernel = spade_kernel(network)
    inner, outer = [], []
    for size in sizes:
        height, width = size
        found = (sites_of(layout_in_blocks(network, layout), height, width, kernel, always=True) for layout in layouts)
        all_sites = [sites for sites in found if sites]
        inner.append(statistics.mean((len(sites.neighborhoods.inner) - 1) / sites.ids.numel() for sites in all_sites))
        outer.append(statistics.mean(sites.fraction_new for sites in all_sites))
    return [
        f"| distinct neighborhoods | {' | '.join(f'{width}x{height}' for height, width in sizes)} |",
        "|---" * (len(sizes) + 1) + "|",
        f"| of {kernel}x{kernel} labels | {' | '.join(f'{fraction:.2f}' for fraction in inner)} |",
        f"| of {2 * kernel - 1}x{2 * kernel - 1} labels | {' | '.join(f'{fraction:.2f}' for fraction in outer)} |",
        "",
    ]
