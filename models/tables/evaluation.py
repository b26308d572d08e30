"""Brings the weights of a network that is only evaluated into the order that a CPU computes in."""

from __future__ import annotations

import torch
from torch import nn

from models.networks.normalization import SPADE
from models.networks.spectral_norm import spectral_layers
from models.tables.normalization import TableSPADE
from models.tables.packed import PackedConv2d, can_pack


@torch.no_grad()
def pack_weights(network: nn.Module) -> nn.Module:
    """Pack in place, after `fold_norms`, the weights on a CPU that take part in most of the work; return `network`.

    Those are of convolutions of more than one pixel, and in `TableSPADE` those of gamma and beta. Outputs are equal up
    to rounding, in 32 bits only. The network has no state dict afterwards.
    """
    assert not list(spectral_layers(network)), "folded before"
    in_spade = {layer for module in network.modules() if isinstance(module, SPADE) for layer in module.modules()}
    for module in list(network.modules()):
        if isinstance(module, TableSPADE):
            module.pack()
        for name, layer in list(module.named_children()):
            if type(layer) is nn.Conv2d and layer not in in_spade and _pays(layer):
                setattr(module, name, PackedConv2d(layer))
    return network


def _pays(conv: nn.Conv2d) -> bool:
    """Whether packing helps: not for layers of one pixel, whose weights others read as a matrix."""
    return can_pack(conv.weight) and conv.kernel_size != (1, 1) and isinstance(conv.padding, tuple)
