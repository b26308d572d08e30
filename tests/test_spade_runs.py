"""Trainings and scores from Python are those of the programs, to the bit; docs/api.md and the notebook run."""

import json
import re
import shlex
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset

import evaluate as evaluate_program
import spade
import test as test_program
from models.networks.generators import SPADEGenerator
from tests.runs import contents, differences, train

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[1]
TINY = (
    "--crop_size 64 --ngf 2 --ndf 2 --conditioning concat --norm_G spectralsyncbatch --no_vgg_loss --use_vae --z_dim 4"
)
SIZES = {"crop_size": 64, "ngf": 2, "ndf": 2, "conditioning": "concat", "norm_G": "spectralsyncbatch"}
PARTS = {"vgg_loss": False, "use_vae": True, "z_dim": 4}
COUNT = 2


class Scenes(Dataset):
    """Label maps, photos and instances of 80x70 pixels."""

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> dict:
        random = np.random.default_rng(index)
        labels = random.integers(0, 3, (7, 8)).repeat(10, 0).repeat(10, 1)
        labels[:5] = 255
        photo = random.integers(0, 256, (70, 80, 3), dtype=np.uint8)
        return {"labels": torch.from_numpy(labels), "image": Image.fromarray(photo), "instances": labels * 300}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Path:
    """The scenes as files, and the runs of both ways to train on them."""
    root = tmp_path_factory.mktemp("spade")
    for index in range(COUNT):
        for kind, pixels in Scenes()[index].items():
            (root / kind).mkdir(exist_ok=True)
            ids = np.asarray(pixels)
            Image.fromarray(ids.astype(np.uint8 if ids.max() < 256 else np.uint16)).save(root / kind / f"{index}.png")
    places = f"--label_dir {root}/labels --image_dir {root}/image --instance_dir {root}/instances"
    data = f"--dataset_mode custom --label_nc 3 --contain_dontcare_label {places}"
    where = f"--no_tensorboard --checkpoints_dir {root}/checkpoints --name files"
    status, printed = train(shlex.split(f"{TINY} {data} {where} --gpu_ids -1 --niter 2"))
    assert status == 0, printed
    return root


@pytest.fixture(scope="module")
def generator(folders) -> spade.Generator:
    """Trained on the scenes in memory: an epoch, and another after that was resumed."""
    classes = {"class_names": ["sky", "sea", "boat"], "contain_dontcare_label": True}
    run = {"name": "arrays", "checkpoints_dir": folders / "checkpoints", "device": "cpu", "tensorboard": False}
    spade.train(Scenes(), **classes, **run, **SIZES, **PARTS, niter=1)
    return spade.train(Scenes(), **run, niter=2, continue_train=True)


def test_a_training_on_arrays_is_that_on_files(folders, generator):
    runs = [contents(folders / "checkpoints" / name) for name in ("files", "arrays")]
    of_files, of_arrays = ({name: run[name] for name in run if name.startswith("latest")} for run in runs)
    assert of_files.keys() == {f"latest_net_{letter}.pth" for letter in "GDE"}
    assert differences(of_files, of_arrays) == []
    page = (folders / "checkpoints" / "arrays" / "web" / "index.html").read_text(encoding="utf-8")
    assert "boat" in page and generator.class_names == ("sky", "sea", "boat", "unknown")


def test_the_training_program_says_where_data_in_python_are(folders, generator):
    words = f"--name arrays --checkpoints_dir {folders}/checkpoints --continue_train --niter 3 --gpu_ids -1"
    status, printed = train(shlex.split(words))
    assert status == 2 and "arrays was trained on a data set in Python; go on there by spade.train" in printed


def test_images_are_those_of_the_test_program(folders, generator, capsys):
    maps = [Scenes()[index] for index in range(COUNT)]
    labels = np.stack([np.asarray(sample["labels"]) for sample in maps])
    instances = np.stack([sample["instances"] for sample in maps])
    photo = folders / "image" / "1.png"
    run = f"--name arrays --checkpoints_dir {folders}/checkpoints --gpu_ids -1"
    data = f"--label_dir {folders}/labels --instance_dir {folders}/instances"
    expected = {f"--seed 5 --results_dir {folders}/a": {"seed": 5}, f"--style_image {photo}": {"style": photo}}
    for number, (flags, given) in enumerate(expected.items()):
        results = folders / f"results{number}"
        assert test_program.main(shlex.split(f"{run} {data} {flags} --results_dir {results}")) == 0
        files = sorted((results / "arrays" / "test_latest" / "images" / "synthesized_image").glob("*.png"))
        written = np.stack([np.asarray(Image.open(path)) for path in files])
        assert np.array_equal(generator.generate(labels, instances, **given), written)


def test_scores_are_those_of_the_evaluation_program(folders, capsys):
    images = Path(folders / "made")
    images.mkdir()
    for path in (folders / "image").iterdir():
        Image.open(path).convert("L").convert("RGB").save(images / path.name)
    options = f"--fake {images} --real {folders}/image --features random --gpu_ids -1 --output {folders}/scores.json"
    assert evaluate_program.main(shlex.split(options)) == 0
    report = spade.score(images, folders / "image", features="random", device="cpu", output=folders / "own.json")
    changing = re.compile(r'"(date|command)": .*\n')
    texts = [(folders / name).read_text(encoding="utf-8") for name in ("scores.json", "own.json")]
    assert changing.sub("", texts[0]) == changing.sub("", texts[1])
    assert report["scores"]["random_feature_distance"] > 0
    assert not (images / "scores.json").exists()


def test_the_page_of_the_api_runs_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), re.M | re.S)
    assert len(blocks) == 6 and all(len(block.splitlines()) <= 10 for block in blocks)
    (tmp_path / "models").symlink_to(ROOT / "models")
    (tmp_path / "checkpoints" / "coco_small").mkdir(parents=True)
    small = SPADEGenerator(184, 2, latent_size=(2, 2))
    torch.save(small.state_dict(), tmp_path / "checkpoints" / "coco_small" / "latest_net_G.pth")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in blocks:
        exec(compile(block, "docs/api.md", "exec"), names)
    assert names["pair"].shape == (2, 256, 256, 3) and names["image"].shape == (64, 64, 3)
    assert names["report"]["scores"].keys() == {"random_feature_distance"}
    assert (tmp_path / "checkpoints" / "squares" / "web" / "index.html").exists()


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
def test_the_notebook_runs_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    path = ROOT / "docs" / "notebook.ipynb"
    assert path.stat().st_size < 1.5e6
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    links = re.findall(r"\]\(([^)#]+)", "".join(line for cell in cells for line in cell["source"]))
    assert [link for link in links if not link.startswith("http") and not (path.parent / link).exists()] == []
    cells = [cell for cell in cells if cell["cell_type"] == "code"]
    for name, value in {"SPADE_NOTEBOOK_MINUTES": "0.005", "MPLBACKEND": "agg"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(path.parent)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    names: dict = {}
    for cell in cells:
        assert len(cell["source"]) <= 15
        exec(compile("".join(cell["source"]), path.name, "exec"), names)
    names["plt"].close("all")
    assert capsys.readouterr().out.count("in gray levels: [0. 0. 0.]") == 1
    outputs = [output for cell in cells for output in cell["outputs"]]
    shown = [output["data"].keys() for output in outputs if "data" in output]
    assert sum("image/png" in kinds for kinds in shown) == 10  # it is committed with its pictures
    assert {output["output_type"] for output in outputs} == {"stream", "display_data"}  # and without errors
