"""Exported files compute what the trained networks compute, say what they are, and are refused when they do not."""

import json
import re
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from data import PRESETS
from models.networks.blocks import SPADEResnetBlock
from models.networks.normalization import SPADE
from options import parse_options
from scripts.export import export, formats
from scripts.export.__main__ import main
from scripts.export.generate import Model
from scripts.export.graphs import ExportLayout, Sizes
from scripts.export.options import ExportOptions
from scripts.export.variants import EightBits
from scripts.export.verify import Comparison
from tests.scripts.export.exported_runs import AVERAGED, CLASSES, DYNAMIC, argv, load_run, random_inputs, synthesize
from tests.scripts.small_files import last_line

pytestmark = pytest.mark.tools

ROOT = Path(__file__).parents[3]
onnx = pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


CASES = [
    *(("plain", ".pt2"), ("styles", ".onnx"), ("styles", ".pt2"), ("random", ".pt2")),
    *(("pix2pixhd", ".onnx"), ("pix2pixhd", ".pt2")),
]


@pytest.mark.parametrize(("name", "suffix"), CASES)
def test_a_file_makes_the_images_of_the_trained_network_for_any_batch_size(runs, exported, name, suffix):
    file = Model(exported(name, suffix), "generator")
    model = load_run(runs, name)
    for count in (1, 2, 5):
        inputs = random_inputs(name, count)
        expected = synthesize(model, inputs)
        images = file.run(**inputs)
        assert images.dtype == np.float32 and images.shape == expected.shape
        assert expected.std() > 0.05 and np.abs(images - expected).max() < 1e-4


