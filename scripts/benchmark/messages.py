"""The messages that processes exchange in a training step: counted where several train, or predicted from one."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from models import create_method, create_model
from models.networks.sync_batch_norm import SyncBatchNorm
from models.shared_statistics import FollowingNorm
from options import TrainOptions
from scripts.benchmark.switches import make_batch
from trainers import Pix2PixTrainer, create_trainer
from util.errors import InputError

GRADIENTS, FORWARD, BACKWARD, CONTROL, SUMS = "gradients", "statistics", "statistics, backward", "control", "sums"
FIRST_BUCKET, BUCKET = 2**20, 25 * 2**20
"""Bytes at which DistributedDataParallel closes its first bucket of gradients, and every further one."""
NUMBER = 8
"""Bytes of a number that decides something: 64 bits."""


@dataclass(frozen=True, order=True)
class Message:
    """A collective operation as one process sees it.

    Attributes:
        player: in whose step; "" for after the steps.
        purpose: gradients; statistics of synchronized norms, forward or backward; control: numbers by which processes
            decide alike; sums: of labels and logits that losses need.
        kind: "all_reduce" or "all_gather", for example.
        size: bytes that this process contributes.
    """

    player: str
    purpose: str
    kind: str
    size: int


class Counter(TorchDispatchMode):
    """Within a `with` block, records every collective operation of this process, those of DDP and backward passes too.

    Purposes are found on the stack, so the backward pass must run in the thread that asks for it: on CPUs.

    Attributes:
        messages: in the order of their operations.
    """

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[Message] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.namespace == "c10d":
            frames = list(_stack(sys._getframe(1)))
            name = str(func.__name__).partition(".")[0]
            kind = KINDS.get(name, name)
            payload = args[1] if kind == "all_gather" else args[0]
            self.messages.append(Message(_player(frames), _purpose(frames), kind, _bytes(payload)))
        return func(*args, **(kwargs or {}))


KINDS = {"allreduce_": "all_reduce", "allgather_": "all_gather", "_allgather_base_": "all_gather"}


def predict(opt: TrainOptions, on_gpu: bool = False) -> list[Message]:
    """The messages of a training step with options `opt`, and of what follows a batch, without exchanging any.

    A step is run in this process on tensors that have shapes and no values. It takes no tables, which exchange the
    same; but with tables gradients become ready in a slightly different order, so buckets may differ by a few tensors.

    Args:
        on_gpu: NCCL, and torch's own synchronized batch norm; else gloo and the one of this project.

    Raises:
        InputError: what the method computes depends on more than shapes.
    """
    plain = replace(opt, modulation="dense", batch_size=opt.accumulate, adam="loop", ema=None, skip_nonfinite=0)
    plain = replace(plain, vgg_loss=False, gpu_ids="-1", compile=False)  # these exchange nothing
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            trainer = create_trainer(plain, create_method(plain, create_model(plain).train()))
            trainer.finite.at_once = False  # there is no value to check
            observer = _Observer(trainer, on_gpu)
            trainer.step({name: tensor.clone() for name, tensor in make_batch(plain).items()})
    except (DataDependentOutputException, DynamicOutputShapeException):
        raise InputError(f"--method {opt.method}: its messages cannot be predicted; use --method spade") from None
    messages = observer.messages
    for player, gradients in observer.ready.items():
        messages += [Message(player, GRADIENTS, "all_reduce", size) for size in bucket_sizes(gradients.values())]
        messages += _other_messages(opt, player, on_gpu)
    after_batch = 1 + (opt.skip_bad_samples > 0) + (opt.max_minutes is not None)
    return messages + [Message("", CONTROL, "all_reduce", NUMBER)] * after_batch


def _other_messages(opt: TrainOptions, player: str, on_gpu: bool) -> list[Message]:
    """What is neither gradients nor statistics in the step of a player."""
    found = []
    if opt.skip_nonfinite or not on_gpu:
        found.append(Message(player, CONTROL, "all_reduce", NUMBER))
    if opt.method == "oasis":  # the pixels of each label
        found.append(Message(player, SUMS, "all_reduce", NUMBER * opt.num_labels))
    if player == "D" and opt.lambda_lecam:  # the mean logits of both kinds of images
        found.append(Message(player, SUMS, "all_reduce", 2 * 4))
    return found


def bucket_sizes(sizes: Iterable[int]) -> list[int]:
    """Bytes of the buckets that DDP fills with gradients of `sizes` bytes, in the order in which they are ready."""
    buckets, filled = [], 0
    for size in sizes:
        filled += size
        if filled >= (BUCKET if buckets else FIRST_BUCKET):
            buckets.append(filled)
            filled = 0
    return buckets + [filled] * (filled > 0)


class _Observer:
    """Notes what a step in one process would exchange if there were several.

    Attributes:
        messages: of synchronized norms.
        ready: bytes of the gradients of each player by parameter, in the order in which they are ready.
    """

    def __init__(self, trainer: Pix2PixTrainer, on_gpu: bool):
        self.on_gpu = on_gpu
        self.messages: list[Message] = []
        self.ready: dict[str, dict[Tensor, int]] = {}
        for network in trainer.model.networks.values():
            for module in network.modules():
                if isinstance(module, SyncBatchNorm) and not isinstance(module, FollowingNorm):
                    module.register_forward_hook(self._note_norm)
            for parameter in network.parameters():
                parameter.register_post_accumulate_grad_hook(self._note_gradient)

    def _note_norm(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        assert isinstance(module, SyncBatchNorm), "the hook is for these alone"
        if not module.training:
            return
        moments = 4 * 2 * module.num_features  # mean and variance in 32 bits
        player = _player(_stack(sys._getframe(1)))
        self.messages.append(Message(player, FORWARD, "all_gather", moments + 4 * self.on_gpu))
        if inputs[0].requires_grad and torch.is_grad_enabled():
            message = Message(player, BACKWARD, "all_reduce", moments)
            output.register_hook(lambda gradient: self.messages.append(message))

    def _note_gradient(self, parameter: Tensor) -> None:
        ready = self.ready.setdefault(_player(_stack(sys._getframe(1))), {})
        ready.setdefault(parameter, parameter.numel() * parameter.element_size())


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    """The frames from `frame` outwards."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def _player(frames: Iterable[FrameType]) -> str:
    """The name of the player whose step is on the stack; "" without one."""
    steps = (frame for frame in frames if _place(frame) == ("player.py", "step"))
    return next((frame.f_locals["self"].name for frame in steps), "")


def _purpose(frames: Iterable[FrameType]) -> str:
    places = [_place(frame) for frame in frames]
    for file, function in places:
        if file == "sync_batch_norm.py" and function in ("forward", "backward"):
            return FORWARD if function == "forward" else BACKWARD
    functions = [function for file, function in places if file == "distributed.py"]
    if "sum_over_processes" in functions:
        return SUMS
    return CONTROL if {"all_reduce_max", "all_gather", "broadcast"} & set(functions) else GRADIENTS


def _place(frame: FrameType) -> tuple[str, str]:
    """File name and function of a frame."""
    return frame.f_code.co_filename.replace("\\", "/").rpartition("/")[2], frame.f_code.co_name


def _bytes(tensors: Any) -> int:
    """Bytes of a tensor, or of all tensors of a list of them."""
    if isinstance(tensors, Tensor):
        return tensors.numel() * tensors.element_size()
    return sum(map(_bytes, tensors))
