"""The exported networks: functions of tensors, with folded norms and without code for training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from models import METHODS
from models.networks.encoder import ConvEncoder
from models.networks.generators import SPADEGenerator
from options.networks import SPADE_GENERATORS

EXAMPLES = 2  # samples in the traced batch; 1 would be specialized to a constant
Shapes = dict[str, dict[int, object]]


class ExportLayout:
    """Replaces `SemanticLayout` while a generator is traced, using operations that every runtime has.

    The one-hot map is a comparison with 0, 1, 2, ...; ids that are no class get no channel. The generators ask for
    sizes that divide the layout's. There torch's "nearest" picks every k-th pixel, which slicing does here.

    Args:
        labels: class ids (N, H, W) int64.
        edges: (N, H, W) bool, or None when the networks are built without instance maps.
        num_labels: channels of the one-hot map, the unknown class included.
        dtype: of the semantic maps.
        noise: (N, Z), the first channels at every pixel, or None.
    """

    def __init__(
        self, labels: Tensor, edges: Tensor | None, num_labels: int, dtype: torch.dtype, noise: Tensor | None = None
    ):
        self.labels = labels
        self.edges = edges
        self.num_labels = num_labels
        self.dtype = dtype
        self.noise = noise
        self._semantics: dict[tuple[str, str], Tensor] = {}

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the label map."""
        height, width = self.labels.shape[-2:]
        return height, width

    def __len__(self) -> int:
        return self.labels.shape[0]

    @property
    def device(self) -> torch.device:
        return self.labels.device

    def with_noise(self, z: Tensor) -> ExportLayout:
        """The same layout with z (N, Z) in front of its channels, as that of `SemanticLayout`."""
        return ExportLayout(self.labels, self.edges, self.num_labels, self.dtype, z)

    def at(self, height: int, width: int) -> Tensor:
        """The semantic map (N, channels, height, width), once per size: the graph has it once, too."""
        size = str(height), str(width)  # while a graph with free sizes is traced, they are terms such as 4*s1
        if size not in self._semantics:
            self._semantics[size] = self._make(height, width)
        return self._semantics[size]

    def _make(self, height: int, width: int) -> Tensor:
        rows, columns = self.size
        down, across = int(rows // height), int(columns // width)
        assert (down * height, across * width) == (rows, columns), "sizes divide the layout's"
        classes = torch.arange(self.num_labels, device=self.labels.device)
        maps = [(self.labels[:, None, ::down, ::across] == classes[:, None, None]).to(self.dtype)]
        if self.edges is not None:
            maps.append(self.edges[:, None, ::down, ::across].to(self.dtype))
        if self.noise is not None:
            maps.insert(0, self.noise[:, :, None, None].expand(-1, -1, height, width))  # (N, Z, height, width)
        return torch.cat(maps, dim=1) if len(maps) > 1 else maps[0]


class AnySizeSPADEGenerator(SPADEGenerator):
    """A generator without latent whose images have the size of the layout, instead of the training size."""

    def first_map(self, layout: ExportLayout, z: None) -> Tensor:
        """The first feature map (N, 16 ngf, H / scale, W / scale)."""
        height, width = layout.size
        return self.fc(layout.at(height // self.scale, width // self.scale))


class GeneratorGraph(nn.Module):
    """The function of an exported generator: labels, perhaps edges and z, to images.

    Args:
        netG: folded generator, its weights of type `dtype` where they are not of 8 bits.
        num_labels: channels of the one-hot map.
        network_labels: labels of the data set -> those of the generator, see `Pix2PixModel.network_labels`.
        dtype: of the computation; inputs and outputs have 32 bits.
    """

    def __init__(
        self, netG: nn.Module, num_labels: int, network_labels: Callable[[Tensor], Tensor], dtype: torch.dtype
    ):
        super().__init__()
        self.netG = netG
        self.num_labels = num_labels
        self.network_labels = network_labels
        self.dtype = dtype

    def forward(self, labels: Tensor, edges: Tensor | None = None, z: Tensor | None = None) -> Tensor:
        """(N, H, W) int64, (N, H, W) bool, (N, z_dim) float32 -> (N, 3, H, W) float32 in [-1, 1]."""
        layout = ExportLayout(self.network_labels(labels), edges, self.num_labels, self.dtype)
        return self.netG(layout, None if z is None else z.to(self.dtype)).float()


class EncoderGraph(nn.Module):
    """The function of an exported encoder: the mean of the latent's distribution for a photo, as test.py uses it."""

    def __init__(self, netE: ConvEncoder):
        super().__init__()
        self.netE = netE

    def forward(self, style: Tensor) -> Tensor:
        """Photos (N, 3, h, w) float32 in [-1, 1] of any size -> z (N, z_dim), which is mu."""
        size = (self.netE.input_size, self.netE.input_size)
        # Here, and not in the network alone: that asks for the size first, and a graph cannot.
        return self.netE(F.interpolate(style, size=size, mode="bilinear", align_corners=False))[0]


@dataclass(frozen=True)
class Sizes:
    """Which heights and widths a generator can make.

    Attributes:
        trained: (height, width) in pixels.
        unit: other sizes are multiples of this.
        smallest: side in pixels, a multiple of `unit`.
    """

    trained: tuple[int, int]
    unit: int
    smallest: int

    @classmethod
    def of(cls, opt) -> Sizes:
        """The sizes of the generator that the options describe."""
        if opt.method not in SPADE_GENERATORS:
            method = METHODS[opt.method].load()
            return cls(opt.size, method.size_step(opt)[0], method.smallest_side(opt))
        if opt.netG == "spade":
            unit = 2**opt.upsamplings
            # One unit would be a first feature map of 1x1, which instance norm makes 0, and torch.export a constant.
            return cls(opt.size, unit, 2 * unit)
        unit = 2**opt.resnet_n_downsample
        # Reflection needs more pixels than it adds: in the blocks, at the beginning, and 3 at the end.
        blocks = max(2, opt.resnet_kernel_size // 2 + 1)
        ends = max(opt.resnet_initial_kernel_size // 2, 3) + 1
        return cls(opt.size, unit, unit * max(blocks, -(-ends // unit)))


def trace_generator(
    graph: GeneratorGraph, sizes: Sizes, edges: bool, z_dim: int | None, dynamic_size: bool
) -> tuple[ExportedProgram, Shapes]:
    """Trace a generator for any batch size and one size of images, or any that `sizes` has; also say what varies."""
    height, width = sizes.trained
    site: dict[int, object] = {0: Dim("N")}
    if dynamic_size:
        # Unequal and not the smallest, so that tracing does not specialize to equal or smallest sides.
        height, width = sizes.smallest + sizes.unit, sizes.smallest + 2 * sizes.unit
        site |= {1: _multiple("height", sizes), 2: _multiple("width", sizes)}
    inputs = {"labels": torch.zeros(EXAMPLES, height, width, dtype=torch.int64)}
    shapes: Shapes = {"labels": site}
    if edges:
        inputs["edges"] = torch.zeros(EXAMPLES, height, width, dtype=torch.bool)
        shapes["edges"] = site
    if z_dim is not None:
        inputs["z"] = torch.zeros(EXAMPLES, z_dim)
        shapes["z"] = {0: site[0]}
    return trace(graph, (), inputs, shapes), shapes


def trace_encoder(graph: EncoderGraph) -> tuple[ExportedProgram, Shapes]:
    """Trace an encoder for any number of photos of any size; also say what varies."""
    size = graph.netE.input_size
    shapes: Shapes = {"style": {0: Dim("N"), 2: Dim("height", min=2), 3: Dim("width", min=2)}}
    return trace(graph, (), {"style": torch.zeros(EXAMPLES, 3, size + 1, size + 2)}, shapes), shapes


def _multiple(name: str, sizes: Sizes) -> object:
    """A side that is a multiple of the unit, smallest or more."""
    count = Dim(f"{name}_units" if sizes.unit > 1 else name, min=sizes.smallest // sizes.unit)
    return sizes.unit * count if sizes.unit > 1 else count


def trace(graph: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor], shapes: Any) -> ExportedProgram:
    """Trace a network in evaluation mode. `shapes` says what varies, as `torch.export` has it."""
    with torch.no_grad():
        program = torch.export.export(graph.eval(), args, kwargs, dynamic_shapes=shapes)
    program.example_inputs = None
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths on this machine, for every operation
    return program
