"""Peak memory of a training step and of a generator."""

import gc
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import torch

from data.workers import begin_worker
from scripts.benchmark.switches import Training, Workload

WARM_UP_STEPS = 2
"""The second step still compiles and allocates, for example optimizer states."""


def peak_on_gpu(training: Training, before: int) -> float:
    """Peak MiB allocated in one more step of a warm training, networks and optimizers included.

    Args:
        before: bytes allocated before the training was made.
    """
    torch.cuda.reset_peak_memory_stats(training.device)  # the first steps may take more
    training.step()
    return (torch.cuda.max_memory_allocated(training.device) - before) / 2**20


def peak_on_cpu(workload: Workload, flags: str) -> float:
    """Peak MiB of one more step of a warm training in a separate process, above its memory before networks are built.

    The modules of a compiler, which stay loaded, are included.

    Raises:
        RuntimeError: the process was killed.
    """
    return _in_own_process(_resident_peak, workload, flags)


def _in_own_process(measure: Callable[..., float], *args: object) -> float:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), begin_worker) as pool:
        try:
            return pool.submit(measure, *args).result()
        except BrokenProcessPool:
            raise RuntimeError("its process was ended, perhaps for lack of memory") from None


def _resident_peak(workload: Workload, flags: str) -> float:
    import torchvision  # noqa: F401 (the perceptual loss imports it late; it is no memory of the training)

    before = _resident("VmRSS")
    training = Training(workload, flags)
    for _ in range(WARM_UP_STEPS):
        training.step()
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # resets the peak: compilation takes more
    training.step()
    return _resident("VmHWM") - before


def peak_of_first_call(make: Callable[..., Callable[[], object]], *args: object) -> float:
    """Peak MiB of the first call of the function that `make(*args)` returns, above the memory before; on a CPU.

    Raises:
        RuntimeError: the process was killed.
    """
    return _in_own_process(_peak_of_first_call, make, args)


def _peak_of_first_call(make: Callable[..., Callable[[], object]], args: tuple) -> float:
    call = make(*args)
    gc.collect()
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    call()
    return _resident("VmHWM") - before


def _resident(field: str) -> float:
    """A field of /proc/self/status in MiB. (A process inherits `ru_maxrss` from its parent.)"""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 2**10 for line in lines if line.startswith(f"{field}:"))
