"""Where the networks run, and one seed for every source of randomness."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence

import numpy as np
import torch

from util.errors import InputError


def choose_device(gpu_ids: Sequence[int] | None) -> torch.device:
    """The device for `--gpu_ids`.

    Args:
        gpu_ids: GPU numbers; empty is the CPU; None takes the first GPU if there is one, else the CPU.
    Raises:
        InputError: a GPU that this machine has not.
    """
    available = torch.cuda.device_count()
    if gpu_ids is None:
        gpu_ids = range(available)
    for gpu_id in gpu_ids:
        if gpu_id >= available:
            exist = f"0..{available - 1}" if available else "none here"
            raise InputError(f"--gpu_ids {gpu_id}: no such GPU; there are {exist}; -1 is the CPU")
    if not gpu_ids:
        return torch.device("cpu")
    if len(gpu_ids) > 1:
        print(f"warning: one process uses one GPU; of {len(gpu_ids)} GPUs, {gpu_ids[0]} is used", file=sys.stderr)
    torch.cuda.set_device(gpu_ids[0])
    return torch.device("cuda", gpu_ids[0])


def seed_everything(seed: int) -> None:
    """Start Python's, NumPy's and PyTorch's random numbers (all devices) from `seed`."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def memory_format(channels_last: bool | None, device: torch.device) -> torch.memory_format:
    """The memory format for `--channels_last`; None means channels-last on a GPU, contiguous on a CPU."""
    wanted = device.type == "cuda" if channels_last is None else channels_last
    return torch.channels_last if wanted else torch.contiguous_format
