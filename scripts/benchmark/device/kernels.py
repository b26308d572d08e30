"""Stage "kernels": where the time of the fastest rows goes, and how much of the device's speed they reach."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from scripts.benchmark.device import generator
from scripts.benchmark.device.generator import CHANNELS_LAST, DENSE, PLAIN_TABLE, TABLE, Generators, begin
from scripts.benchmark.device.job import Job, Plan
from scripts.benchmark.device.records import Row
from scripts.benchmark.device.training import OTHERS, Trainings
from scripts.benchmark.device.workloads import generator_cases
from scripts.benchmark.multiply_adds import count
from scripts.benchmark.switches import Training
from scripts.benchmark.train import warm_up
from util.precision import arithmetic

PRODUCT = {"cuda": 8192, "cpu": 128}
"""Side of the matrices whose product shows how fast the device multiplies."""
COPIED = {"cuda": 2**30, "cpu": 2**22}
"""Bytes of the copy that shows how fast its memory is."""
REPEATS = {"cuda": 10, "cpu": 2}
MOST = 3
"""Kernels that are named."""
FAMILIES = {"dense": (DENSE, CHANNELS_LAST), "table": (TABLE, PLAIN_TABLE)}
"""Ways of the generator -> what they are called here."""
NO_KERNELS = "ProfilerStep", "Optimizer.", "Activity Buffer", "## "
"""Beginnings of names in a profile that are ranges of the program, not work of the device."""


def plan(job: Job) -> Plan:
    """The speed of the device, then the fastest dense row and the fastest row by table of both other stages."""
    generators, trainings = Generators(job), Trainings(job)
    rows = {
        "speed": lambda: {"products": product_speeds(job.device), "copy": copy_speed(job.device)},
        **{f"generator {name}": lambda name=name: of_generator(generators, name) for name in FAMILIES},
    }
    if not job.is_tiny:  # on a CPU the profile of a training takes longer than all else
        rows |= {f"training {name}": lambda name=name: of_training(trainings, name) for name in FAMILIES}
    return rows


def product_speeds(device: str) -> dict[str, float]:
    """Multiply-adds a second of a large matrix product, by precision; the fastest of several."""
    side, speeds = PRODUCT[device], {}
    for precision in ("bf16", "tf32", "fp32") if device == "cuda" else ("fp32",):
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        with torch.no_grad(), arithmetic("tf32" if precision == "tf32" else "fp32", torch.device(device)):
            a = torch.randn(side, side, device=device, dtype=dtype)
            speeds[precision] = side**3 / fastest(lambda a=a: a @ a)
    return speeds


def copy_speed(device: str) -> float:
    """Bytes a second that a large copy reads and writes; the fastest of several."""
    source = torch.zeros(COPIED[device], dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * COPIED[device] / fastest(lambda: target.copy_(source))


def fastest(call: Callable[[], object]) -> float:
    """Seconds of a call: the least of several, after one that does not count; waits for the device."""
    found = []
    for _ in range(REPEATS["cuda" if torch.cuda.is_available() else "cpu"] + 1):
        start = time.perf_counter()
        call()
        wait()
        found.append(time.perf_counter() - start)
    return min(found[1:])


def wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def of_generator(generators: Generators, family: str) -> Row:
    """The fastest way of a family for the first size of the stage "generator"; the first case if there are no rows."""
    job = generators.job
    first, *others = generator_cases(job.device)
    same_size = {case.key: case for case in (first, *others) if (case.mode, case.batch) == (first.mode, first.batch)}
    record = job.record("generator")
    rows = [row for key in same_size if (row := record.row(key))]
    found = [(generator.images_per_second(row, way), row["key"], way) for row in rows for way in FAMILIES[family]]
    rate, key, way = max(found, default=(0.0, first.key, CHANNELS_LAST if family == "dense" else TABLE))
    if not rate:
        key, way = first.key, CHANNELS_LAST if family == "dense" else TABLE
    case = same_size[key]
    _, layouts = begin(generators, case)
    run = generators.ways()[way]
    counts = count(generators.networks[TABLE], layouts[0])
    with torch.no_grad(), arithmetic(case.precision, generators.device):
        figures = profiled(lambda: run(layouts[0]))
    amount = counts.dense if family == "dense" else counts.table
    return figures | {"of": f"{key}, {way}", "precision": case.precision, "multiply_adds": amount}


def of_training(trainings: Trainings, family: str) -> Row:
    """The fastest training step, dense or by table; that in bf16 if there are no rows."""
    rows = [row for row in trainings.job.record("training").rows if row.get("seconds")]
    rows = [row for row in rows if ("table" in row["flags"]) == (family == "table")]
    best = max(rows, key=lambda row: row["batch"] / min(row["seconds"]), default=None)
    best = best or {"precision": "fp32" if trainings.job.is_tiny else "bf16", "name": family}
    precision, name = best["precision"], best["name"]
    workload, dense = trainings.dense_training(precision)
    own = (
        dense
        if name == "dense"
        else Training(workload, f"--precision {precision} {OTHERS[name]} {trainings.size.flags}")
    )
    if own is not dense:
        warm_up(own)
    figures = profiled(own.step)
    with FlopCounterMode(display=False) as counter:
        own.step()
    amount = counter.get_total_flops() // 2
    return figures | {"of": f"{precision} {name}, batch {workload.batch_size}", "precision": precision} | {
        "multiply_adds": amount
    }  # fmt: skip


def profiled(call: Callable[[], object]) -> Row:
    """Seconds of a call, how much of them the device works, its largest kernels, and the bytes that operators move."""
    seconds = fastest(call)
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * torch.cuda.is_available()
    with profile(activities=activities) as profiler:
        call()
        wait()
    kernels = kernel_seconds(profiler.key_averages())
    total = sum(kernels.values())
    largest = sorted(kernels, key=kernels.__getitem__, reverse=True)[:MOST]
    with Traffic() as traffic:
        call()
    return {
        "seconds": seconds,
        "kernel_seconds": total,
        "kernels": [{"name": name, "fraction": kernels[name] / total if total else 0.0} for name in largest],
        "bytes": traffic.bytes,
    }


def kernel_seconds(events: Any) -> dict[str, float]:
    """Seconds by kernel of a profile; on a CPU by operator. Attributes have other names in other versions of torch."""
    found: dict[str, float] = {}
    on_gpu = torch.cuda.is_available()
    for event in events:
        if event.key.startswith(NO_KERNELS) or getattr(event, "is_user_annotation", False):
            continue
        if not on_gpu:
            microseconds = event.self_cpu_time_total
        elif event.device_type != DeviceType.CUDA:
            continue
        else:
            microseconds = getattr(event, "self_device_time_total", None)
            microseconds = event.self_cuda_time_total if microseconds is None else microseconds
        found[event.key] = found.get(event.key, 0.0) + microseconds / 1e6
    return found


class Traffic(TorchDispatchMode):
    """Counts the bytes of the tensors that operators read and write, each once an operator; views count nothing.

    New memory counts with the tensor that it is made like: both stand for what a Triton kernel, unseen here, moves.
    """

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        tensors = [x for x in tree_leaves((args, kwargs, result)) if isinstance(x, Tensor)]
        is_view = any(a.alias_info and not a.alias_info.is_write for a in func._schema.arguments)
        if not is_view:
            self.bytes += sum(x.nbytes for x in {id(x): x for x in tensors}.values())
        return result
