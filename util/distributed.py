"""Distributed training with torch.distributed. Only this module handles ranks."""

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

# Its functions bind the process group that exists at import time as a default argument. PyTorch imports them lazily;
# importing them here, before any group exists, keeps them from holding on to one.
import torch.distributed.nn.functional
from torch import Tensor

from util import launcher
from util.errors import InputError, StoppedError, describe
from util.rendezvous import Rendezvous

PATIENCE = timedelta(minutes=30)
"""Timeout of one collective operation: other processes may be reading from a slow disk, or saving."""


@dataclass(frozen=True)
class World:
    """The processes of one training, seen from one of them.

    A single process needs no process group, and its methods involve no communication. Several processes must all call
    the same methods in the same order.

    Attributes:
        rank: number of this process, from 0.
        size: number of processes.
        local_rank, local_size: the same among the processes of this machine; the local rank chooses the GPU.
        restarts: how often torchrun has restarted the processes after one of them failed.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    restarts: int = 0

    @classmethod
    def from_environment(cls) -> World:
        """Read the variables that torchrun, or another launcher, has set (see `util.launcher`).

        Raises:
            InputError: the variables contradict each other.
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
        """Whether this is the process that writes files and prints (rank 0)."""
        return self.rank == 0

    @contextlib.contextmanager
    def joined(self, device: torch.device) -> Iterator[World]:
        """Join the process group for a block: NCCL for tensors on GPUs, gloo for tensors on CPUs.

        Raises:
            InputError: the processes cannot connect.
            StoppedError: another process has ended; that process reports its own error.
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
            # The group's threads end when the last reference to it is dropped. A thread that still has to release a
            # tensor during interpreter shutdown would abort the process. References are in cycles, and the traceback of
            # an error keeps them alive until it is handled: so collect garbage last, before the interpreter ends.
            atexit.register(gc.collect)

    def all_reduce_max(self, number: int) -> int:
        """Return the largest `number` of any process in every process."""
        if self.size == 1:
            return number
        tensor = torch.tensor([number])  # on the CPU, so that it does not synchronize with a GPU
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
        """If bad input makes the block fail in any process, raise in all, so that none waits for one that has ended.

        The block must not use collective methods. If several processes fail, the one of lowest rank prints its error.
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
        """Identifies this launch of the processes; unchanged by restarts of torchrun."""
        run_id = os.environ.get("TORCHELASTIC_RUN_ID", "none")
        return run_id if run_id != "none" else f"{socket.gethostname()}-{os.getppid()}"


def process_count() -> int:
    """Number of processes in the process group; 1 without one."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_main_process() -> bool:
    """Whether this is the process that prints: rank 0, or the only one."""
    return not dist.is_initialized() or dist.get_rank() == 0


def sum_over_processes(x: Tensor) -> Tensor:
    """Sum a tensor over all processes. Differentiable: each `x` gets the sum of all processes' gradients."""
    return _Sum.apply(x) if process_count() > 1 else x


def gather_over_processes(x: Tensor) -> Tensor:
    """The tensors `x` of all processes, (processes, *x.shape), by rank. They have one shape; without gradients."""
    if process_count() == 1:
        return x[None]
    parts = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(process_count())]
    dist.all_gather(parts, x.contiguous())
    return torch.stack(parts)


class _Sum(torch.autograd.Function):
    """A differentiable all-reduce, which torch.distributed.nn had until torch 2.14 moved it to a private module."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return sum_over_processes(gradient)
