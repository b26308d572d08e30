"""A trained generator as a file, compared with the trained network before it takes its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models import Pix2PixModel, create_encoder, create_generator, create_model
from models.folding import fold_norms
from models.networks.generators import SPADEGenerator
from models.networks.layout import SemanticLayout
from models.weights import fit_network
from options.networks import SPADE_GENERATORS
from scripts.export import verify
from scripts.export.formats import FORMATS, METADATA, PACKAGES, Program
from scripts.export.graphs import (
    AnySizeSPADEGenerator,
    EncoderGraph,
    GeneratorGraph,
    Sizes,
    trace_encoder,
    trace_generator,
)
from scripts.export.metadata import describe
from scripts.export.options import ExportOptions
from scripts.export.small_run import check_folder, in_fewer_bits, write_run
from scripts.export.tables import TableGraph, table_facts, trace_tables, use_tables
from scripts.export.variants import convert
from trainers.loading import load_networks
from util.errors import InputError
from util.files import refuse_foreign, replacing
from util.optional import require

TOLERANCE = 1e-3
"""Largest difference from the trained network that counts as rounding: of images in [-1, 1], or relative, of z."""
LEAST_PSNR = 35.0
"""dB; minimum PSNR of a variant in fewer bits."""


def load_model(opt: ExportOptions, spade: type[SPADEGenerator] = SPADEGenerator) -> tuple[Pix2PixModel, list[Path]]:
    """The trained networks in evaluation mode, as test.py loads them, and their files."""
    opt = replace(opt, modulation="dense")  # the definition: tables of a file are made of it
    if opt.method in SPADE_GENERATORS:
        netE = create_encoder(opt) if opt.use_vae else None
        model = Pix2PixModel(create_generator(opt, spade), None, netE, opt.num_labels)
    else:
        model = create_model(opt)
    files = load_networks(opt.run_dir, opt.which_epoch, model, averaged=not opt.use_raw_G)
    return model.eval(), files


def live_generator(model: Pix2PixModel) -> Callable[..., Tensor]:
    """The trained generator as a function with the inputs of the exported one."""

    def generate(labels: Tensor, edges: Tensor | None = None, z: Tensor | None = None) -> Tensor:
        netG = model.netG
        if isinstance(netG, SPADEGenerator) and z is None:
            scale = netG.scale
            netG.latent_size = labels.shape[1] // scale, labels.shape[2] // scale  # else that of the training
        return model.generate(SemanticLayout(model.network_labels(labels), edges, model.num_labels), z)

    return generate


def export_generator(opt: ExportOptions, live: Pix2PixModel, metadata: dict[str, Any], path: Path) -> list[str]:
    """Write the generator to `path`; return lines about it.

    Raises:
        InputError: its images differ too much from those of the trained generator.
    """
    sizes, edges, z_dim = Sizes.of(opt), metadata["edges"], metadata["z_dim"]
    exported, _ = load_model(opt, AnySizeSPADEGenerator if opt.dynamic_size else SPADEGenerator)
    netG = fold_norms(exported.netG)
    dtype = convert(netG, opt.precision)
    if opt.by_table:
        facts = metadata["neighborhoods"]
        graph = TableGraph(use_tables(netG), facts["sizes"], opt.num_labels, edges, dtype)
        traced = trace_tables(graph, facts["kernel"], z_dim)
    else:
        graph = GeneratorGraph(netG, opt.num_labels, exported.network_labels, dtype)
        traced = trace_generator(graph, sizes, edges, z_dim, opt.dynamic_size)
    program = write(opt, *traced, "images", metadata, path)

    trained = live_generator(live)
    batches = verify.generator_inputs(sizes, opt.num_labels, edges, z_dim, opt.dynamic_size)
    found = verify.compare(program, trained, batches)
    lines = [
        f"generator: {opt.output_path}, {megabytes(path)}, {opt.precision}",
        differences(found),
    ]
    if opt.time:
        exported, in_torch = verify.seconds_per_image(program, trained, batches[0])
        lines.append(
            f"  {exported:.3g} s an image, and {in_torch:.3g} s in the trained network "
            f"({torch.get_num_threads()} threads)"
        )
    refuse_differences(opt, found)
    return lines


def differences(found: verify.Comparison) -> str:
    """A line about the images of a file."""
    return (
        f"  largest difference from the trained network {found.largest:.1e}, PSNR {found.psnr:.1f} dB "
        f"({found.batches} batches of random label maps)"
    )


def refuse_differences(opt: ExportOptions, found: verify.Comparison) -> None:
    """Raise an `InputError` unless a generator is as close to the trained one as its precision allows."""
    if opt.precision == "float32":
        if not found.largest <= TOLERANCE:  # also for NaN
            raise InputError(
                f"{opt.output}: differs from the trained network by {found.largest:.1e}, more than rounding "
                f"({TOLERANCE:.0e}), so it is not written; another version of torch or onnxruntime may help"
            )
    elif not found.psnr > LEAST_PSNR and not opt.allow_low_psnr:
        raise InputError(
            f"--precision {opt.precision}: PSNR is {found.psnr:.1f} dB, and {LEAST_PSNR:.0f} dB or less shows in "
            f"images, so nothing is written; use another --precision, or --allow_low_psnr to have it all the same"
        )


def export_encoder(opt: ExportOptions, live: Pix2PixModel, metadata: dict[str, Any], path: Path) -> list[str]:
    """Write the encoder to `path`, in 32 bits; return lines about it. Raises `InputError` if its z differs."""
    netE, live_netE = load_model(opt)[0].netE, live.netE
    assert netE is not None and live_netE is not None, "only a model with an encoder exports one"
    fold_norms(netE)
    graph = EncoderGraph(netE)
    about = metadata | {"kind": "encoder", "precision": "float32"}
    program = write(opt, *trace_encoder(graph), "z", about, path)
    batches = verify.encoder_inputs(Sizes.of(opt))
    found = verify.compare(program, lambda style: live_netE(style)[0], batches)
    with torch.no_grad():
        scale = max(1.0, *(float(live_netE(inputs["style"])[0].abs().max()) for inputs in batches))
    if not found.largest <= TOLERANCE * scale:
        raise InputError(
            f"{opt.encoder_path}: z differs from the trained encoder's by {found.largest:.1e}, more than rounding, "
            f"so nothing is written; another version of torch or onnxruntime may help"
        )
    return [
        f"encoder: {opt.encoder_path}, {megabytes(path)}, float32",
        f"  largest difference from the trained network {found.largest:.1e}",
    ]


def export_run(opt: ExportOptions, live: Pix2PixModel) -> list[str]:
    """Write networks and options to a folder; return lines about it. Raises `InputError` if its images differ."""
    check_folder(opt)
    state = in_fewer_bits(live.netG.state_dict(), opt.precision)
    small, _ = load_model(opt)
    fit_network(small.netG, state, opt.output_path)
    generate = live_generator(small)

    def program(**inputs: np.ndarray) -> np.ndarray:
        return generate(**{name: torch.from_numpy(array) for name, array in inputs.items()}).numpy()

    batches = verify.generator_inputs(Sizes.of(opt), opt.num_labels, opt.instance, live.z_dim, dynamic_size=False)
    found = verify.compare(program, live_generator(live), batches)
    refuse_differences(opt, found)
    paths = write_run(opt, live, state)
    return [*(f"{path}: {megabytes(path)}" for path in paths), differences(found)]


def write(opt: ExportOptions, program, shapes, output: str, metadata: dict[str, Any], path: Path) -> Program:
    """Write a traced network, and open the file."""
    save, load = FORMATS[opt.format]
    save(program, shapes, output, metadata, path)
    return load(path)


def megabytes(path: Path) -> str:
    """Format the size of a file; 1 MB = 10^6 bytes."""
    return f"{path.stat().st_size / 1e6:.1f} MB"


def export(opt: ExportOptions) -> list[str]:
    """Export according to the options; return the lines to print. Writes all files of a run, or none."""
    for package in PACKAGES[opt.format]:
        require(package)
    for path in (opt.output_path, opt.encoder_path)[: 1 + opt.use_vae]:
        refuse_foreign("--output", path, "file of scripts.export", METADATA.encode())
    live, files = load_model(opt)
    if opt.format == "run":
        return [f"from {', '.join(map(str, files))}", *export_run(opt, live)]
    metadata = describe(opt, files, Sizes.of(opt), live.z_dim, table_facts(live.netG) if opt.by_table else None)
    with replacing(opt.output_path) as path:
        lines = export_generator(opt, live, metadata, path)
        if live.netE is not None:
            with replacing(opt.encoder_path) as encoder_path:
                lines += export_encoder(opt, live, metadata, encoder_path)
    return [f"from {', '.join(map(str, files))}", *lines]
