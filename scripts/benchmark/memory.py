"""Peak memory of a training step and of a generator."""

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


def kept_bytes(opt: TrainOptions, recomputed: bool, mode: AbstractContextManager | None = None) -> int:
    """Bytes that the dense generator saves for the backward pass of a batch, in 32 bits.

    Computed with fake tensors, so the figure is the same on every machine, and every size fits. Each storage counts
    once: saved tensors of autograd, semantic maps, and normalized weights, but not parameters and buffers.

    Args:
        recomputed: whether activations are checkpointed.
        mode: context in place of `FakeTensorMode`; tests use one that does nothing, to compute with real tensors.
    """
    storages: dict[int, int] = {}

    def keep(x: Tensor) -> Tensor:
        storage = x.untyped_storage()
        storages[storage._cdata] = storage.nbytes()  # fake tensors have no data_ptr
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
