"""The page as static files: any web host serves them, and the browser computes the images."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from data import PRESETS
from models import METHODS
from models.folding import fold_norms
from options import parse_options
from scripts.export.export import export as export_networks
from scripts.export.export import live_generator, load_model
from scripts.export.formats import PACKAGES
from scripts.export.generate import Model
from scripts.export.graphs import Sizes
from scripts.export.options import ExportOptions
from scripts.export.variants import convert
from scripts.export.verify import generator_inputs
from scripts.paint.headers import PAGE_POLICY
from util.errors import InputError
from util.files import readable_size
from util.optional import require

if TYPE_CHECKING:
    from scripts.paint.model import Painter

HERE = Path(__file__).parent
PAGE = HERE / "page"
PACKAGE = "onnxruntime-web"
RUNTIME_FILES = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
    "ort.jspi.min.mjs",
    "ort-wasm-simd-threaded.jspi.mjs",
    "ort-wasm-simd-threaded.jspi.wasm",
)
"""What page/worker.js loads: with WebAssembly alone the first three, with WebGPU the others."""
WASM = "ort-wasm-simd-threaded.wasm"
FACTS = "model.json"
SCENES = 48
ALIKE = 2 * 2 / 255
"""Largest difference of images in [-1, 1] that weights of 8 bits may make: two gray levels."""
LICENSE = """\
The files of this folder are those of {name} {version}, ONNX Runtime for browsers, unchanged.

MIT License

Copyright (c) Microsoft Corporation

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without
limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the
Software, and to permit persons to whom the Software is furnished to do so, subject to the following
conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions
of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED
TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL
THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF
CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER
DEALINGS IN THE SOFTWARE.
"""


def export(args: argparse.Namespace, painter: Painter) -> list[str]:
    """Write the page with the painter's model into the folder `args.export`; return lines about it.

    The folder is written beside its place and moved there at the end: it is whole, or as it was before.

    Raises:
        InputError: the folder holds something else, npm is missing or failed, or the model cannot be exported.
    """
    for package in PACKAGES["onnx"]:
        require(package)
    folder = Path(args.export).resolve()
    _refuse_foreign(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    new, old = (folder.with_name(f".{uuid.uuid4().hex}.tmp") for _ in range(2))
    try:
        new.mkdir()
        lines = write_site(new, painter)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    except BaseException:  # also Ctrl-C between the two
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return [
        *lines,
        f"{args.export}: the page and all that it needs, {readable_size(size)}, for any web host",
        f"to try it here: python -m scripts.paint --serve {args.export}",
    ]


def _refuse_foreign(folder: Path) -> None:
    """Raise an `InputError` unless all that is in a folder was exported before, so that nothing else is removed."""
    for path in (folder, *folder.parents):
        if path.exists() and not path.is_dir():
            raise InputError(f"--export {folder}: {path} is a file; name a folder")
    if Path.cwd().is_relative_to(folder) and folder.exists():
        raise InputError(f"--export {folder}: is replaced as a whole, and this is the current folder; name another one")
    try:
        ours = json.loads((folder / FACTS).read_text(encoding="utf-8"))["browser"]["files"]
    except (OSError, ValueError, KeyError, TypeError):
        ours = []
    foreign = sorted(path for path in relative_files(folder) if path not in ours)
    if foreign:
        raise InputError(
            f"--export {folder}: holds {foreign[0]}, which is no part of the page, and the folder is replaced as a "
            f"whole; name another folder, or move that away"
        )


def relative_files(folder: Path) -> list[str]:
    """All files of a folder, and empty folders, by relative path; none if it does not exist."""
    paths = (path for path in folder.rglob("*") if not path.is_dir() or not any(path.iterdir()))
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def write_site(folder: Path, painter: Painter) -> list[str]:
    """Write all files; return lines about the networks."""
    fetch_runtime(folder / "runtime")  # first: it may be impossible, and takes little time
    shutil.copytree(PAGE, folder, dirs_exist_ok=True)
    for page in folder.glob("*.html"):
        add_policy(page)
    count = 0
    if painter.scenes is not None:
        count = SCENES
        (folder / "scenes").mkdir()
        for number in range(count):
            for suffix, content in painter.scenes.files(number).items():
                (folder / "scenes" / f"{number}.{suffix}").write_bytes(content)
    generator = folder / "model" / "generator.onnx"
    lines = export_networks(network_options(painter, generator))
    facts = painter.facts() | {"engine": "browser", "segmenter": False, "scenes_available": count}
    facts["browser"] = _browser_facts(folder, generator)
    facts["browser"]["files"] = [*relative_files(folder), FACTS]
    (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")
    return [line.replace(f"{folder}{os.sep}", "") for line in lines]


def network_options(painter: Painter, path: Path) -> ExportOptions:
    """What scripts.export is told: weights of 8 bits, a quarter of the download, unless images would show it."""
    opt = painter.opt
    argv = ["--name", opt.name, "--checkpoints_dir", opt.checkpoints_dir, "--which_epoch", opt.which_epoch]
    argv += ["--output", str(path), *["--use_raw_G"] * opt.use_raw_G]
    options = parse_options(ExportOptions, argv, PRESETS, METHODS)
    return replace(options, precision="int8" if difference_of_8_bits(options) <= ALIKE else "float32")


@torch.no_grad()
def difference_of_8_bits(opt: ExportOptions) -> float:
    """The largest difference that weights of 8 bits make to images in [-1, 1] of random label maps."""
    live, small = (load_model(opt)[0] for _ in range(2))
    convert(fold_norms(small.netG), "int8")
    batches = generator_inputs(Sizes.of(opt), opt.num_labels, opt.instance, live.z_dim, dynamic_size=False)
    images = ([live_generator(model)(**inputs) for inputs in batches] for model in (live, small))
    return max(float((one - other).abs().max()) for one, other in zip(*images))


def _browser_facts(folder: Path, generator: Path) -> dict[str, Any]:
    """What the browser's engine reads of model.json."""
    metadata = Model(generator, "generator").metadata
    encoder, by_table = metadata["encoder"], metadata["neighborhoods"] is not None
    rows = generator.with_name("rows.onnx") if by_table else None
    tables = split(generator, rows) if rows else None
    needed = [generator, folder / "runtime" / WASM, *([rows] if rows else [])]
    return {
        "generator": "model/generator.onnx",
        "rows": "model/rows.onnx" if by_table else None,
        "tables": tables,
        "encoder": encoder and f"model/{encoder}",
        "runtime": "runtime/",
        "neighborhoods": metadata["neighborhoods"],
        "bytes": sum(path.stat().st_size for path in needed),  # downloaded before the first picture
    }


