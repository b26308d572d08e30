"""Weights in the order that oneDNN computes in, for networks that are only evaluated on a CPU.

torch keeps a weight as (C', C, k, k) and brings it into blocks for the processor in every call. For small maps that
takes longer than the convolution, and torch's own matrix product (MKL) reaches half the speed of oneDNN's on some
processors. Here a weight is brought into that order once, in place of the original.

The operations have a leading underscore in torch: they are those that torch.compile emits for frozen weights. Where a
torch lacks them (`IS_AVAILABLE`), networks stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

OPERATIONS = "_reorder_convolution_weight", "_convolution_pointwise", "_reorder_linear_weight", "_linear_pointwise"
IS_AVAILABLE = torch.backends.mkldnn.is_available() and all(hasattr(torch.ops.mkldnn, name) for name in OPERATIONS)
NO_ACTIVATION = "none", [], ""
LEAST_COLUMNS = 64
"""Columns of one product of rows, at least: fewer are slower, more need more memory between two operations."""
BLOCKS = 8


class PackedConv2d(nn.Conv2d):
    """A convolution whose weight is in oneDNN's order for the size of its last input.

    Its `weight` is no parameter: every access makes a copy in torch's order.
    """

    def __init__(self, conv: nn.Conv2d):
        super().__init__(**_arguments(conv))
        self.register_parameter("weight", None)
        self.bias = conv.bias
        self._plain: Tensor | None = conv.weight.detach()  # until the first call
        self._packed: Tensor | None = None
        self._size: torch.Size | None = None

    @property
    def weight(self) -> Tensor:  # pyright: ignore[reportIncompatibleVariableOverride]
        """(C', C, k, k), a copy."""
        if self._plain is not None:
            return self._plain
        assert self._packed is not None
        return self._packed.to_dense()

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        padding = list(self.padding)
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, self.padding_mode)
            padding = [0, 0]
        geometry = padding, list(self.stride), list(self.dilation), self.groups
        if self._size != input.shape:  # the best order depends on the size; another one would be right, but slower
            size = list(input.shape)
            self._packed = torch.ops.mkldnn._reorder_convolution_weight(self.weight, *geometry, size)
            self._plain, self._size = None, input.shape
        return torch.ops.mkldnn._convolution_pointwise(input, self._packed, self.bias, *geometry, *NO_ACTIVATION)


class PackedSteps:
    """The weights of gamma and beta, (k * k, hidden, 2C), for products with rows of hidden features.

    They are packed in blocks of columns, so that the products of one block stay in the cache until they are summed.
    """

    def __init__(self, weight: Tensor):
        self.steps, self.hidden, channels = weight.shape
        blocks = weight.mT.split(max(LEAST_COLUMNS, channels // BLOCKS), dim=1)  # (k * k, columns, hidden) each
        self._packed = [torch.ops.mkldnn._reorder_linear_weight(block.flatten(0, 1)) for block in blocks]

    def products(self, hidden: Tensor) -> Iterator[Tensor]:
        """For every block of columns the products (V * k * k, columns) of hidden features (V, hidden)."""
        for packed in self._packed:
            product = torch.ops.mkldnn._linear_pointwise(hidden, packed, None, *NO_ACTIVATION)  # (V, k * k * columns)
            yield product.view(len(hidden) * self.steps, -1)  # (V * k * k, columns)

    def weight(self) -> Tensor:
        """(k * k, hidden, 2C), a copy."""
        blocks = [packed.to_dense().view(self.steps, -1, self.hidden) for packed in self._packed]
        return torch.cat(blocks, dim=1).mT  # (k * k, hidden, 2C)


class UnpackingConv2d(nn.Conv2d):
    """A convolution, gamma or beta, whose weight is unpacked from elsewhere for every call: for the rare dense path."""

    def __init__(self, conv: nn.Conv2d, unpack: Callable[[], Tensor]):
        super().__init__(**_arguments(conv))
        self.register_parameter("weight", None)
        self.bias = conv.bias
        self._unpack = unpack

    @property
    def weight(self) -> Tensor:  # pyright: ignore[reportIncompatibleVariableOverride]
        """(C', C, k, k), a copy."""
        return self._unpack()


def can_pack(tensor: Tensor) -> bool:
    """Whether there is a packed order for a weight: on CPUs, in 32 bits."""
    return IS_AVAILABLE and tensor.device.type == "cpu" and tensor.dtype == torch.float32


def _arguments(conv: nn.Conv2d) -> dict:
    """The arguments of a layer without memory of the same geometry."""
    names = "in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "padding_mode"
    return {name: getattr(conv, name) for name in names} | {"bias": False, "device": "meta"}
