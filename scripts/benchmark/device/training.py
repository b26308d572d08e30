"""Stage "training": images per second and peak memory of a training step with all losses, in every way, in turns."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch.utils.data import Subset

from data import create_dataset
from data.create import count_workers
from data.workers import QuietLoader
from options import TrainOptions
from scripts.benchmark.device.job import Job, Plan, release
from scripts.benchmark.device.records import Row
from scripts.benchmark.device.workloads import TrainingSize, rounds_within, training_size
from scripts.benchmark.made_up_data import make_coco_like
from scripts.benchmark.memory import peak_on_gpu
from scripts.benchmark.switches import Training, Workload, write_vgg_weights
from scripts.benchmark.timing import take_turns
from scripts.benchmark.train import warm_up

DENSE, TABLE = "--modulation dense --channels_last", "--modulation table --channels_last"
OTHERS = {
    "dense": DENSE,
    "table": TABLE,
    "NCHW": "--modulation dense --no_channels_last",
    "checkpoint": f"{DENSE} --checkpoint_activations",
    "accumulate": f"{DENSE} --accumulate 2",
    "fused Adam": f"{DENSE} --adam fused",
    "EMA": f"{DENSE} --ema 0.999",
    "compiled": f"{DENSE} --compile",
}
"""Name of a row -> flags of train.py."""
LOADER = "loader"
SECONDS = {"cuda": 6.0, "cpu": 0.2}
"""For the pairs of steps of one row."""
READING = {"cuda": 4.0, "cpu": 0.2}
"""Seconds of reading samples, one way."""
MADE = {"cuda": 16, "cpu": 2}
"""Samples to make, which are read again and again."""
ENTRIES = 100_000
"""Length of an epoch of the loader, longer than it is read."""


def plan(job: Job) -> Plan:
    """The rows in their order: each precision by table and densely, then what each switch changes."""
    trainings = Trainings(job)
    keys = ["fp32 dense", "fp32 table", f"fp32 {LOADER}"]  # 16 bits are slow on a CPU
    if not job.is_tiny:
        keys = ["bf16 dense", "bf16 table", f"bf16 {LOADER}", "tf32 dense", "tf32 table", "fp32 dense", "fp32 table"]
        keys += [f"bf16 {name}" for name in ("NCHW", "checkpoint", "accumulate", "fused Adam", "EMA")]
        keys += ["tf32 NCHW", "fp32 NCHW"]
    return {key: lambda key=key: trainings.measure(*key.split(" ", 1)) for key in keys}


class Trainings:
    """Measures rows; keeps the dense training of one precision, with which the others take turns."""

    def __init__(self, job: Job):
        self.job = job
        self.size: TrainingSize = training_size(job.device)
        self.scratch = tempfile.TemporaryDirectory()
        self.vgg: Path | None = None
        self.dense: tuple[str, Workload, Training] | None = None
        self.before = 0  # bytes on the GPU without `dense`

    def measure(self, precision: str, name: str) -> Row:
        """The row of a precision and a name of `OTHERS`, or `LOADER`."""
        workload, dense = self.dense_training(precision)
        facts = {"precision": precision, "name": name, "batch": workload.batch_size}
        facts |= {
            "size": f"{workload.crop_size}x{workload.crop_size}",
            "ngf": workload.ngf,
            "vgg": workload.vgg_weights is not None,
        }
        if name == LOADER:
            return facts | feed(dense, workload, self.job.device)
        flags = OTHERS[name]
        facts["flags"] = f"--precision {precision} {flags}"
        flags = f"{facts['flags']} {self.size.flags}"
        before = self.before if name == "dense" else allocated()
        own = dense if name == "dense" else Training(workload, flags)
        seconds = 0.0 if name == "dense" else warm_up(own)
        peak = peak_on_gpu(own, before) if self.job.device == "cuda" else None
        start = time.perf_counter()
        own.step()
        estimate = time.perf_counter() - start
        jobs = {"dense": lambda i: dense.step()} | ({} if own is dense else {name: lambda i: own.step()})
        times = take_turns(jobs, rounds_within(SECONDS[self.job.device], len(jobs) * estimate), name)
        return facts | {
            "seconds": times.seconds[name],
            "dense_seconds": times.seconds["dense"],
            "peak_mib": peak,
            "warm_up": seconds,
        }

    def dense_training(self, precision: str) -> tuple[Workload, Training]:
        """The dense training of a precision after its first steps, with the largest batch that memory allows."""
        if self.dense and self.dense[0] == precision:
            return self.dense[1:]
        self.dense = None
        for batch in self.size.batches:
            release()
            self.before = allocated()
            workload = Workload(self.job.device, "coco", batch, self.size.crop_size, self.size.ngf, self.vgg_weights())
            try:
                training = Training(workload, f"--precision {precision} {DENSE} {self.size.flags}")
                warm_up(training)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                training = None
            if training is not None:
                self.dense = precision, workload, training
                return workload, training
        raise MemoryError(f"no step fits into memory, not even with batch {self.size.batches[-1]}")

    def vgg_weights(self) -> Path | None:
        """Random weights of VGG-19; None for tiny trainings, which are to be quick."""
        if self.vgg is None and not self.job.is_tiny:
            self.vgg = write_vgg_weights(Path(self.scratch.name) / "vgg19.pth")
        return self.vgg


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory of the GPU ran out, as torch or as a training says it."""
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error).lower()


def allocated() -> int:
    """Bytes of all tensors on the GPU; 0 without one."""
    return torch.cuda.memory_allocated() if torch.cuda.is_available() else 0


def feed(training: Training, workload: Workload, device: str) -> Row:
    """Whether the loader keeps up: samples a second alone, and images a second of steps with it and without it.

    Files are like COCO's, resized and cropped as its preset says, and warm in the system's cache.
    """
    with tempfile.TemporaryDirectory() as folder:
        make_coco_like(Path(folder), MADE[device])
        opt = replace(workload, dataroot=folder).options("--precision fp32")
        opt = replace(opt, load_size=round(opt.crop_size * 286 / 256))  # as published
        dataset = create_dataset(opt)
        count, seconds = len(dataset), READING[device]
        one, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            dataset[one % count]
            one += 1
        one_process = one / (time.perf_counter() - start)
        workers = count_workers(device == "cuda") or 1
        batches = iter(loader_of(dataset, opt, workers, device))
        next(batches)  # starts the workers
        alone = rate(batches, seconds, opt.batch_size)  # also empties what was read ahead
        with_loader = rate((training.trainer.step(batch) for batch in batches), seconds, opt.batch_size)
        in_memory = rate(iter(training.step, 0), seconds, opt.batch_size)
        del batches
    return {
        "workers": workers,
        "samples_one_process": one_process,
        "samples_loader": alone,
        "images_loader": with_loader,
        "images_memory": in_memory,
    }


def loader_of(dataset, opt: TrainOptions, workers: int, device: str) -> QuietLoader:
    """A loader that repeats the samples of a data set for longer than anyone reads."""
    endless = Subset(dataset, [i % len(dataset) for i in range(ENTRIES)])
    return QuietLoader(endless, batch_size=opt.batch_size, num_workers=workers, pin_memory=device == "cuda")


def rate(steps: Iterator[object], seconds: float, batch: int) -> float:
    """Images a second of taking steps for at least `seconds` and three steps; waits for the device."""
    start, count = time.perf_counter(), 0
    for _ in steps:
        count += 1
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        if count >= 3 and time.perf_counter() - start >= seconds:
            break
    return count * batch / (time.perf_counter() - start)
