"""Device, precision, memory format, and the seeding of all random number generators."""

from __future__ import annotations

import contextlib
import os
import random
import resource
from collections.abc import Iterator, Sequence
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
    """Choose the device for `--gpu_ids`; with several processes on a machine, each takes one GPU.

    Args:
        gpu_ids: GPU numbers; empty for the CPU; None for all available GPUs, or else the CPU.

    Raises:
        InputError: a GPU does not exist, or there are fewer GPUs than processes. All processes of a machine find that;
            its first one prints it.
    """
    world = world or World()
    try:
        return _choose_device(gpu_ids, world)
    except InputError as error:
        error.said_elsewhere = world.local_rank > 0
        raise


def _choose_device(gpu_ids: Sequence[int] | None, world: World) -> torch.device:
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


def prepare_torch(seed: int, precision: str = "fp32", deterministic: bool = False, threads: int | None = None) -> None:
    """Set up the process: random seeds, rounding of 32-bit matrix products, deterministic kernels, and CPU threads.

    All processes of a training draw the same numbers; each takes its part of those that belong to samples.
    """
    seed_everything(seed)
    if threads is not None:
        torch.set_num_threads(threads)
    set_matrix_precision(precision)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # required by cuBLAS before its first use
    if deterministic != torch.are_deterministic_algorithms_enabled():
        torch.use_deterministic_algorithms(deterministic)  # loads the compiler, over a second: only for a change
    # cuDNN's search for the fastest kernels: half a minute and more at the start, for nothing (docs/performance.md)
    torch.backends.cudnn.benchmark = False


def seed_everything(seed: int) -> None:
    """Seed the generators of Python, NumPy and PyTorch (all devices)."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def random_state() -> dict[str, Any]:
    """The states of all random number generators, in types that `torch.load(weights_only=True)` accepts."""
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
    """Restore the state of all generators from `random_state`."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
    random.setstate(state["python"])
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))


@contextlib.contextmanager
def restored_settings() -> Iterator[None]:
    """Give back to a Python program, after a block, what `prepare_torch` sets: random states, precision, threads."""
    random_numbers, threads = random_state(), torch.get_num_threads()
    precision, allow_tf32 = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    deterministic, benchmark = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    try:
        yield
    finally:
        set_random_state(random_numbers)
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)
        torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = allow_tf32, benchmark
        if deterministic != torch.are_deterministic_algorithms_enabled():
            torch.use_deterministic_algorithms(deterministic)


def peak_memory_mib(device: torch.device) -> float:
    """Peak memory in MiB so far: of tensors on a GPU, or of this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10  # Linux counts in KiB


def place(network: Network, device: torch.device, channels_last: bool | None, modulation: str | None) -> Network:
    """A network on its device, in the memory format for `--channels_last` and `--modulation`."""
    return to_memory_format(network.to(device), choose_memory_format(channels_last, device, modulation))


def to_memory_format(network: Network, memory_format: torch.memory_format) -> Network:
    """A network with its weights in a memory format."""
    return network.to(memory_format=memory_format)  # pyright: ignore[reportCallIssue] (not in torch's types)


def choose_memory_format(
    channels_last: bool | None, device: torch.device, modulation: str | None = "dense"
) -> torch.memory_format:
    """The memory format for `--channels_last`; None means channels-last on a GPU, or if tables may be used."""
    wanted = device.type == "cuda" or modulation != "dense" if channels_last is None else channels_last
    return torch.channels_last if wanted else torch.contiguous_format
