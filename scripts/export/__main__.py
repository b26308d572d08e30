"""Export a trained generator for use without this project.

    python -m scripts.export --name RUN --output RUN.onnx

Norms are folded, and everything that only training needs is gone. The file is compared with the trained network on
random label maps before it takes its place. A run with an encoder gives a second file, RUN.encoder.onnx, which is only
needed to take styles from photos. `scripts/export/generate.py` runs the files; docs/deploy.md has inputs, outputs and
limits.
"""

from __future__ import annotations

from util.console import exit_statuses, slow_imports

import sys
from collections.abc import Sequence

from data import PRESETS
from models import METHODS
from options import parse_options
from scripts.export.options import ExportOptions


@exit_statuses(ExportOptions.program)
def main(argv: Sequence[str] | None = None) -> int:
    """Export according to the command line; return the exit status."""
    opt = parse_options(ExportOptions, argv, PRESETS, METHODS)
    with slow_imports():  # only now, as PyTorch takes seconds: --help and wrong options are answered at once
        import torch

        from scripts.export.export import export
    if opt.threads is not None:
        torch.set_num_threads(opt.threads)
    print("\n".join(export(opt)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
