"""Optional packages: imported when an option needs them; a failed import is a one-line error."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType

from util.errors import InputError


@dataclass(frozen=True)
class Optional:
    """An optional package.

    Attributes:
        install: arguments of `pip install`.
        needed_by: the option or feature that needs it.
        without: what to do if it cannot be installed.
        probe: a module of the package, or one that imports it, and a name in this module. A folder that happens to have
            the package's name, or an incomplete installation, lacks the name.
    """

    install: str
    needed_by: str
    without: str
    probe: tuple[str, str]


ONNX = ("onnx onnxscript onnxruntime", "--format onnx", "use --format torch_export")
PAINT = ("starlette uvicorn", "the server of scripts.paint", "look at the folder of --export with --serve")
PACKAGES = {
    "tensorboard": Optional(
        "tensorboard", "TensorBoard files", "train with --no_tensorboard", ("torch.utils.tensorboard", "SummaryWriter")
    ),
    "wandb": Optional("wandb", "--wandb", "leave out --wandb", ("wandb", "init")),
    "matplotlib": Optional(
        "matplotlib", "the image of a confusion matrix", "score folders (--fake)", ("matplotlib.figure", "Figure")
    ),
    "torch_fidelity": Optional(
        "torch-fidelity",
        "--features inception, or --precision_recall",
        "take --features random or none, without --precision_recall",
        ("torch_fidelity.feature_extractor_inceptionv3", "FeatureExtractorInceptionV3"),
    ),
    "lpips": Optional("lpips", "--lpips", "leave out --lpips", ("lpips", "LPIPS")),
    "onnx": Optional(*ONNX, ("onnx", "ModelProto")),
    "onnxscript": Optional(*ONNX, ("onnxscript", "FLOAT")),
    "onnxruntime": Optional(*ONNX, ("onnxruntime", "InferenceSession")),
    "starlette": Optional(*PAINT, ("starlette.applications", "Starlette")),
    "uvicorn": Optional(*PAINT, ("uvicorn", "Server")),
    "webdataset": Optional(
        "webdataset", "scripts.prepare shards", "train on the files as they are", ("webdataset", "TarWriter")
    ),
}


def require(package: str) -> ModuleType:
    """Import one of `PACKAGES`; return the module of its probe.

    Raises:
        InputError: the package is missing or broken.
    """
    optional = PACKAGES[package]
    module, name = optional.probe
    try:
        found = importlib.import_module(module)
        getattr(found, name)
    except Exception as error:  # broken installations raise anything: TypeError of protobuf, AttributeError of numpy
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(
            f"{optional.needed_by}: the package {package} cannot be imported ({reason}); pip install "
            f"{optional.install}, or {optional.without}"
        ) from error
    return found
