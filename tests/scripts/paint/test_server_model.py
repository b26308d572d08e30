"""The images of the paint page are those of test.py, and model.json says what the page needs to know."""

import io
import re
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import test as test_program
from models.segmenters.own import OwnSegmenter
from scripts.paint.model import Painter, load_painter
from scripts.paint.options import parse_args
from scripts.paint.sessions import held_bytes
from tests.scripts.paint.painted_runs import make_run
from util.errors import InputError
from util.latents import draw_latents

pytestmark = pytest.mark.tools


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("checkpoints")


@pytest.fixture(scope="module")
def load(run_folder):
    """Load the painter of a run by name, made when first asked for."""

    def get(name: str, *more: str) -> Painter:
        if not (run_folder / name).exists():
            make_run(run_folder, name)
        argv = ["--name", name, "--checkpoints_dir", str(run_folder), "--gpu_ids", "-1"]
        return load_painter(parse_args([*argv, *more]))

    return get


def label_map(height=64, width=64, ids=6, seed=0) -> np.ndarray:
    """Blocks of 8x8 pixels."""
    cells = np.random.default_rng(seed).integers(0, ids, (height // 8, width // 8), dtype=np.uint8)
    return np.kron(cells, np.ones((8, 8), dtype=np.uint8))


def images_of_test(run_folder, tmp_path, name: str, maps: list[np.ndarray], *flags: str) -> list[np.ndarray]:
    """What test.py writes for label maps, whose regions of one class are the instances."""
    labels = tmp_path / "maps"
    labels.mkdir()
    for number, ids in enumerate(maps):
        Image.fromarray(np.where(ids == 5, np.uint8(255), ids)).save(labels / f"{number}.png")
    argv = ["--name", name, "--checkpoints_dir", str(run_folder), "--results_dir", str(tmp_path), "--gpu_ids", "-1"]
    folders = ["--label_dir", str(labels), "--preprocess_mode", "none"]
    assert test_program.main([*argv, *folders, *flags]) == 0
    found = sorted((tmp_path / name / "test_latest" / "images" / "synthesized_image").glob("*.png"))
    return [np.asarray(Image.open(path)) for path in found]


@pytest.mark.parametrize("name", ["styles", "oasis", "plain"])
def test_an_image_is_that_of_test(name, load, run_folder, tmp_path):
    painter = load(name)
    maps = [label_map(painter.height, painter.width, min(painter.num_labels, 6), seed) for seed in range(2)]
    flags = ["--instance_dir", str(tmp_path / "maps")] if name == "styles" else []
    expected = images_of_test(run_folder, tmp_path, name, maps, *flags)
    assert expected[0].std() > 1
    for index, (ids, image) in enumerate(zip(maps, expected, strict=True)):
        z = None if painter.z_dim is None else draw_latents(0, [index], painter.z_dim)[0, 0].numpy()
        assert np.array_equal(painter.image(painter.prepare(ids), z), image)


def test_an_edit_of_a_map_gives_the_image_that_it_gives_alone(load):
    painter = load("styles")
    z, ids = np.linspace(-1, 1, 4, dtype=np.float32), label_map()
    layout = painter.prepare(ids)
    for step in range(6):
        ids = ids.copy()
        ids[5 * step : 5 * step + 9, 10:40] = step % 6
        layout = painter.prepare(ids, layout)
        alone = painter.image(painter.prepare(ids), z)
        assert np.abs(painter.image(layout, z).astype(int) - alone).max() <= 1
    assert painter.prepare(ids, layout) is painter.prepare(ids, layout, reuse=False) is layout
    anew = painter.prepare(label_map(seed=1), layout, reuse=False)
    assert held_bytes(anew) < held_bytes(layout)
    assert held_bytes(layout) > 100_000


def test_styles_differ_and_instances_are_the_regions(load):
    painter = load("styles")
    layout = painter.prepare(label_map())
    images = [painter.image(layout, np.full(4, value, dtype=np.float32)) for value in (-1, 1)]
    assert np.abs(images[0].astype(int) - images[1]).mean() > 1
    assert layout.edges is not None and layout.edges[0, :, 7:9].any() and not layout.edges[0, 1:7, 1:7].any()


def test_a_style_is_the_mean_that_test_takes_from_a_photo(load):
    painter = load("styles")
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8))
    pixels = np.asarray(photo.resize((64, 64), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
    with torch.no_grad():
        mu, _ = painter.model.netE(torch.from_numpy(pixels.astype(np.float32))[None] / 127.5 - 1)
    assert torch.allclose(torch.tensor(painter.style_of(photo)), mu[0], atol=1e-5)


def test_the_facts_of_landscapes(load):
    facts = load("landscapes").facts()
    assert [entry["id"] for entry in facts["classes"]] == list(range(19))
    assert facts["classes"][0] == {"id": 0, "name": "sky", "color": [155, 208, 245]}
    assert facts["classes"][18]["name"] == "unknown"
    expected = {"version": 1, "engine": "server", "name": "landscapes", "height": 64, "width": 64, "num_labels": 19}
    expected |= {"unknown_id": 18, "unknown_value": 255, "base_class": 0, "edges": True, "z_dim": 4, "encoder": True}
    expected |= {"segmenter": False, "scenes": 12, "more_scenes": True, "scenes_available": 10000, "browser": None}
    assert {key: facts[key] for key in expected} == expected
    assert facts["coco_ids"]["sky"] == 156 and facts["coco_ids"]["sea"] == 154


def test_the_facts_of_other_data_sets(load):
    facts = load("plain").facts()
    assert (facts["height"], facts["width"], facts["z_dim"], facts["encoder"]) == (32, 64, None, False)
    assert (facts["unknown_id"], facts["unknown_value"], facts["scenes"], facts["edges"]) == (None, None, 0, False)
    facts = load("ade20k").facts()
    assert (facts["num_labels"], facts["unknown_id"], facts["unknown_value"]) == (151, None, None)
    assert facts["classes"][facts["base_class"]]["name"] == "sky"


def test_the_fingerprint_is_that_of_facts_and_weights(load, run_folder, tmp_path):
    found = load("styles").facts()["fingerprint"]
    assert re.fullmatch(r"[0-9a-f]{16}", found) and load("styles").facts()["fingerprint"] == found
    copy = shutil.copytree(run_folder / "styles", tmp_path / "styles")
    weights = torch.load(copy / "latest_net_E.pth")
    torch.save({name: tensor + 1 for name, tensor in weights.items()}, copy / "latest_net_E.pth")
    argv = ["--weights", str(copy / "latest_net_G.pth"), "--gpu_ids", "-1"]
    changed = load_painter(parse_args(argv)).facts()
    assert changed["fingerprint"] != found
    assert changed == load("styles").facts() | {"fingerprint": changed["fingerprint"]}


def test_a_new_canvas_is_sky_or_unknown_where_there_are_such_classes(load):
    for name, base in (("styles", "unknown"), ("coco", "sky-other"), ("landscapes", "sky")):
        facts = load(name).facts()
        assert facts["classes"][facts["base_class"]]["name"] == base
    assert load("plain").facts()["base_class"] == 0


def test_the_device_is_named_with_its_threads(load):
    before = torch.get_num_threads()
    try:
        assert load("plain", "--threads", "2").device_name == "CPU, 2 threads"
        assert load("plain", "--threads", "1").device_name == "CPU, 1 thread"
    finally:
        torch.set_num_threads(before)


def test_scenes_are_palettes_of_ids_and_photos(load):
    painter = load("landscapes")
    files = painter.scenes.files(3)
    with Image.open(io.BytesIO(files["png"])) as image:
        ids = np.asarray(image)
        assert image.mode == "P" and image.getpalette()[:3] == [155, 208, 245]
    assert files["png"][24:26] == b"\x08\x03"  # 8 bits, palette
    assert ids.shape == (64, 64) and ids.max() <= 18 and len(np.unique(ids)) > 2
    with Image.open(io.BytesIO(files["jpg"])) as photo:
        assert photo.size == (64, 64) and photo.mode == "RGB"
    assert painter.scenes.files(3) is files


def test_photos_are_labeled_in_the_ids_of_the_model(load, tmp_path):
    segmenter = OwnSegmenter("landscapes", range(18), [255], (64, 64), widths=(4, 8))
    segmenter.save(tmp_path / "segmenter", {})
    painter = load("landscapes", "--segmenter", str(tmp_path / "segmenter"))
    assert painter.facts()["segmenter"]
    ids = painter.labels_of(Image.new("RGB", (90, 80), (90, 120, 200)))
    assert ids.shape == (64, 64) and ids.dtype == np.uint8 and ids.max() < 18


@pytest.mark.parametrize(
    ("mode", "classes", "message"),
    [
        ("facades", 12, "was trained on facades, and the model on landscapes; use one that"),
        ("coco", 182, "was trained on coco, and the model on landscapes; use one that"),
        ("custom", 19, r"labels photos with ids up to 18, and the model has classes 0\.\.17"),
    ],
)
def test_a_segmenter_of_other_classes_is_refused(mode, classes, message, load, tmp_path):
    OwnSegmenter(mode, range(classes), [255], (64, 64), widths=(4, 8)).save(tmp_path / "segmenter", {})
    with pytest.raises(InputError, match=message):
        load("landscapes", "--segmenter", str(tmp_path / "segmenter"))


def test_a_segmenter_of_a_custom_data_set_may_have_the_ids_of_the_model(load, tmp_path):
    OwnSegmenter("custom", range(18), [255], (64, 64), widths=(4, 8)).save(tmp_path / "segmenter", {})
    assert load("landscapes", "--segmenter", str(tmp_path / "segmenter")).segmenter is not None


@pytest.mark.parametrize(
    ("name", "message"),
    [("many", "has 300 labels, and the page knows 255 at most"), ("sims", "needs more than a label map")],
)
def test_runs_that_cannot_be_painted_with_are_refused(name, message, load):
    with pytest.raises(InputError, match=message):
        load(name)
