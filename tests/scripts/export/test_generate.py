"""generate.py makes the images of test.py out of exported files, alone, and refuses what it cannot use in one line."""

import ast
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import test as test_program
from scripts.export import generate
from tests.data.tiffs import write_tiff
from tests.scripts.export.exported_runs import CLASSES, FILE_SIZE, NAMES
from tests.scripts.small_files import last_line, tree
from util.latents import draw_latents

pytestmark = pytest.mark.tools

ROOT = Path(__file__).parents[3]
pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


@pytest.fixture(scope="module")
def maps(runs):
    return runs.parent / "maps"


@pytest.fixture(scope="module")
def models(exported, folder):
    """Exported files by name, in a folder with a copy of generate.py, away from the project."""
    shutil.copy(ROOT / "scripts" / "export" / "generate.py", folder)
    styles = exported("styles", ".onnx")
    for path in (styles, styles.with_name("styles.encoder.onnx")):
        shutil.copy(path, folder)
    shutil.copy(exported("random", ".pt2"), folder)
    for suffix in (".onnx", ".pt2"):
        shutil.copy(exported("pix2pixhd", suffix), folder / f"edges{suffix}")
    return {path.name: path for path in folder.iterdir()}


def run_alone(models, *words) -> subprocess.CompletedProcess:
    """Run the copy as its user does; -I keeps this project and its environment's paths out."""
    script = models["generate.py"]
    command = [sys.executable, "-I", script.name, *map(str, words)]
    return subprocess.run(command, cwd=script.parent, capture_output=True, text=True, timeout=120)


def results_of(runs, maps, folder: Path, name: str, *words) -> Path:
    """The images that test.py makes of the maps, below a folder; the folder of its results."""
    argv = ["--name", name, "--checkpoints_dir", runs, "--results_dir", folder, "--gpu_ids", "-1"]
    test_program.main([str(word) for word in [*argv, "--label_dir", maps / "labels", *words]])
    return folder / name / "test_latest" / "images"


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(int)


def assert_same_images(ours: Path, theirs: Path) -> None:
    assert tree(ours) == tree(theirs) == {f"{name}.png" for name in NAMES}
    for name in NAMES:
        image, expected = pixels(ours / f"{name}.png"), pixels(theirs / f"{name}.png")
        assert np.abs(image - expected).max() <= 1 and np.mean(image != expected) < 0.01 and expected.std() > 10


@pytest.mark.parametrize("model", ["edges.onnx", "edges.pt2"])
def test_images_are_those_of_the_test_program(runs, maps, models, tmp_path, model):
    theirs = results_of(runs, maps, tmp_path / "results", "pix2pixhd", "--instance_dir", maps / "instances")
    words = ["--labels", maps / "labels", "--instances", maps / "instances", "--output", tmp_path / "out"]
    done = run_alone(models, "--model", models[model], *words, "--size", "64x64")
    assert done.returncode == 0 and done.stdout.strip() == f"3 images are in {tmp_path / 'out'}"
    assert "3/3" in done.stderr
    assert_same_images(tmp_path / "out", theirs / "synthesized_image")


def test_random_styles_are_those_of_the_test_program(runs, maps, models, tmp_path):
    theirs = results_of(runs, maps, tmp_path / "results", "styles", "--num_styles", 2, "--seed", 5, "--batch_size", 2)
    words = ["--labels", maps / "labels", "--output", tmp_path / "out", "--num_styles", 2, "--seed", 5]
    assert run_alone(models, "--model", models["styles.onnx"], *words).returncode == 0
    for style, folder in (("style1", "synthesized_image"), ("style2", "synthesized_image_style2")):
        assert_same_images(tmp_path / "out" / style, theirs / folder)
    first, second = (pixels(tmp_path / "out" / style / "2.png") for style in ("style1", "style2"))
    assert np.abs(first - second).max() > 10


def test_the_style_of_a_photo_is_that_of_the_test_program(runs, maps, models, tmp_path):
    photo = tmp_path / "photo.png"
    noise = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((150, 90), Image.Resampling.BICUBIC).save(photo)
    theirs = results_of(runs, maps, tmp_path / "results", "styles", "--style_image", photo)
    words = ["--labels", maps / "labels", "--output", tmp_path / "out", "--style_image", photo]
    assert run_alone(models, "--model", models["styles.onnx"], *words).returncode == 0
    assert_same_images(tmp_path / "out", theirs / "synthesized_image")


def test_latents_are_those_of_the_test_program():
    for seed in (0, 7, 2**33 + 5):
        expected = draw_latents(seed, range(3), z_dim=5, styles=2).numpy()
        assert np.array_equal([generate.draw_latents(seed, index, 5, 2) for index in range(3)], expected)


