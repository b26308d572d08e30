"""Reads weight files without running code, and loads them; an error names the option that does not fit."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from util.errors import InputError

State = Mapping[str, Tensor]


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


def fit_network(network: nn.Module, state: dict, path: Path) -> None:
    """Load `state`, which `read_weights` returned for `path`, into `network`. Raises as `load_network` does."""
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path}: holds something other than a state dict of tensors")
    state = {name.removeprefix("module."): tensor for name, tensor in state.items()}  # of DataParallel
    own = network.state_dict()
    # Older PyTorch versions did not save num_batches_tracked, which only momentum=None reads.
    state = {name: t for name, t in own.items() if name.endswith("num_batches_tracked")} | state
    problem = _explain_mismatch(own, state)
    if problem:
        raise InputError(f"{path}: does not fit these options: {problem}")
    network.load_state_dict(state)


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


def describe_architecture(state: State) -> dict[str, object]:
    """The options that a G, D or E was built with, as far as names and shapes of its state dict tell them."""
    shapes = {name.replace("weight_orig", "weight"): tuple(tensor.shape) for name, tensor in state.items()}
    norms = {"spectral norm (norm_G, norm_D, norm_E)": any(name.endswith("weight_orig") for name in state)}
    if "head_0.conv_0.weight" in shapes:
        return _describe_spade(shapes) | norms
    if "model.1.weight" in shapes or "model.1.0.weight" in shapes:
        return _describe_pix2pixhd(shapes) | norms
    if "discriminator_0.model0.0.weight" in shapes:
        return _describe_discriminator(shapes) | norms
    if "fc_mu.weight" in shapes:
        return _describe_encoder(shapes) | norms
    if "g_encoder_conv1_1.0.weight" in shapes:
        return _describe_sims(shapes)
    return {}


_SEMANTIC_NC = "number of semantic channels (--label_nc + --contain_dontcare_label + --instance)"
_LATENT = "input from a latent (--use_vae or --random_input)"
Shapes = Mapping[str, tuple[int, ...]]


def _describe_spade(shapes: Shapes) -> dict[str, object]:
    wide, joined = shapes["head_0.conv_0.weight"][:2]  # 16 ngf, and as many without concatenated channels
    ngf, shared = wide // 16, shapes.get("head_0.norm_0.mlp_shared.0.weight")
    batch_statistics = {"head_0.norm_0.param_free_norm.running_mean", "head_0.norm_0.running_mean"}
    facts = {
        "--netG": "spade",
        "--conditioning": "spade" if shared else "concat" if joined > wide else "none",
        "--ngf": ngf,
        "batch statistics (--norm_G)": not batch_statistics.isdisjoint(shapes),
        "--num_upsampling_layers most": "up_4.conv_0.weight" in shapes,
        _LATENT: len(shapes["fc.weight"]) == 2,
    }
    if shared:
        facts |= {_SEMANTIC_NC: shared[1], "SPADE kernel (--norm_G)": f"{shared[2]}x{shared[2]}"}
    else:
        facts[_SEMANTIC_NC] = joined - wide or shapes["fc.weight"][1]
    if facts[_LATENT]:
        rows, z_dim = shapes["fc.weight"]
        positions = "number of latent positions (--crop_size, --aspect_ratio, --num_upsampling_layers)"
        facts |= {"--z_dim": z_dim, positions: rows // (16 * ngf)}
    return facts


def _describe_pix2pixhd(shapes: Shapes) -> dict[str, object]:
    first = shapes.get("model.1.weight") or shapes["model.1.0.weight"]
    blocks = sorted({int(match[1]) for name in shapes if (match := re.match(r"model\.(\d+)\.conv_block", name))})
    facts = {
        "--netG": "pix2pixhd",
        "--conditioning": "none",
        "--ngf": first[0],
        _SEMANTIC_NC: first[1],
        "--resnet_initial_kernel_size": first[2],
        "--resnet_n_blocks": len(blocks),
    }
    if "model.1.1.mlp_shared.0.weight" in shapes:
        facts["--conditioning"] = "spade"
    if blocks:
        kernel = next(
            shape for name, shape in shapes.items() if re.fullmatch(r"model\.\d+\.conv_block\.1(\.0)?\.weight", name)
        )
        if kernel[1] > kernel[0]:  # more channels in than out
            facts["--conditioning"] = "concat"
        # pad, first convolution and its ReLU, then convolution and ReLU per downsampling
        facts |= {"--resnet_n_downsample": (blocks[0] - 3) // 2, "--resnet_kernel_size": kernel[-1]}
    return facts


def _describe_discriminator(shapes: Shapes) -> dict[str, object]:
    first = shapes["discriminator_0.model0.0.weight"]
    layers = {int(match[1]) for name in shapes if (match := re.match(r"discriminator_0\.model(\d+)", name))}
    return {
        "--ndf": first[0],
        "number of input channels (--label_nc + --contain_dontcare_label + --instance + 3)": first[1],
        "--num_D": len({name.split(".")[0] for name in shapes}),
        "--n_layers_D": max(layers),
    }


def _describe_encoder(shapes: Shapes) -> dict[str, object]:
    layers = [name for name in shapes if re.fullmatch(r"layer\d+(\.0)?\.weight", name)]
    return {
        "--ngf": shapes[layers[0]][0],
        "--z_dim": shapes["fc_mu.weight"][0],
        "number of layers (--crop_size)": len(layers),
    }


def _describe_sims(shapes: Shapes) -> dict[str, object]:
    width, in_channels = shapes["g_encoder_conv1_1.0.weight"][:2]
    facts: dict[str, object] = {
        "--method": "sims",
        "--sims_width": width,
        "number of labels (--label_nc + --contain_dontcare_label)": in_channels - 4,  # canvas and mask
    }
    for name in shapes:
        if match := re.fullmatch(r"g_semantic_(\d+)_conv100\.weight", name):
            facts["height of the images (--crop_size, --aspect_ratio)"] = int(match[1])
    return facts
