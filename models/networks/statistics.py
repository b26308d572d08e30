"""Controls the state that forward passes in training mode advance: batch-norm statistics, spectral-norm vectors."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from models.networks.spectral_norm import spectral_layers

SETTLING_ITERATIONS = 30
"""Power iterations after which u and v have converged for a slightly changed weight; training takes one a step."""


@contextlib.contextmanager
def frozen_spectral_norm(network: nn.Module) -> Iterator[None]:
    """Inside, forward passes in training mode leave u and v unchanged: they belong to the same training step."""
    hooks = [layer.spectral_norm for layer in spectral_layers(network)]
    before = [hook.frozen for hook in hooks]
    for hook in hooks:
        hook.frozen = True
    try:
        yield
    finally:
        for hook, frozen in zip(hooks, before):
            hook.frozen = frozen


def spectral_vectors(network: nn.Module) -> dict[Tensor, Tensor]:
    """The vectors u and v of every layer with spectral norm, each with a copy of its present value."""
    vectors = [vector for layer in spectral_layers(network) for vector in (layer.weight_u, layer.weight_v)]
    return {vector: vector.clone() for vector in vectors}


@contextlib.contextmanager
def frozen_statistics(network: nn.Module) -> Iterator[None]:
    """Inside, forward passes in training mode change no statistics and return the usual outputs: for recomputation."""
    norms = list(_batch_norms(network))
    before = [(norm.momentum, batches.clone()) for norm, batches in norms]
    for norm, _ in norms:
        # Not track_running_stats = False: recomputation must save as many tensors as the first run, statistics too.
        norm.momentum = 0.0
    try:
        with frozen_spectral_norm(network):
            yield
    finally:
        for (norm, batches), (momentum, batches_before) in zip(norms, before):
            norm.momentum = momentum
            batches.copy_(batches_before)


@torch.no_grad()
def settle_spectral_norm(network: nn.Module) -> None:
    """Compute u and v for the present weights, such as those of an average, by power iteration until they converge."""
    for layer in spectral_layers(network):
        layer.spectral_norm.iterate(layer, SETTLING_ITERATIONS)


@torch.no_grad()
def recalibrate_batch_norm(network: nn.Module, forwards: Iterable[Callable[[nn.Module], object]]) -> None:
    """Recompute the running statistics as plain means over `forwards`, functions that run a given network on a batch.

    Nothing else of the network changes. Does nothing for a network without batch norm.
    """
    norms = [norm for norm, _ in _batch_norms(network)]
    if not norms:
        return
    training, momenta = network.training, [norm.momentum for norm in norms]
    network.train()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's code for a plain mean
    try:
        with frozen_spectral_norm(network):
            for forward in forwards:
                forward(network)
    finally:
        network.train(training)
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum


def _batch_norms(network: nn.Module) -> Iterator[tuple[_BatchNorm, Tensor]]:
    """The layers with running statistics, and the buffers that count their batches."""
    for module in network.modules():
        if isinstance(module, _BatchNorm) and module.num_batches_tracked is not None:
            yield module, module.num_batches_tracked
