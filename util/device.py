"""Where the networks run and how exactly, and one seed for every source of randomness."""

from __future__ import annotations

import os
import random
import resource
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from util.distributed import World
from util.errors import InputError
from util.precision import set_matrix_precision
from util.warn import warn

Network = TypeVar("Network", bound=nn.Module)


def choose_device(gpu_ids: Sequence[int] | None, world: World | None = None) -> torch.device:
    """The device for `--gpu_ids`: of several processes on a machine each takes one GPU.

    Args:
        gpu_ids: GPU numbers; empty is the CPU; None takes the GPUs that there are, else the CPU.
    Raises:
        InputError: a GPU that this machine has not, or fewer than processes.
    """
    world = world or World()
    available = torch.cuda.device_count()
    if gpu_ids is None:
        gpu_ids = range(available)
    for gpu_id in gpu_ids:
        if gpu_id >= available:
            exist = f"0..{available - 1}" if available else "none here"
            raise InputError(f"--gpu_ids {gpu_id}: no such GPU; there are {exist}; -1 is the CPU")
    if not gpu_ids:
        return torch.device("cpu")
    if world.local_size > len(gpu_ids):
        raise InputError(
            f"--gpu_ids {','.join(map(str, gpu_ids))}: {world.local_size} processes on this machine need a GPU each; "
            f"start {len(gpu_ids)}, or name more GPUs"
        )
    if world.size == 1 and len(gpu_ids) > 1:
        warn(f"one process uses one GPU; of {len(gpu_ids)} GPUs, {gpu_ids[0]} is used")
    torch.cuda.set_device(gpu_ids[world.local_rank])
    return torch.device("cuda", gpu_ids[world.local_rank])


def prepare_torch(seed: int, precision: str = "fp32", deterministic: bool = False) -> None:
    """Settings of the whole process: the start of all random numbers, how 32-bit products round, which kernels run.

    Every process of a training draws the same numbers, and takes its own part of them where they belong to samples.
    """
    seed_everything(seed)
    set_matrix_precision(precision)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS wants it, before its first use
    torch.use_deterministic_algorithms(deterministic)
    torch.backends.cudnn.benchmark = not deterministic  # sizes are the same in every step: the search pays


def seed_everything(seed: int) -> None:
    """Start Python's, NumPy's and PyTorch's random numbers (all devices) from `seed`."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def random_state() -> dict[str, Any]:
    """The states of all generators that this process could draw from, in types that load without running code."""
    numpy = np.random.get_state(legacy=False)
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None,
        "python": random.getstate(),
        "numpy": (
            numpy["bit_generator"],
            torch.from_numpy(numpy["state"]["key"].astype(np.int64)),
            numpy["state"]["pos"],
            numpy["has_gauss"],
            numpy["gauss"],
        ),
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Let all generators go on from a state of `random_state`."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
    random.setstate(state["python"])
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))


def peak_memory_mib(device: torch.device) -> float:
    """The most memory that tensors on a GPU have taken so far, or that this process has taken, in MiB."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10  # Linux counts in KiB


def place(network: Network, device: torch.device, channels_last: bool | None, modulation: str | None) -> Network:
    """A network on its device, in the memory format for `--channels_last` and `--modulation`."""
    return to_memory_format(network.to(device), memory_format(channels_last, device, modulation))


def to_memory_format(network: Network, layout: torch.memory_format) -> Network:
    """A network with its weights in a memory format."""
    return network.to(memory_format=layout)  # pyright: ignore[reportCallIssue] (torch's types lack this argument)


def memory_format(
    channels_last: bool | None, device: torch.device, modulation: str | None = "dense"
) -> torch.memory_format:
    """The memory format for `--channels_last`; None means channels-last on a GPU, and where tables may be used."""
    wanted = device.type == "cuda" or modulation != "dense" if channels_last is None else channels_last
    return torch.channels_last if wanted else torch.contiguous_format
