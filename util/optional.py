"""Packages that only some options need: imported when one does, and in one line if they cannot be."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType

from util.errors import InputError


@dataclass(frozen=True)
class Optional:
    """A package that not everybody wants.

    Attributes:
        install: its name for pip, with what is needed beside it.
        needed_by: what asks for it.
        without: what to do where it cannot be installed.
        probe: a module of it, or one that needs it, and a name in there; a folder that happens to have the package's
            name, or half of an installation, lacks it.
    """

    install: str
    needed_by: str
    without: str
    probe: tuple[str, str]


ONNX = ("onnx onnxscript onnxruntime", "--format onnx", "use --format torch_export")
PACKAGES = {
    "tensorboard": Optional(
        "tensorboard", "TensorBoard files", "train with --no_tensorboard", ("torch.utils.tensorboard", "SummaryWriter")
    ),
    "wandb": Optional("wandb", "--wandb", "leave out --wandb", ("wandb", "init")),
    "matplotlib": Optional(
        "matplotlib", "the picture of a confusion matrix", "score folders (--fake)", ("matplotlib.figure", "Figure")
    ),
    "torch_fidelity": Optional(
        "torch-fidelity",
        "--features inception",
        "take --features random or none",
        ("torch_fidelity.feature_extractor_inceptionv3", "FeatureExtractorInceptionV3"),
    ),
    "lpips": Optional("lpips", "--lpips", "leave out --lpips", ("lpips", "LPIPS")),
    "onnx": Optional(*ONNX, ("onnx", "ModelProto")),
    "onnxscript": Optional(*ONNX, ("onnxscript", "FLOAT")),
    "onnxruntime": Optional(*ONNX, ("onnxruntime", "InferenceSession")),
}


def require(package: str) -> ModuleType:
    """Import one of `PACKAGES`; return the module of its probe.

    Raises:
        InputError: it is missing, or broken.
    """
    optional = PACKAGES[package]
    module, name = optional.probe
    try:
        found = importlib.import_module(module)
        getattr(found, name)
    except Exception as error:  # an installation is broken in many ways: TypeError of protobuf, AttributeError of numpy
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(
            f"{optional.needed_by}: the package {package} cannot be imported ({reason}); pip install "
            f"{optional.install}, or {optional.without}"
        ) from error
    return found
