"""Numbers that recordings hold of losses, gradients and parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from torch import Tensor, nn

from models.methods.oasis import OASISMethod
from models.methods.pix2pixhd import Pix2PixHDMethod
from models.methods.spade import SPADEMethod
from models.pix2pix_model import Pix2PixModel
from models.vgg import VGGLoss
from options import TrainOptions
from util.fill import fill

Networks = Mapping[str, nn.Module]
"""By the letter in their file names."""
Parameters = dict[str, dict[str, Tensor]]
VGGMethod = TypeVar("VGGMethod", SPADEMethod, Pix2PixHDMethod, OASISMethod)
"""One whose losses may compare the features of VGG-19."""
STEP_TOLERANCES = {
    "steps.0.loss*": (1e-5, 2e-5),
    "steps.0.parameter_change*": (1e-6, 1e-3),
    "steps.*.loss*": (1e-5, 1e-3),
    "steps.*.parameter_change*": (1e-6, 3e-3),
}
"""Of the two iterations that are recorded of a method other than SPADE."""


def array(tensor: Tensor) -> np.ndarray:
    """A copy in 32 bits, from any device."""
    return tensor.detach().float().cpu().numpy()


def norm(tensor: Tensor) -> float:
    """Euclidean norm, computed in 64 bits."""
    return float(tensor.double().norm())


def floats(losses: Mapping[str, Tensor]) -> dict[str, float]:
    """Scalar tensors as numbers."""
    return {name: float(loss.detach()) for name, loss in losses.items()}


def gradient_norms(network: nn.Module) -> dict[str, float]:
    """Norms of the gradients, by parameter that has one."""
    return {name: norm(p.grad) for name, p in network.named_parameters() if p.grad is not None}


def names_and_shapes(network: nn.Module) -> dict[str, list[int]]:
    """The entries of a state dict."""
    return {name: list(tensor.shape) for name, tensor in network.state_dict().items()}


def buffers_of(network: nn.Module) -> dict[str, Tensor]:
    """Copies of the buffers, without `num_batches_tracked`, which the published sync batch norm never advanced."""
    named = network.named_buffers()
    return {name: buffer.clone() for name, buffer in named if not name.endswith("num_batches_tracked")}


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


def refill(networks: Networks, seed: int) -> None:
    """Give every network its recorded values by name, and no gradients."""
    for network in networks.values():
        fill(network, seed)
        network.zero_grad(set_to_none=True)


def method_with_filled_vgg(kind: type[VGGMethod], opt: TrainOptions, model: Pix2PixModel, seed: int) -> VGGMethod:
    """The method that the options describe; its VGG-19, if any, has the recorded values, which need no file."""
    method = kind.create(dataclasses.replace(opt, vgg_loss=False), model)
    if opt.vgg_loss:
        method.vgg = VGGLoss()
        fill(method.vgg.features, seed)
        method.vgg.to(model.device)
    return method
