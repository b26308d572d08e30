"""Networks of a user that are saved as programs: TorchScript (`torch.jit.save`) or torch.export (`torch.export.save`).

**A program is code, and runs when it is used: load none that you do not trust.**
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from util.errors import InputError


@dataclass(frozen=True)
class Program:
    """A network from photos (N, 3, H, W) to whatever it computes.

    Attributes:
        run: the network; a torch.export program for one number of photos gets that many at once, the last ones padded.
        size: height and width of the photos that it takes; None for a side of any length.
    """

    run: Callable[[Tensor], Tensor]
    size: tuple[int | None, int | None] = (None, None)

    def __call__(self, photos: Tensor) -> Tensor:
        return self.run(photos)


def load_program(path: Path, device: torch.device | str, other: str | None = None) -> Program:
    """Load a TorchScript file, or a *.pt2 of torch.export, onto `device`; exported programs cannot be moved afterwards.

    Args:
        other: what else the file could have been, for the message.
    Raises:
        InputError: the file holds no program.
    """
    if path.suffix == ".pt2":
        return _load_exported(path, device)
    try:
        return Program(torch.jit.load(path, map_location=device).eval())
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"{path}: is neither {f'{other}, nor ' if other else ''}a TorchScript file, nor a *.pt2 of torch.export "
            f"(both are programs: trust where they come from) ({one_line(error)})"
        ) from error


def _load_exported(path: Path, device: torch.device | str) -> Program:
    try:
        exported = torch.export.load(path)
        (photos,) = (
            node.meta["val"].shape
            for node in exported.graph.find_nodes(op="placeholder")
            if node.name in exported.graph_signature.user_inputs
        )
    except Exception as error:  # of many types, from zip files to JSON
        raise InputError(
            f"{path}: is not a file of torch.export with one input (a program: trust where it comes from) "
            f"({one_line(error)})"
        ) from error
    if torch.device(device).type != "cpu":
        from torch.export.passes import move_to_device_pass  # slow to import, and needed only here

        exported = move_to_device_pass(exported, device)
    # Sides that were not exported as dynamic are plain numbers.
    count, _, height, width = (side if isinstance(side, int) else None for side in photos)
    module = exported.module()

    def run(photos: Tensor) -> Tensor:
        if count is None:
            return module(photos)
        parts = [F.pad(part, (0,) * 7 + (count - len(part),)) for part in photos.split(count)]
        return torch.cat([module(part) for part in parts])[: len(photos)]

    return Program(run, (height, width))


def one_line(error: Exception) -> str:
    """The beginning of an error's message."""
    return " ".join(str(error).split())[:120]
