"""The two file formats: writing them with the metadata that generate.py needs, and reading them for verification."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram

from scripts.export.generate import prepare
from scripts.export.graphs import Shapes
from util.errors import InputError

METADATA = "spade.json"
"""Name of the metadata: a key of ONNX's metadata_props, an extra file of torch.export. JSON in both."""
OPSET = 18
"""The operator set that torch's exporter writes without conversion; ONNX Runtime knows it since 1.14."""
ONNX_LIMIT = 2**31
"""Bytes of one ONNX file: protobuf's limit."""

Program = Callable[..., np.ndarray]
"""Runs a file: takes arrays by input name, returns the output."""


def save_onnx(program: ExportedProgram, shapes: Shapes, output: str, metadata: dict[str, Any], path: Path) -> None:
    """Write a traced network as one ONNX file, its weights inside.

    Raises:
        InputError: the weights are too large for one file.
    """
    size = sum(tensor.nbytes for tensor in program.state_dict.values())
    if size >= ONNX_LIMIT:
        raise InputError(
            f"--format onnx: {size / 1e9:.1f} GB of weights, and an ONNX file holds 2.1 GB; use --format torch_export, "
            f"or --precision float16"
        )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "# The axis name")  # N is that of every input
        exported: Any = torch.onnx.export(  # its types do not know that `dynamo` returns a program
            program,
            (),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(shapes),
            output_names=[output],
            dynamic_shapes=shapes,
            external_data=False,
            verbose=False,
        )
    for node in exported.model.graph:
        node.metadata_props.clear()  # source locations, which would be as large as small networks
    exported.model.metadata_props[METADATA] = json.dumps(metadata)
    exported.save(path, external_data=False)


def load_onnx(path: Path) -> Program:
    """Open an ONNX file in ONNX Runtime, on the CPU; one with tables takes label maps, too, as `prepare` does."""
    import onnxruntime  # not needed for the other format

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    metadata = json.loads(session.get_modelmeta().custom_metadata_map[METADATA])

    def run(**inputs: np.ndarray) -> np.ndarray:
        (output,) = session.run(None, prepare(inputs, metadata))
        return np.asarray(output)

    return run


def save_torch_export(
    program: ExportedProgram, shapes: Shapes, output: str, metadata: dict[str, Any], path: Path
) -> None:
    """Write a traced network as torch.export's archive, its weights inside."""
    buffer = io.BytesIO()  # given a path, torch wants it to end in .pt2
    torch.export.save(program, buffer, extra_files={METADATA: json.dumps(metadata)})
    path.write_bytes(buffer.getbuffer())


def load_torch_export(path: Path) -> Program:
    """Open an archive of torch.export, on the CPU."""
    module = torch.export.load(io.BytesIO(path.read_bytes())).module()

    @torch.no_grad()
    def run(**inputs: np.ndarray) -> np.ndarray:
        return module(**{name: torch.from_numpy(array) for name, array in inputs.items()}).numpy()

    return run


FORMATS = {"onnx": (save_onnx, load_onnx), "torch_export": (save_torch_export, load_torch_export)}
"""How files of each `--format` are written and opened."""
PACKAGES = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "torch_export": (), "run": ()}
"""Packages of `util.optional` that each format needs."""
