"""The segmenters by data set, and loading their published weight files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from models.segmenters.base import Segmenter
from models.segmenters.deeplabv2 import CocoSegmenter
from models.segmenters.drn import CityscapesSegmenter
from models.segmenters.own import OwnSegmenter, ProgramSegmenter
from models.segmenters.upernet import Ade20kSegmenter
from models.weights import read_weights
from util.errors import InputError

SEGMENTERS: dict[str, type[Segmenter]] = {
    segmenter.name: segmenter for segmenter in (CocoSegmenter, Ade20kSegmenter, CityscapesSegmenter)
}

# Prefixes of names in published files -> ours: DataParallel, and DeepLab before February 2019.
RENAMED = {"module.": "", "scale.": "base.", "base.aspp.stages.": "base.aspp."}
# Buffers of synchronized batch norm that only training uses, and a counter that only some files have.
DROPPED = ("._tmp_running_mean", "._tmp_running_var", "._running_iter", ".num_batches_tracked")

State = dict[str, Tensor]


def load_segmenter(mode: str, files: Sequence[Path], **settings) -> Segmenter:
    """The network that segments data set `mode`, with published weights, in evaluation mode on the CPU.

    Args:
        mode: key of `SEGMENTERS`.
        files: one for each of the segmenter's `files`, in any order: they are told apart by their contents.
        settings: arguments of the segmenter's class.
    Raises:
        InputError: an unknown mode, or files that cannot be read, do not fit, are too few or too many.
    """
    if mode not in SEGMENTERS:
        raise InputError(f"no published segmenter for {mode}; there are segmenters for {', '.join(SEGMENTERS)}")
    with torch.device("meta"):  # no memory: all values come from the files
        segmenter = SEGMENTERS[mode](**settings)
    found: dict[str, Path] = {}
    for path in map(Path, files):
        state = read_state(path)
        part = next((part for part in segmenter.files if _difference(getattr(segmenter, part), state) is None), None)
        if part is None:
            raise InputError(f"{path}: {_explain(segmenter, state)}; {_wanted(segmenter)}")
        if part in found:
            raise InputError(f"{path}: is {segmenter.files[part]}, and so is {found[part]}; {_wanted(segmenter)}")
        found[part] = path
        _assign(getattr(segmenter, part), state)
    missing = [file for part, file in segmenter.files.items() if part not in found]
    if missing:
        raise InputError(f"{' and '.join(missing)} not given; {_wanted(segmenter)}")
    return segmenter.eval().requires_grad_(False)


def load_own_segmenter(path: Path | str, device: torch.device | str = "cpu") -> Segmenter:
    """A segmenter that a user trained, in evaluation mode on `device`.

    Args:
        path: the folder of a run of scripts.segmenter, whose weights are read without running code; or a
            TorchScript or torch.export file, which is a program that is run: see `ProgramSegmenter`.
    Raises:
        InputError: there is no such file or folder, or it is neither.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such run of {OwnSegmenter.source}, and no such file")
    if not path.is_dir():
        return ProgramSegmenter(path, device).eval()
    segmenter = OwnSegmenter.from_facts(path)
    for part, file in segmenter.files.items():
        state = read_state(path / file)
        if difference := _difference(getattr(segmenter, part), state):
            raise InputError(f"{path / file}: does not fit the network beside it: it {difference}")
        _assign(getattr(segmenter, part), state)
    return segmenter.to(device).eval().requires_grad_(False)


def read_state(path: Path) -> State:
    """The state dict in a published file, under our names, without entries that only training needs.

    Raises:
        InputError: the file cannot be read or holds no state dict.
    """
    content = read_weights(path)
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]  # a checkpoint with the epoch and other entries
    if not (isinstance(content, dict) and content and all(isinstance(value, Tensor) for value in content.values())):
        raise InputError(f"{path}: holds something other than a state dict of tensors")
    return {_renamed(name): tensor for name, tensor in content.items() if not name.endswith(DROPPED)}


def _renamed(name: str) -> str:
    for theirs, ours in RENAMED.items():
        if name.startswith(theirs):
            name = ours + name.removeprefix(theirs)
    return name


def _own(network: nn.Module) -> State:
    return {name: tensor for name, tensor in network.state_dict().items() if not name.endswith(DROPPED)}


def _assign(network: nn.Module, state: State) -> None:
    own = network.state_dict()
    counters = {name: torch.tensor(0) for name in own if name.endswith(".num_batches_tracked")}
    network.load_state_dict(counters | {name: state[name].to(own[name].dtype) for name in state}, assign=True)


def _difference(network: nn.Module, state: State) -> str | None:
    """The first entry that is missing, extra or of another shape, as text for a message; None if the state fits."""
    own = _own(network)
    for name, tensor in own.items():
        if name not in state:
            return f"lacks {name}"
        if state[name].shape != tensor.shape:
            return f"has {name} of shape {tuple(state[name].shape)}, not {tuple(tensor.shape)}"
    extra = [name for name in state if name not in own]
    return f"has {extra[0]}, which the network does not have" if extra else None


def _explain(segmenter: Segmenter, state: State) -> str:
    """Which other segmenter a file belongs to, or how it differs from the sub-network that has most of its names."""
    for mode, other in SEGMENTERS.items():
        with torch.device("meta"):
            network = other()
        if any(_difference(getattr(network, part), state) is None for part in network.files):
            return f"is of the network that segments {mode}, not {segmenter.name}"
    parts = [getattr(segmenter, part) for part in segmenter.files]
    nearest = max(parts, key=lambda part: len(_own(part).keys() & state.keys()))
    return f"does not fit the network that segments {segmenter.name}: it {_difference(nearest, state)}"


def _wanted(segmenter: Segmenter) -> str:
    return f"it takes {' and '.join(segmenter.files.values())} from {segmenter.source}"
