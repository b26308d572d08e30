"""Weight initialization as in the published code on a GPU."""

from __future__ import annotations

from torch import nn

# The values of `--init_type`; `gain` is `--init_gain`.
INITIALIZERS = {
    "normal": lambda weight, gain: nn.init.normal_(weight, 0.0, gain),
    "xavier": lambda weight, gain: nn.init.xavier_normal_(weight, gain=gain),
    "xavier_uniform": lambda weight, gain: nn.init.xavier_uniform_(weight, gain=1.0),
    "kaiming": lambda weight, gain: nn.init.kaiming_normal_(weight, a=0, mode="fan_in"),
    "orthogonal": lambda weight, gain: nn.init.orthogonal_(weight, gain=gain),
    "none": lambda weight, gain: weight,
}


def init_weights(
    network: nn.Module, init_type: str = "xavier", gain: float = 0.02, zero_biases: bool = True
) -> nn.Module:
    """Initialize convolutions and linear layers in place: weights by `init_type`, biases 0; affine norms N(1, gain).

    Without `zero_biases` those of convolutions and linear layers keep PyTorch's default (pix2pixHD).

    Spectrally normalized weights keep PyTorch's default. The published code meant to initialize them, too, but on a
    GPU it wrote to a copy that the layer no longer used. The published results come from that, and it matters: Adam's
    relative step on a weight 29 times smaller would be 29 times larger.
    """
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine:
            nn.init.normal_(module.weight, 1.0, gain)
            nn.init.zeros_(module.bias)
        elif isinstance(module, (nn.modules.conv._ConvNd, nn.Linear)):
            if isinstance(module.weight, nn.Parameter):  # spectral norm makes `weight` a plain tensor
                INITIALIZERS[init_type](module.weight, gain)
            if zero_biases and module.bias is not None:
                nn.init.zeros_(module.bias)
    return network


def parameter_count(network: nn.Module) -> int:
    """Number of parameters, without spectral-norm vectors and running statistics."""
    return sum(parameter.numel() for parameter in network.parameters())
