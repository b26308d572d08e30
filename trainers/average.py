"""The average of the generator's weights over the training, and what makes it a network that works."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models.networks.statistics import recalibrate_batch_norm, settle_spectral_norm


class GeneratorAverage:
    """Exponential moving average of a generator's trained values.

    Update n + 1 keeps the fraction min(decay, (1 + n) / (10 + n)) of the average, so that the first weights, which are
    noise, are forgotten as soon as there are better ones: in a short training, too, it is that of the last tenth.

    Under spectral norm these are the raw weights. Vectors and statistics beside them belong to one state of the
    weights and have no meaningful average: `make_consistent` finds those that belong to the averaged weights.

    Args:
        netG: starts the average; not yet used in a forward.
        decay: fraction of the old average in each update in the long run, such as 0.999.
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
        """Take a step of `netG` into the average."""
        updates = int(self._averaged.n_averaged)  # on the CPU always: reading it waits for nothing
        self._averaged.multi_avg_fn = get_ema_multi_avg_fn(min(self.decay, (1 + updates) / (10 + updates)))
        self._averaged.update_parameters(netG)
        self._is_consistent = False

    def make_consistent(self, forwards: Iterable[Callable[[nn.Module], object]]) -> nn.Module:
        """Give the network the singular vectors and batch-norm statistics of its own weights, and return it.

        Once after each `update`: so what is scored and what is saved then are the same to the bit.

        Args:
            forwards: each calls the network it is given on one batch, for the statistics.
        """
        if not self._is_consistent:
            settle_spectral_norm(self.network)
            recalibrate_batch_norm(self.network, forwards)
            self._is_consistent = True
        return self.network

    def state_dict(self) -> dict[str, Any]:
        """The counter of updates, and whether the network is consistent; the weights are saved as a network."""
        return {"updates": int(self._averaged.n_averaged), "is_consistent": self._is_consistent}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`, which belongs to the weights that the network has now."""
        self._averaged.n_averaged.fill_(state["updates"])
        self._is_consistent = state.get("is_consistent", False)  # saves of earlier versions do not say
