"""The options of the published OASIS by our names, and ours by the published ones."""

from __future__ import annotations

import math
from typing import Any

from data import PRESETS
from models import METHODS
from models.methods.oasis import OASISMethod
from models.networks.norms import NormSpec
from options import TrainOptions, parse_options
from util.errors import InputError

RENAMED = {"channels_G": "ngf", "EMA_decay": "ema", "num_epochs": "niter"}
NEGATED = {
    "no_3dnoise": "noise_3d",
    "no_balancing_inloss": "class_balance",
    "no_labelmix": "labelmix",
    "no_flip": "flip",
}
NOT_OFFERED = {"num_res_blocks": 6, "no_spectral_norm": False}
"""Published options with the values that networks have here."""
OF_RUNS = frozenset({"batch_size", "seed", "no_EMA", "freq_print", "freq_fid", "freq_save_ckpt", "freq_save_latest"})
"""Published options that networks and losses do not depend on."""


def own_options(recorded: dict[str, Any]) -> TrainOptions:
    """The published command line, parsed as ours; it names no folders, and nothing is read from them.

    Raises:
        InputError: learning rates that are not offered.
    """
    wanted, argv, words = recorded["options"], [], iter(recorded["argv"])
    for word in words:
        name = word.removeprefix("--")
        if name in ("param_free_norm", "spade_ks"):
            next(words)
            kernel = wanted["spade_ks"]
            argv += ["--norm_G", f"spectralspade{wanted['param_free_norm']}{kernel}x{kernel}"]
        elif name in ("lr_g", "lr_d"):
            next(words)
            argv += _rates(wanted["lr_g"], wanted["lr_d"])
        elif name == "no_EMA":
            continue
        elif name in OF_RUNS | NOT_OFFERED.keys():
            next(words)
        else:
            argv.append(f"--{RENAMED[name]}" if name in RENAMED else word)
    size = ["--crop_size", str(recorded["width"]), "--aspect_ratio", str(recorded["width"] / recorded["height"])]
    return parse_options(TrainOptions, ["--method", "oasis", "--gpu_ids", "-1", *size, *argv], PRESETS, METHODS)


def _rates(lr_g: float, lr_d: float) -> list[str]:
    """Our flags for the learning rates of both players."""
    if lr_g == lr_d:
        return ["--lr", str(lr_g), "--no_TTUR"]
    if not math.isclose(4 * lr_g, lr_d):
        raise InputError(f"a recording with the learning rates {lr_g} and {lr_d}: D's is G's here, or four times G's")
    return ["--lr", str(2 * lr_g), "--TTUR"]


def learning_rates(opt: TrainOptions, method: OASISMethod) -> dict[str, float]:
    """Learning rates of the players."""
    return {f"lr_{objective.name}": opt.lr * objective.lr_factor for objective in method.objectives}


def published_options(recorded: dict[str, Any], opt: TrainOptions, method: OASISMethod) -> dict[str, Any]:
    """Values of our options under the published names of those that are recorded."""
    norm_G, has_unknown = NormSpec.parse(opt.norm_G), method.unknown is not None
    special = {
        **{name: recorded[name] for name in OF_RUNS & recorded.keys()},
        **NOT_OFFERED,
        **{name.lower(): rate for name, rate in learning_rates(opt, method).items()},
        **{name: not getattr(opt, ours) for name, ours in NEGATED.items()},
        **{name: getattr(opt, ours) for name, ours in RENAMED.items()},
        **{"param_free_norm": norm_G.kind, "spade_ks": norm_G.spade_kernel, "add_vgg_loss": opt.vgg_loss},
        # Here the unknown label of Cityscapes is one of its 35.
        **{"semantic_nc": opt.num_labels, "label_nc": opt.num_labels - has_unknown},
        "contain_dontcare_label": has_unknown,
    }
    return {name: special[name] if name in special else getattr(opt, name) for name in recorded}