def split(generator: Path, rows: Path) -> dict[str, str]:
    """Split a generator by table into two files, so that the page need not compute every row for every picture.

    `rows` gets the part from neighborhoods to the tables of gamma and beta. What remains takes the tables as inputs.

    Returns:
        The size HxW of every table, by its name in both files.
    """
    import onnx  # optional, see `PACKAGES`
    from onnx.utils import extract_model

    graph = onnx.load(generator).graph
    # Every look-up by site is a Gather(table, sites_HxW).
    lookups = [node.input for node in graph.node if node.op_type == "Gather" and node.input[1].startswith("sites_")]
    tables = {table: sites.removeprefix("sites_") for table, sites in lookups}
    windows = [given.name for given in graph.input if given.name.startswith(("inner_", "outer_"))]
    others = [given.name for given in graph.input if given.name not in windows]
    extract_model(generator, rows, windows, list(tables))
    extract_model(generator, generator, [*others, *tables], [image.name for image in graph.output])
    return tables


def add_policy(page: Path) -> None:
    """Put the content security policy into the page: not every web host sends it in a header."""
    tag = f'<head>\n  <meta http-equiv="Content-Security-Policy" content="{PAGE_POLICY}">'
    page.write_text(page.read_text(encoding="utf-8").replace("<head>", tag, 1), encoding="utf-8")


def fetch_runtime(folder: Path) -> None:
    """Fetch the pinned runtime with npm, which checks it by the hash in package-lock.json; keep what the page needs.

    Raises:
        InputError: there is no npm, or it failed.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise InputError(f"--export: needs npm, which fetches {PACKAGE}; install it (apt-get install npm)")
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"]
    with tempfile.TemporaryDirectory() as place:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, place)
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, errors="replace")
        if done.returncode != 0:
            reasons = [line for line in done.stderr.splitlines() if line.strip()] or ["no reason given"]
            said = " ".join(line.split(maxsplit=2)[-1] for line in reasons[:2])
            raise InputError(f"--export: npm could not fetch {PACKAGE} ({said[:200]}); is there a network?")
        package = Path(place) / "node_modules" / PACKAGE
        folder.mkdir(parents=True)
        for name in RUNTIME_FILES:
            shutil.copy(package / "dist" / name, folder)
        facts = json.loads((package / "package.json").read_text(encoding="utf-8"))
    (folder / "LICENSE.txt").write_text(LICENSE.format(**facts), encoding="utf-8")
