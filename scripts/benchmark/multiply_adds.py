"""Number of multiply-adds (MACs) of a generator, dense and by table."""

from dataclasses import dataclass

import torch
from torch import nn

from models.networks.blocks import SPADEResnetBlock
from models.networks.generators import SPADEGenerator
from models.networks.layout import SemanticLayout
from models.networks.normalization import SPADE
from models.tables import sites_of


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


def spade_kernel(network: SPADEGenerator) -> int:
    """Kernel size of the modulation layers."""
    assert isinstance(network.head_0, SPADEResnetBlock), "this generator has SPADE in its blocks"
    return network.head_0.norm_0.mlp_gamma.kernel_size[0]


@torch.no_grad()
def count(network: SPADEGenerator, layout: SemanticLayout) -> Counts:
    """Count for one batch of label maps; `rows` depends on the number of distinct neighborhoods."""
    layout = SemanticLayout(layout.labels, layout.edges, layout.num_labels)
    shared = gamma_beta = rows = others = 0
    height, width = network.latent_size
    kernel = spade_kernel(network)
    if network.z_dim is None:
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
