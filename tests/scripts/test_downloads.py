"""The scripts that download COCO-Stuff and ADE20K, from end to end, on small archives from a server on 127.0.0.1."""

import json
import subprocess

import pytest

from scripts.prepare import check, instances, outdoor
from tests.scripts.shell import CHECK, OUTDOOR, PREPARE, ROOT, checks, is_missing, samples
from tests.scripts.small_files import last_line, picture, tree, zipped

pytestmark = pytest.mark.tools

DOWNLOADS = sorted(path.name for path in (ROOT / "scripts").glob("download_*.sh"))


@pytest.mark.parametrize("script", sorted((ROOT / "scripts").glob("*.sh")), ids=lambda path: path.name)
def test_bash_can_parse_every_script(script):
    assert subprocess.run(["bash", "-n", str(script)]).returncode == 0


@pytest.mark.parametrize("script", DOWNLOADS)
def test_help_and_unknown_options(script, scripts):
    shown = scripts.run(script, "--help")
    assert shown.returncode == 0
    assert f"bash scripts/{script}" in shown.stdout
    assert "set -euo" not in shown.stdout
    wrong = scripts.run(script, "--dir", "x")
    assert wrong.returncode == 2
    assert wrong.stderr == f"{script}: error: --dir: no such option; --help lists them\n"


@pytest.fixture
def coco_archives(server) -> list[str]:
    """Two training samples and one for validation, in the four archives of COCO and COCO-Stuff."""
    names = {"train2017": ("000000000009", "000000000025"), "val2017": ("000000000139",)}
    labels, annotations = {}, {}
    for number, (split, stems) in enumerate(names.items()):
        photos = {f"{split}/{stem}.jpg": picture("JPEG", 100) for stem in stems}
        server.files[f"/{split}.zip"] = zipped(photos)
        labels |= {f"{split}/{stem}.png": picture("PNG", number + 7, (48, 64)) for stem in stems}
        images = [{"id": int(stem), "file_name": f"{stem}.jpg", "width": 64, "height": 48} for stem in stems]
        box = [4, 4, 30, 4, 30, 30, 4, 30]
        objects = [
            {"id": int(stem), "image_id": int(stem), "category_id": 1, "iscrowd": 0, "area": 676, "segmentation": [box]}
            for stem in stems
        ]
        content = {"images": images, "annotations": objects, "categories": [{"id": 1, "name": "person"}]}
        annotations[f"annotations/instances_{split}.json"] = json.dumps(content).encode()
    server.files["/stuffthingmaps_trainval2017.zip"] = zipped(labels)
    server.files["/annotations_trainval2017.zip"] = zipped(annotations)
    return sorted(server.files)


COCO_TREE = {
    *(f"train_{kind}/{stem}" for stem in ("000000000009", "000000000025") for kind in ("img", "label")),
    *(f"val_{kind}/000000000139" for kind in ("img", "label")),
}


def stems(files: set[str]) -> set[str]:
    return {name.rpartition(".")[0] for name in files}


def test_coco_stuff_goes_on_after_trouble_and_costs_nothing_again(scripts, server, coco_archives, tmp_path):
    """First the photos cannot be had; then everything is cut once; then nothing is left to do."""
    train = server.files.pop("/train2017.zip")
    flags = ("coco", "--base_url", server.url + "/")
    (tmp_path / "home").mkdir()
    scripts.stubbed.add("-c")  # "import pycocotools" succeeds
    first = scripts.run("download_coco_stuff.sh", *flags, cwd=tmp_path / "home")
    assert first.returncode == 2
    assert "train2017.zip: the server answers 404" in last_line(first.stderr)
    assert not scripts.calls(CHECK)
    root, before = tmp_path / "home" / "coco", len(server.requests)
    assert stems(tree(root)) == {name for name in COCO_TREE if "train_img" not in name}

    server.files["/train2017.zip"], server.cuts["/train2017.zip"] = train, 1
    second = scripts.run("download_coco_stuff.sh", *flags, cwd=tmp_path / "home")
    assert second.returncode == 0, second.stderr
    assert [path for path, _ in server.requests[before:]] == ["/train2017.zip"] * 2
    assert server.requests[-1][1]["range"] == f"bytes={(len(train) + 1) // 2}-"
    assert stems(tree(root)) == COCO_TREE
    assert not list(root.rglob("*.zip")), "archives are not kept"
    assert scripts.calls(PREPARE) == [
        f"--annotations {root}/.download/annotations/instances_{split}2017.json "
        f"--label_dir {root}/{split}_label --output {root}/{split}_inst"
        for split in ("val", "train")
    ]
    assert scripts.calls(CHECK) == checks("coco", root)

    requests = len(server.requests)
    third = scripts.run("download_coco_stuff.sh", *flags, cwd=tmp_path / "home")
    assert third.returncode == 0
    assert len(server.requests) == requests
    assert third.stdout.count("already unpacked") == 4


def test_coco_stuff_ends_with_a_tree_that_passes_the_check(scripts, server, coco_archives, tmp_path):
    """The two programs that the script ends with are run here, with the very arguments it gave them."""
    if reason := is_missing("pycocotools"):
        pytest.skip(reason)
    root = tmp_path / "coco"
    done = scripts.run("download_coco_stuff.sh", root, "--base_url", server.url, "--keep_archives")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((root / ".download").glob("*.zip"))) == 4
    for arguments in scripts.calls(PREPARE):
        instances.main([*arguments.split(), "--workers", "1"])
    assert {name for name in stems(tree(root)) if "_inst" in name} == {
        name.replace("img", "inst") for name in COCO_TREE if "_img" in name
    }
    assert samples("coco", root) == (2, 1)
    assert [check.main([*arguments.split(), "--workers", "1"]) for arguments in scripts.calls(CHECK)] == [0, 0]


@pytest.fixture
def ade20k_archive(server) -> None:
    sky, tree = 3, 5
    files = {"ADEChallengeData2016/objectInfo150.txt": b"Idx"}
    for split, folder, count in (("train", "training", 2), ("val", "validation", 1)):
        for number in range(1, count + 1):
            stem = f"{folder}/ADE_{split}_{number:08d}"
            files[f"ADEChallengeData2016/images/{stem}.jpg"] = picture("JPEG", 100)
            files[f"ADEChallengeData2016/annotations/{stem}.png"] = picture("PNG", (sky, tree)[number % 2], (48, 64))
    server.files["/ADEChallengeData2016.zip"] = zipped(files)


def test_ade20k_ends_with_the_stock_tree_the_outdoor_lists_and_a_check(scripts, server, ade20k_archive, tmp_path):
    server.cuts["/ADEChallengeData2016.zip"] = 1
    root = tmp_path / "ade 20k"
    done = scripts.run("download_ade20k.sh", root, "--base_url", server.url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"objectInfo150.txt", "images/training/ADE_train_00000001.jpg"} <= tree(root)
    assert samples("ade20k", root) == (2, 1)
    assert scripts.calls(OUTDOOR) == [str(root)]
    assert scripts.calls(CHECK) == checks("ade20k", root)

    outdoor.main([str(root)])
    again = scripts.run("download_ade20k.sh", root, "--base_url", server.url)
    assert again.returncode == 0
    assert "Already checked" in again.stdout
    assert len(scripts.calls(OUTDOOR)) == 1, "the lists are there"
    assert len(server.requests) == 2
