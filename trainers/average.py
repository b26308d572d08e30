"""The average of the generator's weights over the training, with batch-norm statistics and spectral norms to match."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models.networks.statistics import recalibrate_batch_norm, settle_spectral_norm


class GeneratorAverage:
    """Exponential moving average of a generator's parameters.

    Update n + 1 keeps the fraction min(decay, (1 + n) / (10 + n)) of the average, so that the random first weights are
    soon forgotten: even in a short training, it is about an average over the last tenth.

    Under spectral norm, the raw weights are averaged. Singular vectors and batch-norm statistics belong to one state of
    the weights and have no meaningful average: `make_consistent` computes those of the averaged weights.

    Args:
        netG: the first value of the average; before its first forward pass.
        decay: fraction of the old average in each late update, such as 0.999.
    """

    def __init__(self, netG: nn.Module, decay: float):
        self.decay = decay
        self._averaged = AveragedModel(netG)
        self.network.requires_grad_(False)
        self._is_consistent = False

    @property
    def network(self) -> nn.Module:
        """The averaged generator. Its buffers are those of the last `update`, or of `make_consistent` since."""
        return self._averaged.module

    def update(self, netG: nn.Module) -> None:
        """Update the average with the present weights of `netG`."""
        updates = int(self._averaged.n_averaged)  # always on the CPU: reading it does not wait for a GPU
        self._averaged.multi_avg_fn = get_ema_multi_avg_fn(min(self.decay, (1 + updates) / (10 + updates)))
        self._averaged.update_parameters(netG)
        self._is_consistent = False

    def make_consistent(self, forwards: Iterable[Callable[[nn.Module], object]]) -> nn.Module:
        """Compute the network's singular vectors and batch-norm statistics from its own weights, and return it.

        Once after each `update`, so that the network that is scored and the one that is saved are the same to the bit.

        Args:
            forwards: functions that run a given network on one batch, for the statistics.
        """
        if not self._is_consistent:
            settle_spectral_norm(self.network)
            recalibrate_batch_norm(self.network, forwards)
            self._is_consistent = True
        return self.network

    def state_dict(self) -> dict[str, Any]:
        """Number of updates, and whether the network is consistent; its weights are saved in a file of their own."""
        return {"updates": int(self._averaged.n_averaged), "is_consistent": self._is_consistent}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state`, after the weights of the network have been loaded."""
        self._averaged.n_averaged.fill_(state["updates"])
        self._is_consistent = state.get("is_consistent", False)  # missing in saves of earlier versions
