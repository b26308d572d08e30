"""The metadata of an exported file, from which `scripts/export/generate.py` prepares its inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from data import DATASETS
from options.data_file import described
from scripts.export.formats import OPSET
from scripts.export.graphs import Sizes
from scripts.export.options import ExportOptions

VERSIONS = {"dense": 1, "table": 2}
"""Version of the keys below for each modulation: programs that know version 1 give files label maps."""


def describe(
    opt: ExportOptions, weights: list[Path], sizes: Sizes, z_dim: int | None, tables: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Metadata of a generator in JSON types.

    Label maps hold ids 0 .. file_ids - 1, and `unknown_value` for unknown pixels, which are class `unknown_id` to the
    network; both are None if no value in the files is special.

    Args:
        tables: for a generator by table, see `table_facts`.
    """
    dataset = DATASETS[opt.dataset_mode]
    names, colors = dataset.classes(opt.label_nc, opt.contain_dontcare_label, described(opt))
    ids = dataset.label_ids(opt)
    special = opt.contain_dontcare_label and ids.unknown_value is not None
    height, width = sizes.trained
    modulation = "dense" if tables is None else "table"
    return {
        "version": VERSIONS[modulation],
        "kind": "generator",
        "run": opt.name,
        "which_epoch": opt.which_epoch,
        "weights": [path.name for path in weights],
        "method": opt.method,
        "netG": opt.netG,
        "precision": opt.precision,
        "num_labels": opt.num_labels,
        "class_names": list(names),
        "class_colors": [[int(channel) for channel in color] for color in colors],
        "file_ids": ids.count,
        "unknown_value": ids.unknown_value if special else None,
        "unknown_id": opt.label_nc if special else None,
        "edges": opt.instance,
        "height": height,
        "width": width,
        "dynamic_size": opt.dynamic_size,
        "size_multiple": sizes.unit,
        "smallest_side": sizes.smallest,
        "z_dim": z_dim,
        "modulation": modulation,
        "neighborhoods": tables,
        "encoder": opt.encoder_path.name if opt.use_vae else None,
        "torch": str(torch.__version__),
        "opset": OPSET if opt.format == "onnx" else None,
    }
