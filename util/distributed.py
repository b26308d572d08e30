"""Several processes that train one model, on PyTorch's own engine. All knowledge of ranks is here."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

# Its functions keep the group that exists when they are imported as a default argument, for good. PyTorch imports them
# when it needs them; imported here, before there is a group, they keep none.
import torch.distributed.nn.functional
from torch import Tensor

from util import launcher
from util.errors import InputError, StoppedError, describe
from util.rendezvous import Rendezvous

PATIENCE = timedelta(minutes=30)
"""How long a process waits for the others in one operation: they may be reading from a slow disk, or saving."""


@dataclass(frozen=True)
class World:
    """The processes of one training, seen from one of them.

    One process alone needs no process group, and its methods do nothing. Several must all call the same methods in
    the same order.

    Attributes:
        rank: number of this process, counted from 0.
        size: how many processes there are.
        local_rank, local_size: the same among those of this machine; the local rank chooses the GPU.
        restarts: how often torchrun has restarted the processes, because one of them was lost.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    restarts: int = 0

    @classmethod
    def from_environment(cls) -> World:
        """What torchrun, or any launcher that sets the same variables (see `util.launcher`), says about this process.

        Raises:
            InputError: the variables do not go together.
        """
        size = launcher.world_size()
        if size == 1:
            if launcher.under_launcher():
                launcher.number("RANK", 0, most=0, why=" (WORLD_SIZE=1)")
            return cls()
        rank, local_rank, local_size = launcher.ranks(size)
        restarts = launcher.number("TORCHELASTIC_RESTART_COUNT", 0)
        return cls(rank, size, local_rank, local_size, restarts)

    @property
    def is_main(self) -> bool:
        """Whether this is the one process that writes files and prints."""
        return self.rank == 0

    @contextlib.contextmanager
    def joined(self, device: torch.device) -> Iterator[World]:
        """Join the process group for a block: NCCL for tensors on GPUs, gloo for tensors on CPUs.

        Raises:
            InputError: the processes cannot connect.
            StoppedError: another process has ended; it reports its own error.
        """
        if self.size == 1:
            yield self
            return
        backend = "gloo" if device.type == "cpu" else "cpu:gloo,cuda:nccl"
        store = Rendezvous(self.rank, self.size, PATIENCE).store()
        dist.init_process_group(backend, store=store, rank=self.rank, world_size=self.size, timeout=PATIENCE)
        try:
            yield self
        except RuntimeError as error:
            if isinstance(error, dist.DistError) or "gloo/transport" in str(error):
                raise StoppedError(f"process {self.rank} of {self.size} has lost another one") from error
            raise
        finally:
            dist.destroy_process_group()
            # The group's threads end with its last user. One that has yet to drop a tensor while the interpreter ends
            # would abort the process. Users hold themselves in circles, and the traceback of an error holds them until
            # it has been dealt with: so they are collected last of all, before the interpreter ends.
            atexit.register(gc.collect)

    def all_reduce_max(self, number: int) -> int:
        """Return the largest `number` of any process in every process."""
        if self.size == 1:
            return number
        tensor = torch.tensor([number])  # on the CPU, so that no GPU is waited for
        dist.all_reduce(tensor, dist.ReduceOp.MAX)
        return int(tensor)

    def mean(self, values: Tensor) -> Tensor:
        """Mean over the processes of a tensor that each of them holds."""
        return sum_over_processes(values) / self.size

    def broadcast(self, value: Any) -> Any:
        """Return the `value` of the main process in every process; the others may pass None. Plain data only."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def all_gather(self, value: Any) -> list[Any]:
        """Return the values of all processes, in the order of their ranks, in every process. Plain data only."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    @contextlib.contextmanager
    def failing_together(self) -> Iterator[None]:
        """If bad input makes the block fail in any process, fail in all, so that none waits for one that has ended.

        The block must not use the other methods. Of several processes that fail, the first one prints its error.
        """
        problem = None
        try:
            yield
        except (InputError, OSError) as error:
            problem = error
        problems = self.all_gather(None if problem is None else describe(problem))
        ranks = [rank for rank, text in enumerate(problems) if text is not None]
        if ranks and problem is not None and self.rank == ranks[0]:
            raise problem
        if ranks:
            echo = InputError(problems[ranks[0]])
            echo.said_elsewhere = True
            raise echo

    @property
    def launch_name(self) -> str:
        """Names this launch of the processes, the same after every restart by torchrun."""
        run_id = os.environ.get("TORCHELASTIC_RUN_ID", "none")
        return run_id if run_id != "none" else f"{socket.gethostname()}-{os.getppid()}"


def process_count() -> int:
    """How many processes compute together at present."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_main_process() -> bool:
    """Whether this is the process that prints: the first of those that work together, or the only one."""
    return not dist.is_initialized() or dist.get_rank() == 0


def sum_over_processes(x: Tensor) -> Tensor:
    """Sum of the tensors that all processes hold. Differentiable: each `x` gets the gradients of all the sums."""
    return _Sum.apply(x) if process_count() > 1 else x


class _Sum(torch.autograd.Function):
    """torch.distributed.nn had this until torch 2.14 moved it to a private module."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return sum_over_processes(gradient)
