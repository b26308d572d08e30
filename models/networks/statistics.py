"""What a forward in training mode advances beside its output: batch-norm statistics and spectral-norm vectors."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from models.networks.spectral_norm import spectral_layers

SETTLING_ITERATIONS = 30
"""Power iterations after which u and v fit a weight close to their previous one; a training takes one a step."""


@contextlib.contextmanager
def held_spectral_norm(network: nn.Module) -> Iterator[None]:
    """Forwards in training mode inside leave u and v as they are: they belong to one training step."""
    hooks = [layer.spectral_norm for layer in spectral_layers(network)]
    before = [hook.held for hook in hooks]
    for hook in hooks:
        hook.held = True
    try:
        yield
    finally:
        for hook, held in zip(hooks, before):
            hook.held = held


@contextlib.contextmanager
def held_statistics(network: nn.Module) -> Iterator[None]:
    """Forwards in training mode inside give the usual outputs and change no statistics: they repeat another one."""
    norms = list(_batch_norms(network))
    before = [(norm.momentum, batches.clone()) for norm, batches in norms]
    for norm, _ in norms:
        norm.momentum = 0.0  # not track_running_stats: autograd keeps the statistics too, and counts what it keeps
    try:
        with held_spectral_norm(network):
            yield
    finally:
        for (norm, batches), (momentum, batches_before) in zip(norms, before):
            norm.momentum = momentum
            batches.copy_(batches_before)


@torch.no_grad()
def settle_spectral_norm(network: nn.Module) -> None:
    """Make u and v the singular vectors of the weights as they are now, wherever the weights have come from."""
    for layer in spectral_layers(network):
        layer.spectral_norm.iterate(layer, SETTLING_ITERATIONS)


@torch.no_grad()
def recalibrate_batch_norm(network: nn.Module, forwards: Iterable[Callable[[nn.Module], object]]) -> None:
    """Estimate the running statistics again: their plain mean over `forwards`, each of which calls it on a batch.

    Nothing else of the network changes. Does nothing for a network without batch norm.
    """
    norms = [norm for norm, _ in _batch_norms(network)]
    if not norms:
        return
    training, momenta = network.training, [norm.momentum for norm in norms]
    network.train()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # for torch, a plain mean
    try:
        with held_spectral_norm(network):
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
