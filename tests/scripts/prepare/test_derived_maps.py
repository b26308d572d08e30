"""Tools that prepare data replace what they made themselves, when it is out of date, and nothing else."""

import json
import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

from data.id_maps import read_ids
from options.data import MOST_PROCESSES
from scripts.prepare import convert_labels, edges, instances, label_photos
from tests.scripts.prepare.test_label_photos import Brightness, save_script
from util.errors import InputError

pytestmark = [
    pytest.mark.tools,
    pytest.mark.filterwarnings(
        "ignore:.*torch.jit.*:DeprecationWarning", "ignore::FutureWarning", "ignore::DeprecationWarning:pycocotools"
    ),
]
SIZE = (8, 6)
NAMES = ("a", "b", "sub/c")


class Upside(Brightness):
    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        return super().forward(1 - photos)


class Tool:
    """A tool, the folder of its sources, and a call of it with one of two settings that give other maps."""

    def __init__(self, name, root):
        self.name, self.sources, self.root = name, root / "sources", root
        half = np.zeros((*SIZE[::-1], 3), dtype=np.uint8)
        half[:, 4:] = 255
        for stem in NAMES:
            path = self.sources / f"{stem}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            is_ids = name in ("edges", "instances")
            Image.fromarray(half[..., 0] // 255 if is_ids else half).save(path)
        self.settings = getattr(self, f"_{name}")()

    def _edges(self):
        return [], ["--ignore", "0"]

    def _convert_labels(self):
        for number, lines in enumerate(("0 0 0 0 a\n1 255 255 255 b\n", "7 0 0 0 a\n1 255 255 255 b\n")):
            (self.root / f"palette{number}.txt").write_text(f"id r g b name\n{lines}")
        return [["--palette", str(self.root / f"palette{number}.txt")] for number in (0, 1)]

    def _label_photos(self):
        words = ["--network", "torchscript", "--num_workers", "0", "--cpu", "--weights"]
        return [
            [*words, save_script(module, self.root / f"{number}.pt")]
            for number, module in enumerate((Brightness(), Upside()))
        ]

    def _instances(self):
        pytest.importorskip("pycocotools", reason="pycocotools, which COCO's instance maps need, is not installed")
        words = []
        for number, right in enumerate((4, 2)):
            names = [stem.rpartition("/")[2] for stem in NAMES]
            images = [{"id": n, "file_name": f"{n}.jpg", "width": 8, "height": 6} for n in names]
            box = [[0, 0, right, 0, right, 6, 0, 6]]
            objects = [{"id": i, "image_id": name, "segmentation": box} for i, name in enumerate(names)]
            path = self.root / f"annotations{number}.json"
            path.write_text(json.dumps({"images": images, "annotations": objects}))
            words.append(["--annotations", str(path)])
        return words

    def run(self, output, setting=0, workers=("--workers", "1")):
        folders = [str(self.sources), str(output)]
        if self.name == "instances":
            folders = ["--label_dir", folders[0], "--output", folders[1]]
        module = {
            "edges": edges, "convert_labels": convert_labels, "label_photos": label_photos, "instances": instances
        }[self.name]  # fmt: skip
        workers = () if self.name == "label_photos" else workers
        module.main([*folders, *self.settings[setting], *workers])
        return {name: read_ids(output / f"{name}.png").tolist() for name in NAMES}


@pytest.fixture(params=["edges", "convert_labels", "label_photos", "instances"])
def tool(request, tmp_path):
    return Tool(request.param, tmp_path)


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def times(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*.png")}


@pytest.mark.parametrize("kind", ["photo", "text", "map of another size", "deep photo"])
def test_a_file_of_the_user_is_refused_before_anything_is_written(tool, tmp_path, kind):
    path = tmp_path / "out" / "sub" / "c.png"  # the last one
    path.parent.mkdir(parents=True)
    if kind == "photo":
        Image.new("RGB", SIZE, (1, 2, 3)).save(path)
    elif kind == "text":
        path.write_text("notes")
    elif kind == "map of another size":
        Image.new("L", (5, 5), 9).save(path)
    else:
        Image.new("RGBA", SIZE, (1, 2, 3, 4)).save(path)
    before = content(tmp_path / "out")
    with pytest.raises(InputError, match=r"c\.png: would be replaced.*; name another folder to write to, or move") as e:
        tool.run(tmp_path / "out")
    assert "\n" not in str(e.value) and content(tmp_path / "out") == before


def test_id_maps_of_the_user_are_kept_and_counted(tool, tmp_path, capsys):
    """As were made by hand or by an earlier version; or of anything else."""
    path = tmp_path / "out" / "b.png"
    path.parent.mkdir()
    Image.new("L", SIZE, 9).save(path)
    before = path.read_bytes()
    for made in (2, 0):
        tool.run(tmp_path / "out")
        said = capsys.readouterr()
        assert path.read_bytes() == before and f"{made} " in said.out
        assert "warning: 1 of 3 id maps (" in said.err and "b.png) were not made by this" in said.err


def test_a_folder_of_copies_of_the_label_maps_is_not_taken_for_maps_made(tmp_path, capsys):
    tool = Tool("edges", tmp_path)
    shutil.copytree(tool.sources, tmp_path / "out")
    before = content(tmp_path / "out")
    tool.run(tmp_path / "out")
    assert content(tmp_path / "out") == before
    assert "warning: 3 of 3 id maps (" in capsys.readouterr().err


def test_what_is_up_to_date_is_not_made_again_and_what_is_not_is(tool, tmp_path):
    out = tmp_path / "out"
    first = tool.run(out)
    made = times(out)
    assert tool.run(out) == first and times(out) == made
    other = tool.run(out, 1)
    assert all(other[name] != first[name] for name in NAMES)
    assert tool.run(out) == first


def test_a_source_that_has_changed_is_read_again(tool, tmp_path):
    out = tmp_path / "out"
    tool.run(out)
    made = times(out)
    source = tool.sources / "b.png"
    Image.open(source).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(source)
    os.utime(source, (1, 1))
    tool.run(out)
    assert {name for name, time in times(out).items() if time != made[name]} == {"b.png"}


def test_a_map_that_was_corrected_by_hand_is_kept_even_if_its_mark_is(tool, tmp_path, capsys):
    out = tmp_path / "out"
    tool.run(out)
    path = out / "a.png"
    info = Image.open(path).info
    ids = read_ids(path)
    ids = np.where(ids == ids.max(), 3, ids).astype(np.uint8)
    text = PngImagePlugin.PngInfo()
    text.add_text("made from", info["made from"])
    Image.fromarray(ids).save(path, pnginfo=text)
    assert tool.run(out, 1)["a"] == ids.tolist()
    assert "have been changed since" in capsys.readouterr().err


def test_maps_of_one_tool_are_not_replaced_by_another(tmp_path, capsys):
    (tmp_path / "edges").mkdir()
    regions, masks = Tool("edges", tmp_path / "edges"), Tool("convert_labels", tmp_path)
    out = tmp_path / "out"
    ids = masks.run(out)
    assert regions.run(out) == ids
    assert "3 of 3 id maps" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["100000", "9" * 5000, "-1", "two"])
def test_a_number_of_processes_that_would_stop_the_machine_is_refused(tool, tmp_path, wrong, capsys):
    flag, least = ("--num_workers", 0) if tool.name == "label_photos" else ("--workers", 1)
    tool.settings[0].extend([flag, wrong])
    with pytest.raises(SystemExit) as stop:
        tool.run(tmp_path / "out", workers=())
    assert stop.value.code == 2 and not (tmp_path / "out").exists()
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"argument {flag}: {wrong}: must be a whole number, {least}..{MOST_PROCESSES}" in said


@pytest.mark.parametrize("below", ["", "made", "sub"])
def test_an_output_that_a_second_run_would_read_is_refused(tool, below):
    before = content(tool.sources)
    with pytest.raises(InputError, match=r"which holds the .*; name another folder"):
        tool.run(tool.sources / below)
    assert content(tool.sources) == before


def test_what_was_cut_off_is_made_again(tool, tmp_path):
    out = tmp_path / "out"
    first = tool.run(out)
    path = out / "a.png"
    whole = path.read_bytes()
    for length in (0, len(whole) // 2, len(whole) - 20):
        path.write_bytes(whole[:length])
        assert tool.run(out) == first and path.read_bytes() == whole
