"""Memory of a training step, counted from shapes: no data, no weights and no GPU are needed."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
    unset_fake_temporarily,
)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from models import create_method, create_model
from models.vgg import VGGLoss
from trainers.pix2pix_trainer import Pix2PixTrainer, create_trainer
from util.errors import InputError

COUNTED = ("spade", "spade_plus", "pix2pixhd", "pix2pix")
"""Methods whose training step can be counted; the losses of the others ask for the values of tensors."""

MARGIN = 1.2
"""Memory of a GPU that a step takes, as a multiple of what is counted: 1.05 to 1.17 measured (docs/scale.md)."""
CONTEXT = 2**29
"""Bytes that CUDA takes for itself and the kernels."""


def needed(peak: int) -> int:
    """Bytes that a GPU must have for a step with this counted peak."""
    return round(MARGIN * peak) + CONTEXT


def at_most(counted: Mapping[int, int], batch_size: int) -> int:
    """A bound on the peak at a batch size between two counted ones, or above them all.

    The peak is the largest of many sums that grow linearly with the batch, so it is convex.

    Args:
        counted: peak by batch size, of two or more.
    """
    if batch_size in counted:
        return counted[batch_size]
    sizes = sorted(counted)
    below, above = next(((a, b) for a, b in itertools.pairwise(sizes) if batch_size <= b), (sizes[-2], sizes[-1]))
    slope = (counted[above] - counted[below]) / (above - below)
    return round(counted[below] + (batch_size - below) * slope)


def count_steps(opt: Any, batch_sizes: Sequence[int], on_gpu: bool = True) -> Iterator[int]:
    """Yield the peak memory in bytes of a training step of every player, for each batch size of one process.

    Networks, losses, trainer and optimizers are those of train.py, on tensors without contents. Everything alive at one
    time counts: weights, moments of Adam, gradients, buffers, saved and temporary tensors. SPADE is counted as with
    `--modulation dense`: what tables save depends on the label maps. What libraries need beside tensors is not counted:
    workspaces of cuDNN, the context of CUDA, fragments of the allocator.

    Args:
        batch_sizes: multiples of `opt.accumulate`.
        on_gpu: count the optimizer that train.py chooses on a GPU.
    Raises:
        InputError: the step depends on the values of tensors, not on shapes alone.
    """
    if opt.method not in COUNTED:
        raise InputError(f"--method {opt.method}: memory is counted for {', '.join(COUNTED)}")
    try:
        with FakeTensorMode(), LiveStorages() as live:
            trainer = _trainer(opt, on_gpu)
            average = [] if opt.ema is None else [value.clone() for value in trainer.model.netG.state_dict().values()]
            trainer.step(_batch(opt, batch_sizes[0]))  # allocates the moments of Adam
            for batch_size in batch_sizes:
                batch = _batch(opt, batch_size)
                live.peak = live.bytes
                trainer.step(batch)
                yield live.peak
            del average
    except (DataDependentOutputException, DynamicOutputShapeException) as error:
        raise InputError(f"memory cannot be counted with these options: {error} depends on label maps") from None


class LiveStorages(TorchDispatchMode):
    """Follows the memory of all tensors that operations inside return, until it is freed.

    Attributes:
        bytes: alive now.
        peak: largest value of `bytes` so far; may be set back.
    """

    def __init__(self):
        super().__init__()
        self.bytes = self.peak = 0
        self._sizes: dict[weakref.ref, int] = {}

    def __torch_dispatch__(self, func: Callable, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        result = func(*args, **kwargs or {})
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._note(leaf.untyped_storage())
        return result

    def _note(self, storage: torch.UntypedStorage) -> None:
        reference = weakref.ref(storage, self._forget)  # equal to earlier ones of the same storage
        if reference not in self._sizes:
            self._sizes[reference] = storage.nbytes()
            self.bytes += storage.nbytes()
            self.peak = max(self.peak, self.bytes)

    def _forget(self, reference: weakref.ref) -> None:
        self.bytes -= self._sizes.pop(reference)


def _trainer(opt: Any, on_gpu: bool) -> Pix2PixTrainer:
    """The trainer of train.py on fake tensors of a CPU, set up as for a GPU if `on_gpu`.

    Backward passes need a device that exists. The memory format is not set: measured on a GPU it changes nothing.
    """
    counted: dict[str, Any] = {"modulation": "dense", "vgg_loss": False, "compile": False, "ema": None}
    counted |= {"skip_nonfinite": 0, "r1_interval": 1}  # the step with the penalty is the largest
    if on_gpu and opt.adam == "auto":
        counted["adam"] = "foreach"  # torch's choice there; a CPU's is fused
    if opt.precision in ("fp16", "tf32"):  # loss scaling reads gradients; tf32 has the tensors of fp32
        counted["precision"] = "bf16" if opt.precision == "fp16" else "fp32"
    settings = replace(opt, **counted)
    method: Any = create_method(settings, create_model(settings).train())
    if opt.vgg_loss:
        method.vgg = _vgg_loss()
    trainer = create_trainer(settings, method)
    trainer.finite.at_once = False  # there are no values to check
    return trainer


def _vgg_loss() -> VGGLoss:
    """The perceptual loss without weights."""
    with unset_fake_temporarily():  # a fake module cannot leave the meta device
        vgg = VGGLoss()
    for layer in vgg.features:
        for name, parameter in list(layer.named_parameters()):
            setattr(layer, name, nn.Parameter(torch.empty(parameter.shape), requires_grad=False))
    return vgg


def _batch(opt: Any, batch_size: int) -> dict[str, Tensor]:
    """A batch as the data loader makes it, without contents."""
    size = batch_size, round(opt.crop_size / opt.aspect_ratio), opt.crop_size
    batch = {"image": torch.zeros(size[0], 3, *size[1:])}
    if opt.input_nc:
        return batch | {"condition": torch.zeros(size[0], opt.input_nc, *size[1:])}
    batch["labels"] = torch.zeros(size, dtype=torch.uint8)
    return batch | ({"instances": torch.zeros(size, dtype=torch.int32)} if opt.instance else {})
