"""test.py --tile: images as large as their label maps, which are those of one pass; the page shows them."""

import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import evaluate as evaluate_program
import test as test_program
from data import PRESETS
from models import create_generator
from models.folding import fold_norms
from models.networks.generators import SPADEGenerator
from models.networks.layout import SemanticLayout
from models.tables import TableResnetBlock
from models.tiles import generate_in_tiles
from options import TestOptions, parse_options
from tests.util.pages import Page
from tests.worlds import run_together
from util.device import peak_memory_mib
from util.fill import fill
from util.image import to_uint8
from util.results_page import read_facts

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[1]
SIZES = {"a": (128, 75), "b": (128, 75), "high": (70, 133)}
"""Width and height of label maps and photos; no multiples of 32, the step of the generator."""
NETWORK = "--ngf 2 --gpu_ids -1 --dataset_mode custom --label_nc 4 --instance"


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Path:
    """Label maps, photos and instances of two sizes, and a generator with known weights: the run `sized`."""
    root = tmp_path_factory.mktemp("tiles")
    random = np.random.default_rng(0)
    for name, (width, height) in SIZES.items():
        ids = random.integers(0, 4, (height // 16 + 1, width // 16 + 1), dtype=np.uint8)
        labels = ids.repeat(16, 0).repeat(16, 1)[:height, :width]
        photo = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        for kind, pixels in (("labels", labels), ("instances", labels * 50), ("photos", photo)):
            (root / kind).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(root / kind / f"{name}.png")
    (root / "checkpoints" / "sized").mkdir(parents=True)
    torch.save(generator(root).state_dict(), root / "checkpoints" / "sized" / "latest_net_G.pth")
    return root


def flags(root: Path, results: Path, more: str = "") -> list[str]:
    files = f"--label_dir {root}/labels --image_dir {root}/photos --instance_dir {root}/instances"
    return shlex.split(
        f"--name sized {NETWORK} {files} --checkpoints_dir {root}/checkpoints --results_dir {results} {more}"
    )


def generator(root: Path, more: str = "") -> torch.nn.Module:
    netG = create_generator(parse_options(TestOptions, flags(root, root / "results", more), PRESETS))
    fill(netG, seed=1)
    return netG.eval()


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(int)


def test_each_image_has_the_size_of_its_label_map_and_the_pixels_of_one_pass(folders, tmp_path):
    test_program.main(flags(folders, tmp_path, "--tile 48 --batch_size 2"))
    test = tmp_path / "sized" / "test_latest"
    for name, (width, height) in SIZES.items():
        ids = torch.from_numpy(pixels(folders / "labels" / f"{name}.png"))
        high, wide = -(-height // 32) * 32, -(-width // 32) * 32
        ids = torch.nn.functional.pad(ids[None, None].float(), (0, wide - width, 0, high - height), mode="replicate")
        netG = generator(folders, f"--crop_size {wide} --aspect_ratio {wide / high}")
        ids = ids[0].long()
        with torch.no_grad():
            expected = to_uint8(netG(SemanticLayout.from_instances(ids, ids * 50, 4))[0, :, :height, :width])
        found = pixels(test / "images" / "synthesized_image" / f"{name}.png")
        assert found.shape == (height, width, 3)
        assert abs(found - expected).max() <= 1 and np.mean(found != expected) < 0.01
        photo = pixels(test / "images" / "real_image" / f"{name}.png")
        assert abs(photo - pixels(folders / "photos" / f"{name}.png")).max() <= 1
        assert pixels(test / "images/input_label" / f"{name}.png").shape == (height, width, 3)
    page = Page(test / "index.html")
    assert [target for target in page.targets() if not target.exists()] == []
    assert read_facts(test)["Tiles"] == "48 pixels; each image is as large as its label map"


def test_scores_of_a_run_are_refused_and_those_of_a_folder_are_of_one_size(folders, tmp_path, capsys):
    test_program.main(flags(folders, tmp_path, "--tile --how_many 2"))
    images = tmp_path / "sized" / "test_latest" / "images" / "synthesized_image"
    capsys.readouterr()
    assert evaluate(flags(folders, tmp_path, "--crop_size 64 --features random")) == 2
    said = capsys.readouterr().err
    assert said.startswith("evaluate.py: error: --name sized: its images are as large as their label maps")
    assert said.count("\n") == 1 and f"--fake {images} --real PHOTOS" in said

    advised = ["--fake", str(images), "--real", str(folders / "photos"), "--features", "random", "--how_many", "2"]
    scores = ["--reconstruct", "--output", str(tmp_path / "scores.json"), "--gpu_ids", "-1"]
    assert evaluate([*advised, *scores]) == 0
    assert "all scores: 2 images of 128x75" in capsys.readouterr().out

    test_program.main(flags(folders, tmp_path, "--tile"))  # images of two sizes
    capsys.readouterr()
    assert evaluate([*advised[:-2], *scores]) == 2
    assert "128x75" in capsys.readouterr().err


def peaks() -> list[float]:
    """Peak memory of this process in MiB: after a map of four tiles, after one of 96, and after one pass over that."""
    netG = fold_norms(SPADEGenerator(2, ngf=8, latent_size=(8, 48), block=TableResnetBlock).eval())
    small, large = (
        SemanticLayout(torch.arange(width).expand(1, height, -1) // 20 % 2, None, 2)
        for height, width in ((128, 128), (256, 1536))
    )
    found = []
    for layout in (small, large):
        for _ in generate_in_tiles(netG, layout, None, 64):
            pass
        found.append(peak_memory_mib(torch.device("cpu")))
    netG(large)
    return [*found, peak_memory_mib(torch.device("cpu"))]


def test_memory_is_that_of_a_tile():
    (found,) = run_together(1, peaks)
    small, large, whole = found
    assert large - small < 30 and whole - large > 3 * (large - small), found


def evaluate(argv: list[str]) -> int:
    try:
        return evaluate_program.main(argv)
    except SystemExit as stop:
        return stop.code
