"""How much memory a training takes, in figures that can be compared."""

import gc
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from data.workers import begin_worker
from models import create_generator
from models.networks.layout import SemanticLayout
from options import TrainOptions
from scripts.benchmark.switches import Training, Workload, height

WARM_UP_STEPS = 2
"""The second one compiles and allocates what the first one could not know of."""


def peak_on_gpu(training: Training, before: int) -> float:
    """MiB that one more step of a warm training allocates at most, its networks and optimizers included.

    Args:
        before: bytes allocated before the training was made.
    """
    torch.cuda.reset_peak_memory_stats(training.device)  # searching for kernels, at the start, takes more
    training.step()
    return (torch.cuda.max_memory_allocated(training.device) - before) / 2**20


def peak_on_cpu(workload: Workload, flags: str) -> float:
    """MiB by which one more step of a warm training in a process of its own surpasses what it had before the networks.

    The modules of a compiler, which stay loaded, are among them.

    Raises:
        RuntimeError: the process was ended.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), begin_worker) as pool:
        try:
            return pool.submit(_resident_peak, workload, flags).result()
        except BrokenProcessPool:
            raise RuntimeError("its process was ended, perhaps for lack of memory") from None


def _resident_peak(workload: Workload, flags: str) -> float:
    before = _resident("VmRSS")
    training = Training(workload, flags)
    for _ in range(WARM_UP_STEPS):
        training.step()
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak begins anew: compiling takes more
    training.step()
    return _resident("VmHWM") - before


def peak_of_first_call(make: Callable[..., Callable[[], object]], *args: object) -> float:
    """MiB by which the first call of what `make(*args)` makes surpasses what its process has before; on a CPU.

    Raises:
        RuntimeError: the process was ended.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), begin_worker) as pool:
        try:
            return pool.submit(_peak_of_first_call, make, args).result()
        except BrokenProcessPool:
            raise RuntimeError("its process was ended, perhaps for lack of memory") from None


def _peak_of_first_call(make: Callable[..., Callable[[], object]], args: tuple) -> float:
    call = make(*args)
    gc.collect()
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    call()
    return _resident("VmHWM") - before


def _resident(field: str) -> float:
    """MiB of /proc/self/status. Not `ru_maxrss`, which a process inherits from the one that has started it."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 2**10 for line in lines if line.startswith(f"{field}:"))


def kept_bytes(opt: TrainOptions, recomputed: bool, mode: AbstractContextManager | None = None) -> int:
    """Bytes that the generator keeps from the forward to the backward pass of a batch, in 32 bits and the dense way.

    Nothing is computed: tensors without memory pass through the network, so the figure is the same on any machine, and
    any size fits. Every storage counts once: what autograd saves, the semantic maps, the normalized weights. Parameters
    and buffers, which are there anyway, do not count.

    Args:
        recomputed: whether activations are checkpointed.
        mode: tests compute with real tensors by giving a context that does nothing.
    """
    storages: dict[int, int] = {}

    def keep(x: Tensor) -> Tensor:
        storage = x.untyped_storage()
        storages[storage._cdata] = storage.nbytes()  # tensors without memory have no data_ptr
        return x

    with mode or FakeTensorMode():
        netG = create_generator(replace(opt, modulation="dense", checkpoint_activations=recomputed)).train()
        shape = (opt.batch_size, height(opt), opt.crop_size)
        edges = torch.zeros(shape, dtype=torch.bool) if opt.instance else None
        layout = SemanticLayout(torch.zeros(shape, dtype=torch.uint8), edges, opt.num_labels)
        z = torch.zeros(opt.batch_size, netG.z_dim) if netG.z_dim else None
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
            fake = netG(layout, z)
        # Checkpoints keep the layout, which holds its maps; modules hold their last normalized weights.
        for holder in (layout.memo, *(vars(module) for module in netG.modules())):
            for value in holder.values():
                if isinstance(value, Tensor):
                    keep(value)
        for value in netG.state_dict(keep_vars=True).values():
            storages.pop(value.untyped_storage()._cdata, None)
        del fake
    return sum(storages.values())
