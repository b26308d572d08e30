"""The exported SPADE generator by table: its graph takes the label neighborhoods of a map in place of the map.

Equation 1 as in `models/tables`: gamma and beta are computed once for each distinct neighborhood, and every site looks
its row up. Sizes that depend on the labels are free lengths of inputs here. `generate.neighborhoods` finds the inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from models.networks.blocks import SLOPE, SPADEResnetBlock, upsample
from models.networks.generators import SPADEGenerator
from models.networks.normalization import SPADE
from models.networks.norms import bias_of
from scripts.export.graphs import EXAMPLES, Shapes, trace

OUTSIDE = 0
"""Symbol of positions beyond the border. Others are 1 + label, and num_labels more where there is an edge."""
PARTS = "inner", "outer", "sites"
"""Inputs of each size, in the order of `Neighborhoods`."""


def input_names(sizes: list[list[int]]) -> list[str]:
    """Names of all inputs for sizes [height, width], such as inner_8x16 for maps 8 high and 16 wide."""
    return [f"{part}_{height}x{width}" for height, width in sizes for part in PARTS]


def table_facts(netG: nn.Module) -> dict[str, Any]:
    """What the metadata say of the neighborhoods that a generator of SPADE takes."""
    assert isinstance(netG, SPADEGenerator), "options refuse others"
    height, width = netG.latent_size
    sizes = [[height, width]]
    for _, scale in netG.stages():
        height, width = scale * height, scale * width
        if [height, width] != sizes[-1]:
            sizes.append([height, width])
    gamma = next(module for module in netG.modules() if isinstance(module, SPADE)).mlp_gamma
    return {"kernel": gamma.kernel_size[0], "padding": gamma.padding_mode, "sizes": sizes}


@dataclass(frozen=True)
class Neighborhoods:
    """The neighborhoods of a batch of maps at one size.

    Attributes:
        inner: (V, k * k), symbols in every distinct window of the first convolution; row 0 lies wholly outside.
        outer: (U, k * k), rows of `inner` in every distinct window of the second convolution.
        sites: (N, H, W), the row of `outer` of every site.
    """

    inner: Tensor
    outer: Tensor
    sites: Tensor

    @cached_property
    def is_inside(self) -> Tensor:
        """(V, 1): the second convolution is padded with zeros, not with ReLU(bias)."""
        return (self.inner != OUTSIDE).any(1, keepdim=True)

    @cached_property
    def windows_by_step(self) -> Tensor:
        """(U, k * k), rows of the products (V * k * k, C) that an outer window sums."""
        steps = self.outer.shape[1]
        return self.outer * steps + torch.arange(steps)

    def symbols_by_step(self, count: int) -> Tensor:
        """(V, k * k), rows that an inner window sums of a table with `count` of them, all symbols for each step."""
        steps = self.inner.shape[1]
        return self.inner + count // steps * torch.arange(steps)


class NeighborhoodLayout:
    """Replaces `SemanticLayout` while a generator is traced: neighborhoods by size in place of labels."""

    def __init__(self, neighborhoods: dict[tuple[int, int], Neighborhoods], num_labels: int, edges: bool, dtype):
        self.neighborhoods = neighborhoods
        self.num_labels = num_labels
        self.edges = edges
        self.dtype = dtype

    def at(self, height: int, width: int) -> Tensor:
        """The semantic map (N, channels, height, width), from the middle of every neighborhood."""
        found = self.neighborhoods[height, width]
        middle = found.inner.shape[1] // 2
        symbols = found.inner[:, middle][found.outer[:, middle]][found.sites][:, None]  # (N, 1, height, width)
        labels, edges = (symbols - 1) % self.num_labels, symbols > self.num_labels
        maps = [labels == torch.arange(self.num_labels)[:, None, None], edges]
        return torch.cat(maps if self.edges else maps[:1], dim=1).to(self.dtype)


class TableModulation(nn.Module):
    """The function of a `SPADE` layer in evaluation mode, whose parameters it takes over, for a `NeighborhoodLayout`.

    Of the forms that were timed in ONNX Runtime on a CPU this was the fastest: gamma and beta apart, products before
    the second gather, and modulation with channels last, a layout that its convolutions read and write directly.
    """

    def __init__(self, spade: SPADE):
        super().__init__()
        self.param_free_norm = spade.param_free_norm
        shared = spade.mlp_shared[0]
        assert isinstance(shared, nn.Conv2d), "figure 10: a convolution and a ReLU"
        self.mlp_shared = shared
        self.mlp_gamma, self.mlp_beta = spade.mlp_gamma, spade.mlp_beta

    def forward(self, x: Tensor, layout: NeighborhoodLayout, scale: int = 1, slope: float = 1.0) -> Tensor:
        """Activations (N, C, h, w) -> (N, C, scale * h, scale * w): upsampled by nearest neighbor, and modulated.

        Args:
            slope: negative slope of a leaky ReLU at the end; 1 for none.
        """
        (height, width), channels = x.shape[2:], x.shape[1]
        found = layout.neighborhoods[scale * height, scale * width]
        hidden = self.hidden_rows(found, layout.num_labels)  # (V, hidden)
        factors = rows(hidden, self.mlp_gamma.weight, 1 + bias_of(self.mlp_gamma), found)  # (U, C)
        beta = rows(hidden, self.mlp_beta.weight, bias_of(self.mlp_beta), found)  # (U, C)
        # The statistics of norms are the same before and after upsampling.
        normalized = self.param_free_norm(x).permute(0, 2, 3, 1)  # (N, h, w, C)
        blocks = -1, height, scale, width, scale, channels  # of scale x scale sites for each value of x
        y = normalized[:, :, None, :, None] * F.embedding(found.sites, factors).view(blocks)
        y = y.view(-1, scale * height, scale * width, channels) + F.embedding(found.sites, beta)  # (N, H, W, C)
        y = F.leaky_relu(y, slope) if slope != 1 else y
        return y.permute(0, 3, 1, 2)  # (N, C, H, W)

    def hidden_rows(self, found: Neighborhoods, num_labels: int) -> Tensor:
        """Hidden features (V, hidden) of the inner windows: sums of the first layer's weights, picked by symbol."""
        # In 32 bits also for a generator in 16, which ONNX Runtime cannot add on a CPU.
        weight = self.mlp_shared.weight.float().permute(2, 3, 1, 0).flatten(0, 1)  # (k * k, semantic channels, hidden)
        labels = weight[:, :num_labels]
        symbols = [torch.zeros_like(labels[:, :1]), labels]  # those of OUTSIDE first
        if weight.shape[1] > num_labels:
            symbols.append(labels + weight[:, num_labels:])  # at edges
        table = torch.cat(symbols, dim=1).flatten(0, 1)  # (k * k * symbols, hidden)
        picked = F.embedding(found.symbols_by_step(len(table)), table)  # (V, k * k, hidden)
        hidden = F.relu(picked.sum(1) + bias_of(self.mlp_shared).float()) * found.is_inside.float()
        return hidden.to(self.mlp_gamma.weight.dtype)