def test_it_needs_nothing_of_the_project():
    imported = set()
    for node in ast.walk(ast.parse((ROOT / "scripts" / "export" / "generate.py").read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.partition(".")[0])
    assert imported - set(sys.stdlib_module_names) == {"numpy", "PIL", "tqdm"}  # others late


def call(models, maps, output, model="edges.onnx", labels=None, instances=None, *words) -> list[str]:
    argv = ["--model", models.get(model, model), "--labels", labels or maps / "labels", "--output", output]
    if model not in ("styles.onnx", "random.pt2"):
        argv += ["--instances", instances or maps / "instances"]
    return [str(word) for word in [*argv, *words]]


def test_a_model_of_dynamic_size_makes_images_of_each_maps_own_size(maps, models, tmp_path):
    assert FILE_SIZE == (80, 100)
    Image.fromarray(np.zeros((30, 5), dtype=np.uint8)).save(tmp_path / "narrow.png")
    (tmp_path / "labels").mkdir()
    shutil.move(tmp_path / "narrow.png", tmp_path / "labels")
    assert generate.main(call(models, maps, tmp_path / "out")) == 0
    assert pixels(tmp_path / "out" / "2.png").shape == (80, 100, 3)
    assert (
        generate.main(call(models, maps, tmp_path / "out", "edges.onnx", tmp_path / "labels", tmp_path / "labels")) == 0
    )
    assert pixels(tmp_path / "out" / "narrow.png").shape == (32, 8, 3)  # multiples of 4, 8 or more
    assert generate.main(call(models, maps, tmp_path / "out", "edges.onnx", None, None, "--size", "16x48")) == 0
    assert pixels(tmp_path / "out" / "2.png").shape == (48, 16, 3)


def write(path: Path, ids, **options) -> Path:
    """A folder with one label map, "a.png"."""
    path.mkdir()
    image = ids if isinstance(ids, Image.Image) else Image.fromarray(np.asarray(ids))
    image.save(path / options.pop("name", "a.png"), **options)
    return path


@pytest.mark.parametrize("kind", ["palette", "two bits", "sixteen bits"])
def test_ids_are_read_without_loss(tmp_path, kind):
    ids = np.array([[0, 1], [2, 3]], dtype=np.uint8)
    if kind == "palette":
        image = Image.fromarray(ids, "P")
        image.putpalette([200, 10, 10] * 4)
    elif kind == "two bits":
        image = Image.fromarray(ids * 85)  # rewritten below as PNG optimizers do
    else:
        image = Image.fromarray(ids.astype(np.uint16) * 300)
    path = write(tmp_path / "maps", image) / "a.png"
    if kind == "two bits":
        write_two_bit_png(path, ids)
    assert generate.read_ids(path).tolist() == (ids.astype(int) * (300 if kind == "sixteen bits" else 1)).tolist()


def write_two_bit_png(path: Path, ids: np.ndarray) -> None:
    """A gray PNG of 2 bits a pixel, which Pillow does not write."""
    import struct
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + bytes([int(row[0]) << 6 | int(row[1]) << 4]) for row in ids)
    head = struct.pack(">IIBBBBB", 2, len(ids), 2, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def test_unknown_pixels_become_the_class_that_the_network_has_for_them(tmp_path):
    path = write(tmp_path / "maps", np.array([[0, 255]], dtype=np.uint8)) / "a.png"
    known = {"file_ids": CLASSES, "unknown_value": 255, "unknown_id": CLASSES}
    assert generate.read_labels(path, known).tolist() == [[0, CLASSES]]
    with pytest.raises(generate.InputError, match=r"label 255; the model knows 0\.\.4$"):
        generate.read_labels(path, {"file_ids": CLASSES, "unknown_value": None, "unknown_id": None})


GRAY = np.zeros((8, 8), dtype=np.uint8)


class Command:
    """Makes files below `folder`, and command lines that use them."""

    def __init__(self, models, maps, folder: Path):
        self.models, self.maps, self.folder = models, maps, folder

    def edges(self, labels=None, instances=None, *words) -> list[str]:
        """Of a model that needs instance maps."""
        return call(self.models, self.maps, self.folder / "out", "edges.onnx", labels, instances, *words)

    def styles(self, labels=None, *words) -> list[str]:
        """Of a model with an encoder."""
        return call(self.models, self.maps, self.folder / "out", "styles.onnx", labels, None, *words)

    def random(self, *words) -> list[str]:
        """Of a model with random input."""
        return call(self.models, self.maps, self.folder / "out", "random.pt2", None, None, *words)

    def model(self, path) -> list[str]:
        return call(self.models, self.maps, self.folder / "out", path)

    def map(self, ids, folder="labels", **options) -> Path:
        return write(self.folder / folder, ids, **options)

    def damaged(self) -> Path:
        labels = self.map(np.random.default_rng(0).integers(0, 5, (64, 64), dtype=np.uint8))
        (labels / "a.png").write_bytes((labels / "a.png").read_bytes()[:200])
        return labels

    def one_name_twice(self) -> Path:
        labels = self.map(GRAY)
        shutil.copy(labels / "a.png", labels / "a.bmp")
        return labels

    def file(self, name: str, write) -> Path:
        write(self.folder / name)
        return self.folder / name


def write_cut_archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/extra/spade.json", json.dumps({"torch": "9.9"}))


# What is wrong -> a command line with it, and words that the message must hold.
BROKEN = {
    "wrong id": (lambda c: c.edges(*[c.map(GRAY + 7)] * 2), "a.png: holds label 7; the model knows 0..4, or 255"),
    "color": (
        lambda c: c.edges(*[c.map(np.zeros((8, 8, 3), dtype=np.uint8))] * 2),
        "a.png: is a color image (mode RGB)",
    ),
    "jpeg": (lambda c: c.styles(c.map(GRAY, name="a.jpg")), "a.jpg: is a JPEG file; save the map as a PNG"),
    "damaged": (lambda c: c.styles(c.damaged()), "a.png: cannot be read as an image"),
    "no folder": (lambda c: c.styles(c.folder / "none"), "none: no such folder"),
    "empty folder": (lambda c: c.styles(c.file("labels", Path.mkdir)), "labels: holds no images"),
    "one name twice": (lambda c: c.styles(c.one_name_twice()), 'both called "a"'),
    "instance map missing": (
        lambda c: c.edges(None, c.map(GRAY, "instances")),
        "instances: 3 of 3 label maps have no instance map (2, 10, more/1)",
    ),
    "instance map of another size": (
        lambda c: c.edges(c.map(GRAY), c.map(GRAY[:4], "instances")),
        "is 8x8 but",
        "a.png is 8x4",
    ),
    "no instances": (lambda c: c.edges()[:-2], "--instances: needed"),
    "needless instances": (lambda c: c.styles(None, "--instances", c.folder), "without instance maps"),
    "styles of none": (lambda c: c.edges(None, None, "--num_styles", 2), "trained without an encoder"),
    "style of random input": (
        lambda c: c.random("--style_image", "no.png"),
        "--style_image no.png: the model was trained without an encoder; use --num_styles",
    ),
    "photo missing": (lambda c: c.styles(None, "--style_image", "no.png"), "no.png"),
    "two kinds of styles": (
        lambda c: c.styles(None, "--style_image", "no.png", "--num_styles", 2),
        "--num_styles 2: --style_image is one style",
    ),
    "no styles": (lambda c: c.styles(None, "--num_styles", 0), "0: must be a whole number, 1 or more"),
    "wrong size": (lambda c: c.edges(None, None, "--size", "64x66"), "sides must be multiples of 4, 8 or more"),
    "size of a fixed model": (lambda c: c.styles(None, "--size", "64x64"), "the model makes 128x64 only"),
    "no size": (lambda c: c.edges(None, None, "--size", "64"), "give WIDTHxHEIGHT"),
    "output over input": (lambda c: call(c.models, c.maps, c.maps / "labels"), "name another folder"),
    "output below input": (
        lambda c: call(c.models, c.maps, c.maps / "labels" / "out"),
        "among the maps; name another folder",
    ),
    "no model": (lambda c: c.model(c.folder / "none.onnx"), "none.onnx: no such file"),
    "no onnx": (lambda c: c.model(c.file("model.onnx", lambda path: path.write_text("text"))), "neither an ONNX file"),
    "weights": (
        lambda c: c.model(c.file("net_G.pth", lambda path: torch.save({"weight": torch.zeros(1)}, path))),
        "was not made by scripts.export",
    ),
    "cut archive": (
        lambda c: c.model(c.file("model.pt2", write_cut_archive)),
        "cannot be opened by torch",
        "torch 9.9 made it",
    ),
    "encoder": (
        lambda c: c.model(c.models["styles.encoder.onnx"]),
        "holds the encoder, and the generator is needed",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_cannot_be_used_is_refused_in_one_line(models, maps, tmp_path, capsys, kind):
    command, *words = BROKEN[kind]
    try:
        status = generate.main(command(Command(models, maps, tmp_path)))
    except SystemExit as stop:
        status = stop.code
    message = last_line(capsys.readouterr().err)
    assert status == 2 and message.startswith("generate.py: error: ")
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize("kind", ["photo", "text", "edited"])
def test_files_of_the_user_are_refused_before_anything_is_written(models, maps, tmp_path, capsys, kind):
    path = tmp_path / "style2" / "more" / "1.png"  # the last one
    words = call(models, maps, tmp_path, "styles.onnx", None, None, "--num_styles", 2)
    path.parent.mkdir(parents=True)
    if kind == "photo":
        Image.new("RGB", (128, 64), (1, 2, 3)).save(path)
    elif kind == "text":
        path.write_text("notes")
    else:
        assert generate.main(words) == 0
        with Image.open(path) as image:
            info = PngInfo()
            for key, text in image.text.items():
                info.add_text(key, text)
            image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(path, pnginfo=info)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.png")}
    assert generate.main(words) == 2
    message = last_line(capsys.readouterr().err)
    assert message.startswith(f"generate.py: error: {path}: would be replaced") and "name another --output" in message
    assert {file: file.read_bytes() for file in tmp_path.rglob("*.png")} == before


def test_images_of_an_earlier_run_are_replaced(models, maps, tmp_path):
    words = call(models, maps, tmp_path, "styles.onnx")
    assert generate.main(words) == 0
    before = pixels(tmp_path / "2.png")
    assert generate.main([*words, "--seed", "3"]) == 0
    assert (pixels(tmp_path / "2.png") != before).any()


def test_a_missing_package_is_named(models, maps, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert generate.main(call(models, maps, tmp_path / "out")) == 2
    assert capsys.readouterr().err.strip().endswith("needs the package onnxruntime: pip install onnxruntime")


def test_a_broken_package_is_named(models, maps, tmp_path, capsys, monkeypatch):
    (tmp_path / "onnxruntime.py").write_text("raise RuntimeError('no such symbol\\nhere')", encoding="utf-8")
    monkeypatch.delitem(sys.modules, "onnxruntime")
    monkeypatch.syspath_prepend(tmp_path)
    assert generate.main(call(models, maps, tmp_path / "out")) == 2
    assert (
        capsys.readouterr()
        .err.strip()
        .endswith("needs the package onnxruntime (no such symbol): pip install onnxruntime")
    )


def test_an_encoder_that_was_left_behind_is_named(models, maps, tmp_path, capsys):
    alone = shutil.copy(models["styles.onnx"], tmp_path)
    words = ["--style_image", maps / "labels" / "2.png"]
    assert generate.main(call(models, maps, tmp_path / "out", alone)[:-2] + [str(word) for word in words]) == 2
    assert "styles.encoder.onnx: no such file" in capsys.readouterr().err


def test_label_maps_of_several_frames_or_with_alpha_are_called_so(tmp_path):
    frames = [Image.fromarray(np.full((4, 4), n, dtype=np.uint8)) for n in range(3)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    frames[0].convert("LA").save(tmp_path / "b.png")
    for name, words in (("a.png", "holds 3 frames"), ("b.png", "has an alpha channel")):
        with pytest.raises(generate.InputError, match=rf"{name}: {words}"):
            generate.read_ids(tmp_path / name)


def test_linked_folders_of_label_maps_are_read_and_circles_end(maps, models, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(maps / "labels", elsewhere)
    labels = tmp_path / "labels"
    labels.mkdir()
    (labels / "linked").symlink_to(elsewhere)
    (elsewhere / "circle").symlink_to(labels)
    assert generate.main(call(models, maps, tmp_path / "out", "edges.onnx", labels, labels)) == 0
    made = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")}
    assert made == {"linked/2.png", "linked/10.png", "linked/more/1.png"}


def test_label_maps_with_an_orientation_are_counted(maps, models, tmp_path, capsys):
    shutil.copytree(maps / "labels", tmp_path / "labels")
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(tmp_path / "labels" / "2.png") as image:
        image.save(tmp_path / "labels" / "2.png", exif=exif)
    assert generate.main(call(models, maps, tmp_path / "out", "edges.onnx", tmp_path / "labels")) == 0
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
    assert len(warnings) == 1 and warnings[0].startswith("warning: 1 of 3 label maps (2.png) have an EXIF orientation")


def test_style_photos_that_pillow_reads_wrongly_are_refused(maps, models, tmp_path, capsys):
    photo = write_tiff(tmp_path / "a.tif", np.zeros((8, 8, 3), dtype=np.uint16), 2, by_plane=True)
    words = ["--style_image", str(photo)]
    assert generate.main([*call(models, maps, tmp_path / "out", "styles.onnx"), *words]) == 2
    assert "channels lie one after the other; save it as PNG or JPEG" in last_line(capsys.readouterr().err)
