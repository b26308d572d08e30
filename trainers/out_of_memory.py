"""Ends a training that lacks memory with one line: what to change, and by how much."""

from __future__ import annotations

import contextlib
import resource
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from models import METHODS
from trainers.memory import at_most, count_steps, needed
from util.distributed import World
from util.errors import InputError, StoppedError
from util.lack_of_memory import OutOfMemoryError, is_out_of_memory

CHECKPOINTING = "--checkpoint_activations"


@dataclass(frozen=True)
class Room:
    """Memory for a training.

    Attributes:
        device: its name for a message.
        bytes: what the training can have.
        others: of the device's memory, what other programs use.
        on_gpu: whether it is that of a GPU.
    """

    device: str
    bytes: int
    others: int = 0
    on_gpu: bool = False

    def fits(self, peak: int) -> bool:
        """Whether a training step with this counted peak fits."""
        return needed(peak) <= self.bytes

    def __str__(self) -> str:
        used = f" ({_gib(self.others)} more are used by other programs)" if self.others > 2**30 else ""
        return f"{self.device} has {_gib(self.bytes)} for it{used}"


@contextlib.contextmanager
def advising_on_memory(opt: Any, world: World, device: torch.device) -> Iterator[None]:
    """If memory runs out in the block, raise an `OutOfMemoryError` whose message names the options that would fit."""
    before = _field("/proc/self/status", "VmSize")
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, StoppedError) or not is_out_of_memory(error):
            raise
        traceback.clear_frames(error.__traceback__)  # releases the tensors of the step
        room = _room_on_gpu(device) if device.type == "cuda" else _room_on_cpu(before)
    else:
        return
    raise OutOfMemoryError(advice(opt, world.size, room))


def advice(opt: Any, processes: int, room: Room) -> str:
    """One line about a training that has run out of memory.

    Args:
        processes: that share the batch.
    """
    size = opt.batch_size // (processes * opt.accumulate)  # images of one forward pass
    try:
        counted = _count(opt, size, room.on_gpu)
    except (InputError, MemoryError, RuntimeError):  # a method that cannot be counted, or no memory for that either
        return f"out of memory: {room}; {_without_count(opt, processes)}"
    usable = {recomputes: _most_images(peaks, size, room) for recomputes, peaks in counted.items()}
    usable[opt.checkpoint_activations] = min(usable[opt.checkpoint_activations], size - 1)  # whatever is counted
    need = _gib(needed(counted[opt.checkpoint_activations][size]))
    state = (
        f"--batch_size {opt.batch_size} --accumulate {opt.accumulate}{f' {CHECKPOINTING}' * opt.checkpoint_activations}"
    )
    each = f" in each of {processes} processes" if processes > 1 else ""
    ways = what_fits(opt, processes, size, usable)
    if not ways:
        least = _gib(min(needed(peaks[1]) for peaks in counted.values()))
        ways = [f"a smaller --crop_size or --ngf, or a larger device: one image needs {least} at least"]
    return f"out of memory: {state} needs about {need}{each}, and {room}; use {', or '.join(ways)}"


def _count(opt: Any, size: int, on_gpu: bool) -> dict[bool, dict[int, int]]:
    """Peak of a step by --checkpoint_activations and by images of a forward pass: one, and `size`."""
    settings = [opt.checkpoint_activations]
    if not settings[0] and CHECKPOINTING.removeprefix("--") in METHODS[opt.method].options:
        settings.append(True)
    sizes = sorted({1, size})
    parts = [replace(opt, accumulate=1, checkpoint_activations=recomputes) for recomputes in settings]
    return {part.checkpoint_activations: dict(zip(sizes, count_steps(part, sizes, on_gpu))) for part in parts}


def _most_images(peaks: dict[int, int], size: int, room: Room) -> int:
    """The most images of a forward pass, up to `size`, that fit; 0 if none do."""
    return next((images for images in range(size, 0, -1) if room.fits(at_most(peaks, images))), 0)


def what_fits(opt: Any, processes: int, size: int, usable: dict[bool, int]) -> list[str]:
    """What to type instead, the least change first: recomputation alone, the batch in more parts, a smaller batch.

    Args:
        usable: by --checkpoint_activations, the most images of a forward pass that fit.
    """
    now = opt.checkpoint_activations
    recomputed = 0 if now else usable.get(True, 0)
    ways = [CHECKPOINTING] * (recomputed == size)
    fits, more = (usable[now], "") if usable[now] else (recomputed, f" {CHECKPOINTING}")
    if not 0 < fits < size:
        return ways
    whole = opt.batch_size // processes
    parts = next(parts for parts in range(1, whole + 1) if whole % parts == 0 and whole // parts <= fits)
    return [*ways, f"--accumulate {parts}{more}", f"--batch_size {fits * processes * opt.accumulate}{more}"]


def _without_count(opt: Any, processes: int) -> str:
    step = opt.accumulate * processes
    smaller = opt.batch_size // 2 // step * step
    return f"use --batch_size {smaller}, or less" if smaller else "use a smaller --crop_size, or a larger device"


def _room_on_gpu(device: torch.device) -> Room:
    free, total = torch.cuda.mem_get_info(device)
    ours = torch.cuda.memory_reserved(device)
    return Room(f"{torch.cuda.get_device_name(device)} (GPU {device.index})", free + ours, total - free - ours, True)


def _room_on_cpu(before: int) -> Room:
    """Memory of this machine, or what a limit of the address space (ulimit -v) leaves.

    Args:
        before: address space of this process before the training.
    """
    total, (limit, _) = _field("/proc/meminfo", "MemTotal"), resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return Room("this machine", total)
    return Room("this process, which may not use more (ulimit -v),", min(total, limit - before))


def _field(path: str, name: str) -> int:
    """Bytes in a field of a file of Linux that gives them in kB."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 2**10 for line in lines if line.startswith(f"{name}:"))


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