def rows(hidden: Tensor, weight: Tensor, bias: Tensor, found: Neighborhoods) -> Tensor:
    """The outputs (U, C) of a convolution of hidden features (V, hidden): products for all steps, then sums of them."""
    matrix = weight.permute(1, 2, 3, 0).flatten(1)  # (hidden, k * k * C)
    products = (hidden @ matrix).view(-1, len(weight))  # (V * k * k, C)
    return F.embedding(found.windows_by_step, products).sum(1) + bias


class TableBlock(nn.Module):
    """The function of a `SPADEResnetBlock` in evaluation mode, whose layers it takes over, for a `NeighborhoodLayout`.

    Upsampling and leaky ReLU become part of modulation. Apart from it, each would cost ONNX Runtime a pass that
    transposes.
    """

    def __init__(self, block: SPADEResnetBlock):
        super().__init__()
        self.conv_0, self.conv_1 = block.conv_0, block.conv_1
        self.norm_0, self.norm_1 = TableModulation(block.norm_0), TableModulation(block.norm_1)
        self.learned_shortcut = block.learned_shortcut
        if self.learned_shortcut:
            self.conv_s, self.norm_s = block.conv_s, TableModulation(block.norm_s)

    def forward(self, x: Tensor, layout: NeighborhoodLayout, scale: int = 1) -> Tensor:
        """(N, in_channels, h, w) -> (N, out_channels, scale * h, scale * w)."""
        residual = self.conv_0(self.norm_0(x, layout, scale, SLOPE))  # (N, middle, H, W)
        residual = self.conv_1(self.norm_1(residual, layout, slope=SLOPE))  # (N, out, H, W)
        if self.learned_shortcut:
            return residual + self.conv_s(self.norm_s(x, layout, scale))
        return residual + upsample(x, scale)


