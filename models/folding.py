"""Folds spectral norm and batch norm into the neighboring convolutions of networks that are only evaluated."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

from models.networks.normalization import SPADE
from models.networks.norms import OwnStatisticsBatchNorm, bias_of
from models.networks.spectral_norm import remove_spectral_norm, spectral_layers


@torch.no_grad()
def fold_norms(network: nn.Module) -> nn.Module:
    """Fold in place every norm that is linear in evaluation mode into the layer before or after it; return `network`.

    Spectral norm divides its weight once and is removed. Batch norm after a convolution is folded into that
    convolution; batch norm inside SPADE is folded into gamma and beta. Norms with statistics of each image stay.

    Outputs are those of evaluation mode, up to rounding. The network is in evaluation mode and its parameters need
    no gradients afterwards; it can neither be trained nor saved under the names of the released weights.
    """
    network.eval().requires_grad_(False)
    for layer in list(spectral_layers(network)):
        remove_spectral_norm(layer)
        layer.weight.requires_grad_(False)
    for module in network.modules():
        if isinstance(module, SPADE):
            _fold_into_modulation(module)
        if isinstance(module, nn.Sequential):
            _fold_into_convolutions(module)
    return network


def _fold_into_modulation(spade: SPADE) -> None:
    """With normalized = x * scale + shift, eq. 1 reads x * (scale * (1 + gamma)) + (beta + shift * (1 + gamma))."""
    norm, gamma, beta = spade.param_free_norm, spade.mlp_gamma, spade.mlp_beta
    if not isinstance(norm, _BatchNorm) or norm.running_mean is None or norm.running_var is None:
        return
    scale = torch.rsqrt(norm.running_var + norm.eps)  # (C,)
    shift = -norm.running_mean * scale
    beta.weight += gamma.weight * shift[:, None, None, None]
    bias_of(beta).add_((1 + bias_of(gamma)) * shift)
    gamma.weight *= scale[:, None, None, None]
    bias_of(gamma).copy_((1 + bias_of(gamma)) * scale - 1)
    for name, child in list(spade.named_children()):
        if child is norm:  # OASIS has another name for it
            setattr(spade, name, nn.Identity())


def _fold_into_convolutions(layers: nn.Sequential) -> None:
    for i in range(len(layers) - 1):
        conv, norm = layers[i], layers[i + 1]
        if isinstance(norm, OwnStatisticsBatchNorm) and norm.own_statistics:
            continue
        if isinstance(conv, nn.Conv2d | nn.ConvTranspose2d) and isinstance(norm, _BatchNorm):
            layers[i] = fuse_conv_bn_eval(conv, norm, transpose=isinstance(conv, nn.ConvTranspose2d))
            layers[i + 1] = nn.Identity()
