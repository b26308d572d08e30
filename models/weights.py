"""Reads weight files without running code, and loads them; an error names the option that does not fit."""

from __future__ import annotations

import pickle
import re
from collections import Counter
from pathlib import Path

import torch
from torch import Tensor, nn

from models.architectures import State, describe_architecture
from models.eight_bits import restore_state
from util.errors import InputError

ENTRIES_SHOWN = 3
SCALE = re.compile(r"discriminator_(\d+)\.")


class MismatchError(InputError):
    """A weight file is for another architecture."""


def read_weights(path: Path) -> dict:
    """Load a file of `torch.save` onto the CPU: tensors and plain containers only; code in it is never run.

    Raises:
        InputError: the file is missing, truncated, not a PyTorch file, or holds other objects.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except pickle.UnpicklingError as error:
        if code := re.search(r"(?:GLOBAL|function|class) ([\w.]+\.[\w.]+)", str(error)):
            raise InputError(
                f"{path}: would run {code[1]} when loaded, so it is refused: weight files hold tensors and numbers only"
            ) from None
        raise InputError(f"{path}: not a readable PyTorch weight file") from None
    except (OSError, RuntimeError, EOFError, ValueError, LookupError) as error:
        reason = str(error).strip().splitlines()
        raise InputError(
            f"{path}: not a readable PyTorch weight file ({reason[0][:120] if reason else 'empty'})"
        ) from None


def load_network(network: nn.Module, path: Path) -> None:
    """Load a bare state dict, such as a released `latest_net_G.pth`, into `network`.

    Raises:
        InputError: the file is for another architecture; the message names the options that differ.
    """
    fit_network(network, read_weights(path), path)


def load_what_fits(network: nn.Module, path: Path) -> str:
    """Load the entries of a state dict that `network` has with the same shape; return a line about the others.

    The others keep their values: a larger network starts from a smaller one. A multi-scale discriminator with more
    scales than the file has is for larger images: the scales of the file keep their resolutions in pixels, and the
    finest ones are new.

    Raises:
        InputError: fewer than half of the entries fit, of the file and of the network: it would start from noise.
    """
    own, found = network.state_dict(), _checked(network, read_weights(path), path)
    state, new_scales = _with_finer_scales(own, found)
    fitting = {name: tensor for name, tensor in state.items() if name in own and own[name].shape == tensor.shape}
    differing = _explain_mismatch(own, found)
    taken = f"{len(fitting)} of {len(state)} entries of the file"
    if 2 * len(fitting) < min(len(own), len(state)) or not fitting:
        raise InputError(
            f"{path}: only {taken} fit, too few to start from: {differing}; use the options of the file, or leave out "
            "--load_pretrained"
        )
    network.load_state_dict(fitting, strict=False)
    parts = [f"{path}: {taken} taken"]
    if new_scales:
        parts[0] += f" (discriminator_0 of the file as discriminator_{new_scales}, of the same resolution)"
    for whole, what in ((own, "of the network start from new weights"), (state, "of the file are not used")):
        if others := [name for name in whole if name not in fitting]:
            parts.append(f"{len(others)} of {len(whole)} entries {what}: {_in_short(others, whole)}")
    return "; ".join([*parts, differing] if differing else parts)


def _with_finer_scales(own: State, state: State) -> tuple[State, int]:
    """A state dict numbered for a discriminator of SPADE with more scales, and how many more.

    Number 0 sees the images as they are, and each next one half of their size, so new numbers come first. (Those of
    pix2pixHD are numbered from the coarsest: there the names fit as they are.)
    """
    new = _scales(own) - _scales(state)
    if new <= 0 or not _scales(state):
        return state, 0
    return {SCALE.sub(lambda found: f"discriminator_{int(found[1]) + new}.", name): t for name, t in state.items()}, new


def _scales(state: State) -> int:
    return len({found[1] for name in state if (found := SCALE.match(name))})


def _in_short(names: list[str], own: State) -> str:
    """Some names of entries; one name for a part of the network that is in the list as a whole."""
    sizes, missing = (Counter(name.partition(".")[0] for name in which) for which in (own, names))
    whole = {part for part in missing if missing[part] == sizes[part] > 1}
    parts = [name.partition(".")[0] if name.partition(".")[0] in whole else name for name in names]
    shown = list(dict.fromkeys(parts))
    return ", ".join(shown[:ENTRIES_SHOWN]) + (", ..." if len(shown) > ENTRIES_SHOWN else "")


def fit_network(network: nn.Module, state: dict, path: Path) -> None:
    """Load `state`, which `read_weights` returned for `path`, into `network`. Raises as `load_network` does."""
    own, state = network.state_dict(), _checked(network, state, path)
    # Older PyTorch versions did not save num_batches_tracked, which only momentum=None reads.
    state = {name: t for name, t in own.items() if name.endswith("num_batches_tracked")} | state
    problem = _explain_mismatch(own, state)
    if problem:
        raise MismatchError(f"{path}: does not fit these options: {problem}")
    network.load_state_dict(state)


def _checked(network: nn.Module, state: dict, path: Path) -> dict[str, Tensor]:
    """The entries of a state dict by their present names, without those that `network` never needs."""
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path}: holds something other than a state dict of tensors")
    unused = _unused_statistics(network)
    state = {name.removeprefix("module."): tensor for name, tensor in restore_state(state).items()}  # of DataParallel
    return {name: tensor for name, tensor in state.items() if name not in unused}


def _unused_statistics(network: nn.Module) -> set[str]:
    """Entries that instance norms of PyTorch before 0.4 saved and did not use, as in the released pix2pixHD."""
    return {
        f"{name}.{entry}"
        for name, norm in network.named_modules()
        if isinstance(norm, nn.InstanceNorm2d) and not norm.track_running_stats
        for entry in ("running_mean", "running_var", "num_batches_tracked")
    }


def _explain_mismatch(own: State, found: State) -> str | None:
    """The options in which two state dicts differ, as text for a message; None if all names and shapes are equal."""
    if own.keys() == found.keys() and all(own[name].shape == found[name].shape for name in own):
        return None
    wanted, given = describe_architecture(own), describe_architecture(found)
    differences = [
        f"{option} is {given[option]} in the file and {wanted[option]} here"
        for option in wanted
        if option in given and given[option] != wanted[option]
    ]
    if differences:
        return "; ".join(differences)
    names = sorted(own.keys() ^ found.keys()) or [name for name in own if own[name].shape != found[name].shape]
    extra = names[0] in found and names[0] not in own
    side = "only in the file" if extra else "missing or of another shape in the file"
    return f"{len(names)} entries differ; {names[0]} is {side}"