def use_tables(netG: nn.Module) -> nn.Module:
    """Replace in place the blocks of a generator that is only evaluated; return it."""
    for name, block in list(netG.named_children()):
        if type(block) is SPADEResnetBlock:
            setattr(netG, name, TableBlock(block))
        elif isinstance(block, SPADEResnetBlock):  # with its own way to upsample
            for layer, child in list(block.named_children()):
                if isinstance(child, SPADE):
                    setattr(block, layer, TableModulation(child))
    return netG


class TableGraph(nn.Module):
    """The function of an exported generator by table: neighborhoods of every size, and perhaps z, to images.

    Args:
        netG: folded generator after `use_tables`, its weights of type `dtype` where they are not of 8 bits.
        sizes: [height, width] of the neighborhoods, see `table_facts`.
        edges: whether symbols say where instances meet.
    """

    def __init__(self, netG: nn.Module, sizes: list[list[int]], num_labels: int, edges: bool, dtype: torch.dtype):
        super().__init__()
        self.netG = netG
        self.sizes = sizes
        self.num_labels = num_labels
        self.edges = edges
        self.dtype = dtype

    def forward(self, *inputs: Tensor) -> Tensor:
        """Inputs of `input_names`, int64, then z (N, z_dim) float32 if there is one -> (N, 3, H, W) float32."""
        count = len(PARTS)
        found = {
            (height, width): Neighborhoods(*inputs[count * i : count * (i + 1)])
            for i, (height, width) in enumerate(self.sizes)
        }
        layout = NeighborhoodLayout(found, self.num_labels, self.edges, self.dtype)
        z = inputs[count * len(found) :]
        return self.netG(layout, z[0].to(self.dtype) if z else None).float()


def trace_tables(graph: TableGraph, kernel: int, z_dim: int | None) -> tuple[ExportedProgram, Shapes]:
    """Trace a generator by table for any batch size and any numbers of neighborhoods; also say what varies."""
    inputs: dict[str, Tensor] = {}
    shapes: Shapes = {}
    batch = Dim("N")
    for height, width in graph.sizes:
        size = f"{height}x{width}"
        lengths = {part: Dim(f"{part}_windows_{size}") for part in ("inner", "outer")}
        for part, length in lengths.items():
            inputs[f"{part}_{size}"] = torch.zeros(EXAMPLES, kernel**2, dtype=torch.int64)
            shapes[f"{part}_{size}"] = {0: length}
        inputs[f"sites_{size}"] = torch.zeros(EXAMPLES, height, width, dtype=torch.int64)
        shapes[f"sites_{size}"] = {0: batch}
    if z_dim is not None:
        inputs["z"] = torch.zeros(EXAMPLES, z_dim)
        shapes["z"] = {0: batch}
    return trace(graph, tuple(inputs.values()), {}, (tuple(shapes.values()),)), shapes
