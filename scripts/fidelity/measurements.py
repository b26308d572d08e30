"""Numbers that recordings hold of losses, gradients and parameters."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

Networks = Mapping[str, nn.Module]
"""By the letter in their file names."""
Parameters = dict[str, dict[str, Tensor]]


def norm(tensor: Tensor) -> float:
    """Euclidean norm, computed in 64 bits."""
    return float(tensor.double().norm())


def floats(losses: Mapping[str, Tensor]) -> dict[str, float]:
    """Scalar tensors as numbers."""
    return {name: float(loss.detach()) for name, loss in losses.items()}


def gradient_norms(network: nn.Module) -> dict[str, float]:
    """Norms of the gradients, by parameter that has one."""
    return {name: norm(p.grad) for name, p in network.named_parameters() if p.grad is not None}


def parameters(networks: Networks) -> Parameters:
    """Copies of all parameters, by network and name."""
    return {
        letter: {name: p.detach().clone() for name, p in network.named_parameters()}
        for letter, network in networks.items()
    }


def parameter_changes(networks: Networks, start: Parameters) -> dict[str, float]:
    """For each network the norm of (parameters - those at the start)."""
    now = parameters(networks)
    return {
        letter: sum(norm(now[letter][name] - before) ** 2 for name, before in named.items()) ** 0.5
        for letter, named in start.items()
    }