@pytest.mark.parametrize(("name", "suffix"), DYNAMIC)
def test_a_file_of_dynamic_size_makes_any_that_it_names(runs, exported, name, suffix):
    file = Model(exported(name, suffix), "generator")
    model = load_run(runs, name)
    unit, smallest = file.metadata["size_multiple"], file.metadata["smallest_side"]
    assert (unit, smallest) == {"plain": (32, 64), "pix2pixhd": (4, 8)}[name]
    for size in ((smallest, smallest), (smallest + unit, smallest + 3 * unit)):
        inputs = random_inputs(name, 2, size)
        if name == "plain":
            model.netG.latent_size = (size[0] // 32, size[1] // 32)
        assert np.abs(file.run(**inputs) - synthesize(model, inputs)).max() < 1e-4


def test_the_definition_is_loaded_and_not_its_tables(runs, tmp_path):
    opt = parse_options(ExportOptions, argv(runs, "plain", tmp_path / "plain.onnx"), PRESETS)
    model, _ = export.load_model(opt)
    blocks = [block for block, _ in model.netG.stages()]
    assert {type(block) for block in blocks} == {SPADEResnetBlock}


def layers_of(netG: nn.Module) -> tuple[int, int]:
    """The number of SPADE layers, and of convolutions outside of them."""
    spades = [module for module in netG.modules() if isinstance(module, SPADE)]
    convolutions = sum(isinstance(module, nn.Conv2d) for module in netG.modules())
    return len(spades), convolutions - 3 * len(spades)


def test_the_graph_is_lean(runs, exported):
    model = onnx.load(exported("styles", ".onnx"))
    onnx.checker.check_model(model)
    assert [opset.version for opset in model.opset_import] == [18]
    graph = model.graph
    kinds = [node.op_type for node in graph.node]
    spades, convolutions = layers_of(load_run(runs, "styles").netG)
    assert kinds.count("Conv") == convolutions
    assert kinds.count("MatMul") == 2 * spades  # gamma and beta
    assert kinds.count("Gather") == 5 * spades  # hidden features, and rows and sites of gamma and beta
    assert not {"BatchNormalization", "Sqrt", "Div", "RandomNormal", "ReduceMean", "GatherND"} & set(kinds)
    weights = {weight.name for weight in graph.initializer}
    assert weights and not [name for name in weights if re.search("running|weight_[uv]|orig|num_batches", name)]
    sizes = [f"{2 * 2**i}x{4 * 2**i}" for i in range(6)]
    expected = [f"{part}_{size}" for size in sizes for part in ("inner", "outer", "sites")]
    assert [value.name for value in graph.input] == [*expected, "z"]
    assert [value.name for value in graph.output] == ["images"]
    assert str(ROOT).encode() not in exported("styles", ".onnx").read_bytes()  # no traces of this machine


def test_the_archive_is_lean(runs, exported):
    program = torch.export.load(exported("styles", ".pt2"))
    with zipfile.ZipFile(exported("styles", ".pt2")) as archive:
        assert not [name for name in archive.namelist() if str(ROOT).encode() in archive.read(name)]
    assert not [name for name in program.state_dict if re.search("running|weight_[uv]|orig|num_batches", name)]
    operators = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    spades, convolutions = layers_of(load_run(runs, "styles").netG)
    assert operators.count("aten.conv2d.default") == convolutions + 3 * spades
    assert operators.count("aten.eq.Tensor") == 6  # a one-hot map for each of the sizes from 2x4 to 64x128
    assert operators.count("aten.mul.Tensor") == spades  # normalized * (1 + gamma), where the norm itself is gone
    assert not [name for name in operators if "norm" in name or "rand" in name]


@pytest.mark.parametrize("suffix", [".onnx", ".pt2"])
def test_a_file_says_what_it_takes(exported, suffix):
    path = exported("styles", suffix)
    if suffix == ".onnx":
        (entry,) = onnx.load(path).metadata_props
        metadata = json.loads(entry.value)
    else:
        with zipfile.ZipFile(path) as archive:
            (member,) = (name for name in archive.namelist() if name.endswith("/extra/spade.json"))
            metadata = json.loads(archive.read(member))
    assert len(metadata.pop("class_colors")) == CLASSES + 1
    assert metadata == {
        "version": 2 if suffix == ".onnx" else 1,
        "kind": "generator",
        "run": "styles",
        "which_epoch": "latest",
        "weights": ["latest_net_G.pth", "latest_net_E.pth"],
        "method": "spade",
        "netG": "spade",
        "precision": "float32",
        "num_labels": CLASSES + 1,
        "class_names": [*(f"class {i}" for i in range(CLASSES)), "unknown"],
        "file_ids": CLASSES,
        "unknown_value": 255,
        "unknown_id": CLASSES,
        "edges": False,
        "height": 64,
        "width": 128,
        "dynamic_size": False,
        "size_multiple": 32,
        "smallest_side": 64,
        "z_dim": 20,
        "modulation": "table" if suffix == ".onnx" else "dense",
        "neighborhoods": {
            "kernel": 3,
            "padding": "zeros",
            "sizes": [[2, 4], [4, 8], [8, 16], [16, 32], [32, 64], [64, 128]],
        }
        if suffix == ".onnx"
        else None,
        "encoder": f"styles.encoder{suffix}",
        "torch": torch.__version__,
        "opset": 18 if suffix == ".onnx" else None,
    }


@pytest.mark.parametrize("suffix", [".onnx", ".pt2"])
def test_an_encoder_reads_the_style_of_photos_of_any_size(runs, exported, suffix):
    generator = Model(exported("styles", suffix), "generator")
    encoder = Model(exported("styles", suffix).with_name(generator.metadata["encoder"]), "encoder")
    netE = load_run(runs, "styles").netE
    for shape in ((1, 3, 128, 128), (3, 3, 50, 201)):
        style = np.random.default_rng(0).random(shape, dtype=np.float32) * 2 - 1
        with torch.no_grad():
            mu = netE(torch.from_numpy(style))[0].numpy()
        assert mu.std() > 0.05 and np.abs(encoder.run(style=style) - mu).max() < 1e-4


def test_the_trained_weights_are_exported_instead_of_their_average_on_request(runs, tmp_path):
    assert main(argv(runs, AVERAGED, tmp_path / "raw.pt2", "--use_raw_G")) == 0
    file, inputs = Model(tmp_path / "raw.pt2", "generator"), random_inputs(AVERAGED, 1)
    assert file.metadata["weights"] == ["latest_net_G.pth"]
    assert np.abs(file.run(**inputs) - synthesize(load_run(runs, AVERAGED, raw=True), inputs)).max() < 1e-4
    assert np.abs(file.run(**inputs) - synthesize(load_run(runs, AVERAGED), inputs)).max() > 0.01


@pytest.mark.parametrize("suffix", [".onnx", ".pt2"])
@pytest.mark.parametrize(("precision", "fraction"), [("float16", 0.6), ("int8", 0.5)])
def test_variants_are_smaller_say_how_near_they_are_and_replace_an_earlier_export(
    runs, exported, capsys, tmp_path, suffix, precision, fraction
):
    path = tmp_path / f"small{suffix}"
    path.write_bytes(exported("pix2pixhd", suffix).read_bytes())
    assert main(argv(runs, "pix2pixhd", path, "--precision", precision)) == 0
    said = float(re.search(r"PSNR ([\d.]+) dB", capsys.readouterr().out)[1])
    file, inputs = Model(path, "generator"), random_inputs("pix2pixhd", 3)
    images, expected = file.run(**inputs), synthesize(load_run(runs, "pix2pixhd"), inputs)
    psnr = 10 * np.log10(4 / np.square(images.astype(np.float64) - expected).mean())
    assert images.dtype == np.float32 and file.metadata["precision"] == precision
    assert 35 < psnr < 100 and abs(said - psnr) < 6  # other label maps
    assert path.stat().st_size < fraction * exported("pix2pixhd", suffix).stat().st_size


def test_a_variant_that_is_too_far_away_is_written_on_request_only(runs, tmp_path, capsys, monkeypatch):
    path = tmp_path / "coarse.pt2"
    monkeypatch.setattr(export, "LEAST_PSNR", 200.0)
    with pytest.raises(SystemExit) as stop:
        main(argv(runs, "pix2pixhd", path, "--precision", "int8"))
    message = capsys.readouterr().err
    assert stop.value.code == 2 and re.search(r"int8: PSNR is \d+\.\d dB.*--allow_low_psnr", message)
    assert not list(tmp_path.iterdir())
    assert main(argv(runs, "pix2pixhd", path, "--precision", "int8", "--allow_low_psnr")) == 0
    assert [file.name for file in tmp_path.iterdir()] == ["coarse.pt2"]


@pytest.mark.parametrize("value", [0.01, float("nan")])
def test_a_file_that_computes_something_else_does_not_replace_another(runs, tmp_path, capsys, monkeypatch, value):
    path = tmp_path / "model.pt2"
    path.write_text("an earlier one, with its spade.json")
    fold = export.fold_norms

    def spoil(network):
        with torch.no_grad():
            fold(network).model[-2].bias += value
        return network

    monkeypatch.setattr(export, "fold_norms", spoil)
    with pytest.raises(SystemExit) as stop:
        main(argv(runs, "pix2pixhd", path))
    assert stop.value.code == 2 and "differs from the trained network by" in capsys.readouterr().err
    assert path.read_text().startswith("an earlier one") and [file.name for file in tmp_path.iterdir()] == ["model.pt2"]


def test_a_generator_is_not_written_without_its_encoder(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(export, "export_generator", lambda opt, live, metadata, path: path.touch())
    fold = export.fold_norms

    def spoil(network):
        if hasattr(network, "fc_mu"):
            with torch.no_grad():
                network.fc_mu.bias += 10
        return fold(network)

    monkeypatch.setattr(export, "fold_norms", spoil)
    with pytest.raises(SystemExit):
        main(argv(runs, "styles", tmp_path / "model.pt2"))
    assert "model.encoder.pt2: z differs" in capsys.readouterr().err and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--name plain", "--output: needed"),
        ("--name plain --output model.pt2", r"--format onnx the name must end in \.onnx"),
        ("--name plain --output model.onnx --format torch_export", r"must end in \.pt2"),
        ("--name plain --output model.onnx --precision int4", "must be one of float32, float16, int8"),
        ("--name styles --output model.onnx --dynamic_size", "128x64; leave the flag out"),
        ("--name random --output model.onnx --dynamic_size", r"latent \(--random_input\) .*64x64; leave the flag out"),
        ("--name nobody --output model.onnx --dataset_mode coco", "plain"),
        (
            "--name nobody --output model.onnx --dataset_mode coco --method sims",
            "--method sims: needs more than a label",
        ),
        ("--name plain --output model.onnx --which_epoch 7", "--which_epoch may be latest"),
        ("--name plain --output model.onnx --ngf 4", "the saved run has --ngf 2"),
        ("--name plain --output model.onnx --batch_size 4", "--batch_size: no such option"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(runs, tmp_path, capsys, monkeypatch, flags, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main([*flags.split(), "--checkpoints_dir", str(runs)])
    printed = capsys.readouterr().err
    assert stop.value.code == 2 and re.search(message, printed) and printed.count("\n") == 1
    assert last_line(printed).startswith("python -m scripts.export: error: ") and not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["model.onnx", "model.encoder.onnx"])
def test_a_file_of_another_program_is_not_replaced(runs, tmp_path, capsys, name):
    (tmp_path / name).write_bytes(b"another network")
    with pytest.raises(SystemExit) as stop:
        main(argv(runs, "styles", tmp_path / "model.onnx"))
    output = tmp_path / name
    line = f"python -m scripts.export: error: --output {output}: is there already and is no file of scripts.export"
    assert stop.value.code == 2 and last_line(capsys.readouterr().err).startswith(line)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"another network"


def test_missing_packages_are_named_with_the_command_that_installs_them(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(SystemExit) as stop:
        main(argv(runs, "plain", tmp_path / "model.onnx"))
    line = last_line(capsys.readouterr().err)
    assert stop.value.code == 2 and "--format onnx: the package onnxscript cannot be imported" in line
    assert line.endswith("; pip install onnx onnxscript onnxruntime, or use --format torch_export")


def test_what_does_not_fit_into_one_onnx_file_is_refused(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(formats, "ONNX_LIMIT", 10**4)
    with pytest.raises(SystemExit) as stop:
        main(argv(runs, "pix2pixhd", tmp_path / "model.onnx"))
    assert stop.value.code == 2 and "use --format torch_export" in capsys.readouterr().err


def test_the_layout_picks_the_pixels_that_torch_picks():
    labels, edges = torch.arange(64).reshape(1, 8, 8) % 3, torch.arange(64).reshape(1, 8, 8) % 5 == 0
    layout = ExportLayout(labels, edges, 3, torch.float32)
    semantics = layout.at(2, 4)
    picked = nn.functional.interpolate(labels[:, None].float(), size=(2, 4), mode="nearest")[0, 0]
    assert torch.equal(semantics[0, :3].argmax(0), picked.long()) and torch.equal(
        semantics[0, :3].sum(0), torch.ones(2, 4)
    )
    assert torch.equal(semantics[0, 3].bool(), edges[0, ::4, ::2]) and layout.at(2, 4) is semantics


def test_sizes_of_pix2pixhd_leave_enough_pixels_for_its_reflections(runs):
    opt = type(
        "Options", (), {"method": "spade", "netG": "pix2pixhd", "size": (64, 64), "resnet_initial_kernel_size": 7}
    )
    for n_downsample, kernel_size, smallest in ((0, 3, 4), (2, 3, 8), (1, 3, 4), (2, 5, 12)):
        opt.resnet_n_downsample, opt.resnet_kernel_size = n_downsample, kernel_size
        assert Sizes.of(opt).smallest == smallest


def test_eight_bits_by_hand():
    weight = torch.tensor([[1.27, -0.5], [0.0, 0.0]])  # (out, in)
    integers, scale = EightBits(0).right_inverse(weight)
    assert integers.tolist() == [[127, -50], [0, 0]] and scale.flatten().tolist() == pytest.approx([0.01, 1.0])
    assert torch.allclose(EightBits(0)(integers, scale), weight)
    integers, scale = EightBits(1).right_inverse(weight)  # a transposed convolution has its outputs second
    assert integers.tolist() == [[127, -127], [0, 0]] and scale.shape == (1, 2)


def test_psnr_by_hand():
    comparison = Comparison()
    comparison.add(np.zeros((1, 2), dtype=np.float32), np.zeros((1, 2), dtype=np.float32))
    assert comparison.psnr == float("inf")
    comparison.add(np.array([[0.2, 0.0]]), np.array([[0.0, 0.0]]))
    assert comparison.largest == 0.2 and comparison.psnr == pytest.approx(10 * np.log10(4 / 0.01))
    comparison.add(np.array([[np.nan]]), np.array([[0.0]]))
    assert np.isnan(comparison.largest) and not comparison.psnr > 35
