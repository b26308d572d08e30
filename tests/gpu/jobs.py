"""What processes of a test do on a device: normalize and train on their part of a batch."""

from __future__ import annotations

import contextlib
import importlib
import io
import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from models.methods.spade import SPADEMethod
from models.networks.sync_batch_norm import SyncBatchNorm
from tests.trainers.jobs import make_batch, make_model
from tests.worlds import context, free_port, run_together
from trainers import Pix2PixTrainer
from util.device import place, prepare_torch
from util.distributed import World

CPU = torch.device("cpu")


def run_on(device: torch.device, processes: int, job: Callable, *args: Any) -> list[Any]:
    """Results of `job(device type, *args)` in processes, by rank."""
    # Processes that are forked cannot use a GPU of which their parent has asked anything.
    start = context if device.type == "cpu" else multiprocessing.get_context("spawn")
    return run_together(processes, job, device.type, *args, context=start)


@contextlib.contextmanager
def joined(device_type: str) -> Iterator[tuple[World, torch.device]]:
    """Join the processes: by NCCL where each has a GPU; by gloo on one GPU, which NCCL refuses, and on a CPU."""
    world = World.from_environment()
    prepare_torch(seed=0)
    device = torch.device(device_type)
    own_gpu = device_type == "cuda" and torch.cuda.device_count() >= world.size > 1
    if device_type == "cuda":
        device = torch.device("cuda", world.local_rank if own_gpu else 0)
        torch.cuda.set_device(device)
    with world.joined(device if own_gpu else CPU):  # gloo takes tensors of both devices
        yield world, device


def values_to_normalize(channels_last: bool, dtype: torch.dtype) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Activations (N, C, H, W), a gradient of their norm, and its state; always the same.

    The activations lie far from 0, where a variance loses digits, and their means differ from sample to sample.
    """
    torch.manual_seed(0)
    scale, mean = torch.arange(1, 7)[:, None, None], torch.arange(20, 24)[:, None, None, None]
    x, gradient = (torch.randn(4, 6, 5, 7) * scale + mean).to(dtype), torch.randn(4, 6, 5, 7)
    state = nn.BatchNorm2d(6).state_dict() | {"weight": torch.rand(6) + 0.5, "bias": torch.randn(6)}
    return x.contiguous(memory_format=torch.channels_last) if channels_last else x, gradient, state


def normalize(device_type: str, channels_last: bool, dtype: torch.dtype) -> dict[str, np.ndarray]:
    """Synchronized batch norm of this process's samples: outputs, gradients and statistics."""
    x, gradient, state = values_to_normalize(channels_last, dtype)
    with joined(device_type) as (world, device):
        part = x[world.rank :: world.size].to(device).requires_grad_()
        return normalized(SyncBatchNorm(6), state, part, gradient[world.rank :: world.size])


def normalized(norm: nn.Module, state: dict[str, Tensor], x: Tensor, gradient: Tensor) -> dict[str, np.ndarray]:
    """Outputs, gradients and statistics of a norm with a state in training."""
    norm.load_state_dict(state)
    norm.to(x.device).train()
    y = norm(x)
    (y.double() * gradient.to(x.device)).sum().backward()
    found = {"y": y, "x": x.grad, "weight": norm.weight.grad, "bias": norm.bias.grad, **dict(norm.named_buffers())}
    return arrays(found)


def arrays(tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """In 64 bits. Tensors cannot come from a process that has ended."""
    return {name: tensor.detach().double().cpu().numpy() for name, tensor in tensors.items()}


def by_backend_of_gpus(device_type: str) -> dict[str, np.ndarray]:
    """In a group of one process, as trainings of several form it: gradients of a generator that DDP wraps, and sums."""
    device, is_gpu = torch.device(device_type), device_type == "cuda"
    prepare_torch(seed=0)
    backend, address = "cpu:gloo,cuda:nccl" if is_gpu else "gloo", f"tcp://127.0.0.1:{free_port()}"
    dist.init_process_group(backend, init_method=address, rank=0, world_size=1)
    try:
        netG, layout = generator(device)
        DistributedDataParallel(netG, gradient_as_bucket_view=True)(layout, None).square().sum().backward()
        sums = {}
        for where in {CPU, device}:
            sums[f"sum on {where.type}"] = torch.ones(3, device=where)
            dist.all_reduce(sums[f"sum on {where.type}"])
        return gradients_and_buffers(netG) | arrays(sums)
    finally:
        dist.destroy_process_group()


def gradients_and_buffers(network: nn.Module) -> dict[str, np.ndarray]:
    """By the names of the parameters and buffers."""
    return arrays({name: p.grad for name, p in network.named_parameters()} | dict(network.named_buffers()))


def generator(device: torch.device) -> tuple[nn.Module, Any]:
    """A tiny generator in training, channels-last, and the layout of four samples."""
    model = place(make_model(size=64), device, True, "dense")
    return model.netG, model.layout(make_batch(size=64))


def train(device_type: str, modulation: str) -> dict[str, Any]:
    """Losses of two iterations, gradients of the first, and whether they are channels-last, of this process's part."""
    with joined(device_type) as (world, device):
        model = make_model(size=64, dense=modulation == "dense")
        for module in model.modules():
            if hasattr(module, "always"):
                module.always = True  # tables on a GPU, too
        model = place(model, device, True, modulation)
        batch = {name: values[world.rank :: world.size] for name, values in make_batch(size=64).items()}
        trainer = Pix2PixTrainer(SPADEMethod(model), world=world)
        trainer.step(batch)
        gradients = {name: p.grad for name, p in model.named_parameters()}
        wide = [x for x in gradients.values() if x.dim() == 4 and min(x.shape[1:]) > 1]
        last = [x.is_contiguous(memory_format=torch.channels_last) for x in wide]
        found = arrays(gradients)  # now: the next step overwrites them
        losses = [trainer.read_losses()]
        trainer.step(batch)
        losses.append(trainer.read_losses())
        return {"gradients": found, "losses": losses, "channels_last": (sum(last), len(last))}


def run_program(device_type: str, module: str, argv: list[str]) -> tuple[int, str]:
    """Exit status of a program of this project, and all that it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            status = importlib.import_module(module).main(argv)
        except SystemExit as stop:
            status = stop.code
    return status, printed.getvalue()
