"""From two folders to a score: what `check LABELS PHOTOS --write data.toml` writes, every program reads."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import evaluate as evaluate_program
import test as test_program
import train as train_program
from data import PRESETS, create_dataset
from options import TestOptions, TrainOptions, parse_options
from options.data_file import read_data_file
from options.description import ClassRow
from scripts.prepare.check import main
from util.errors import InputError

pytestmark = pytest.mark.tools

COLORS = {7: (10, 20, 30), 9: (200, 0, 0), 255: (0, 0, 0)}


def draw(folder: Path, count: int, kind: str, values=(7, 9, 255, 9), size: int = 64) -> None:
    """Label maps of four stripes, as ids or as colors, or photos."""
    folder.mkdir(parents=True)
    for number in range(count):
        ids = np.roll(np.repeat(values, size // 4), number)[None].repeat(size, 0).astype(np.uint8)
        pixels = ids if kind == "ids" else np.array([[COLORS[i] for i in row] for row in ids.tolist()], dtype=np.uint8)
        Image.fromarray(255 - pixels if kind == "photos" else pixels).save(folder / f"{number}.png")


def write(*words: object) -> int:
    return main([*map(str, words), "--workers", "1"])


def test_parts_classes_and_unknown_are_found_by_name(tmp_path, capsys):
    for part, count in (("train", 6), ("val", 2)):
        draw(tmp_path / f"{part}_label", count, "ids")
        draw(tmp_path / f"{part}_img", count, "photos")
    path = tmp_path / "data.toml"
    assert write(tmp_path / "train_label", tmp_path / "train_img", "--write", path) == 0
    description = read_data_file(path)
    assert [row.id for row in description.classes] == [7, 9] and description.unknown == 255
    assert [*description.parts] == ["train", "val"]
    assert 'labels = "val_label"' in path.read_text()  # relative: the folder can move
    assert f"python train.py --name mine --data {path}" in capsys.readouterr().out


def test_subfolders_are_parts_and_what_is_one_is_divided(tmp_path, capsys):
    for part in ("training", "validation", "test"):
        draw(tmp_path / "maps" / part, 2, "ids")
        draw(tmp_path / "photos" / part, 2, "photos")
    assert write(tmp_path / "maps", tmp_path / "photos", "--write", tmp_path / "a.toml") == 0
    assert [*read_data_file(tmp_path / "a.toml").parts] == ["train", "val", "test"]

    (tmp_path / "maps" / "test" / "0.png").rename(tmp_path / "maps" / "0.png")
    write(tmp_path / "maps", tmp_path / "photos", "--write", tmp_path / "c.toml")
    assert "1 file is in none of its parts (0.png)" in capsys.readouterr().err

    draw(tmp_path / "all_maps", 5, "ids")
    draw(tmp_path / "all_photos", 5, "photos")
    assert write(tmp_path / "all_maps", tmp_path / "all_photos", "--write", tmp_path / "b.toml") == 0
    words = ["--data", str(tmp_path / "b.toml"), "--crop_size", "64"]
    names = [
        {paths.name for paths in create_dataset(parse_options(program, words, PRESETS)).paths}
        for program in (TrainOptions, TestOptions)
    ]
    assert all(names) and names[0] | names[1] == set("01234") and not names[0] & names[1]


def test_names_come_from_a_file_beside_and_must_cover_all_ids(tmp_path):
    draw(tmp_path / "train_label", 3, "ids")
    draw(tmp_path / "train_img", 3, "photos")
    folders = (tmp_path / "train_label", tmp_path / "train_img")
    rows = [{"id": 7, "name": "lake", "color": [1, 2, 3]}, {"id": 9, "name": "shore", "color": [4, 5, 6]}]
    (tmp_path / "classes.json").write_text(json.dumps(rows))
    assert write(*folders, "--write", tmp_path / "a.toml") == 0
    assert read_data_file(tmp_path / "a.toml").classes[0] == ClassRow(7, "lake", (1, 2, 3))
    (tmp_path / "p.txt").write_text("7 1 2 3 lake\n")
    with pytest.raises(InputError, match="lacks the ids 9 of the label maps"):
        write(*folders, "--write", tmp_path / "b.toml", "--palette", tmp_path / "p.txt")


def test_colors_of_smooth_edges_are_doubted(tmp_path, capsys):
    draw(tmp_path / "train_label", 2, "colors")
    draw(tmp_path / "train_img", 2, "photos")
    mask = np.asarray(Image.open(tmp_path / "train_label" / "0.png")).copy()
    mask[0, :8] = [[value, 100, 100] for value in range(8)]
    Image.fromarray(mask).save(tmp_path / "train_label" / "0.png")
    write(tmp_path / "train_label", tmp_path / "train_img", "--write", tmp_path / "data.toml")
    assert "8 colors cover less than 0.5% of the pixels each: of smooth edges?" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "a --write d.toml",
            "name the folder of label maps and that of photos: python -m scripts.prepare check",
        ),
        ("a b", "--write FILE: is missing"),
        ("a b --write d.txt", "the name must end in .toml"),
        ("a b --write there.toml", "is there already; name another file, or delete it first"),
        ("a b --write d.toml --label_nc 3", "--label_nc: does not go with --write"),
        ("a b --write d.toml", "no such folder"),
    ],
)
def test_wrong_command_lines_are_refused(tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    Path("there.toml").touch()
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        write(*words.split())


def test_from_two_folders_to_a_score_without_data_flags(tmp_path, monkeypatch):
    """Masks in colors, too: no conversion, and the run knows classes and validation folders by itself."""
    for part, count in (("train", 4), ("val", 2)):
        draw(tmp_path / f"{part}_masks", count, "colors")
        draw(tmp_path / f"{part}_photos", count, "photos")
    monkeypatch.chdir(tmp_path)
    assert write("train_masks", "train_photos", "--write", "data.toml") == 0
    Path("data.toml").write_text(Path("data.toml").read_text().replace('"class 1"', '"red rock"'))
    description = read_data_file("data.toml")
    assert description.colors_are_labels and description.unknown_colors == ((0, 0, 0),)
    assert [row.color for row in description.classes] == [(10, 20, 30), (200, 0, 0)]
    assert write("--data", "data.toml") == 0  # checks what it describes

    flags = "--crop_size 64 --load_size 64 --ngf 2 --ndf 2 --conditioning concat --norm_G spectralsyncbatch"
    flags += " --no_vgg_loss --gpu_ids -1 --niter 1 --no_tensorboard"
    assert train_program.main(shlex.split(f"--name mine --data data.toml {flags}")) == 0
    Path("data.toml").unlink()
    assert test_program.main(shlex.split("--name mine --gpu_ids -1")) == 0
    page = Path("results/mine/test_latest/index.html").read_text()
    assert "red rock" in page
    assert len(list(Path("results/mine/test_latest/images/input_label").glob("*.png"))) == 2
    assert evaluate_program.main(shlex.split("--name mine --gpu_ids -1 --features random")) == 0
    facts = json.loads(Path("results/mine/test_latest/scores.json").read_text())
    assert facts["images"] == 2 and str(tmp_path / "val_photos") in json.dumps(facts)
