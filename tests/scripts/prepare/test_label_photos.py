import contextlib
import io
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from data.id_maps import read_ids
from data.opening import orientation_of
from models.segmenters import SEGMENTERS, Segmenter
from models.segmenters.own import OwnSegmenter
from scripts.prepare.label_photos import NETWORKS, batches_of_one_size, build_segmenter, main, segment
from tests.worlds import run_together
from util.errors import InputError

CPU = torch.device("cpu")
pytestmark = [
    pytest.mark.tools,
    pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning", "ignore::FutureWarning"),
]


class Brightness(nn.Module):
    """Three classes by brightness, dark, middle and bright, at half the size of the photo."""

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        bright = photos.mean(dim=1)[:, ::2, ::2]
        return torch.stack([0.5 - bright, 0.3 - (bright - 0.5).abs(), bright - 0.5], dim=1)


class Wrong(nn.Module):
    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        return photos[0]


def save_script(module: nn.Module, path) -> str:
    torch.jit.save(torch.jit.trace(module, torch.rand(2, 3, 8, 6), check_trace=False), path)
    return str(path)


@pytest.fixture
def weights(tmp_path) -> str:
    return save_script(Brightness(), tmp_path / "brightness.pt")


@pytest.fixture
def photos(tmp_path):
    """Five photos of two sizes, as grey as their class says, one of them half and half."""
    for name, grey, size in [("a/1", 10, (6, 8)), ("a/2", 128, (6, 8)), ("3", 240, (10, 4)), ("4", 250, (6, 8))]:
        path = tmp_path / "photos" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (grey,) * 3).save(path)
    half = np.zeros((8, 12, 3), dtype=np.uint8)
    half[:, 6:] = 255
    Image.fromarray(half).save(tmp_path / "photos" / "half.png")
    return tmp_path / "photos"


def run(photos, *words) -> list[str]:
    """Names of the label maps after a run."""
    made = photos.parent / "made"
    main([str(photos), str(made), "--network", "torchscript", "--num_workers", "0", "--cpu", *words])
    return sorted(path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file())


@pytest.mark.parametrize("batch_size", ["1", "4"])
def test_each_photo_gets_a_map_of_its_name_size_and_classes(photos, weights, batch_size, capsys):
    assert run(photos, "--weights", weights, "--batch_size", batch_size) == [
        "3.png", "4.png", "a/1.png", "a/2.png", "half.png"
    ]  # fmt: skip
    for name, value, shape in [("a/1", 0, (8, 6)), ("a/2", 1, (8, 6)), ("3", 2, (4, 10)), ("4", 2, (8, 6))]:
        ids = read_ids(photos.parent / "made" / f"{name}.png")
        assert ids.shape == shape and (ids == value).all()
    half = read_ids(photos.parent / "made" / "half.png")
    assert (half[:, :5] == 0).all() and (half[:, 7:] == 2).all()
    with Image.open(photos.parent / "made" / "3.png") as picture:
        assert picture.mode == "L"
    assert "train with --label_nc 3" in capsys.readouterr().out


def test_a_second_run_makes_only_what_is_missing(photos, weights, capsys):
    run(photos, "--weights", weights)
    made = photos.parent / "made"
    kept = (made / "3.png").stat().st_mtime_ns
    (made / "4.png").unlink()
    (made / "a" / "1.png").write_bytes((made / "a" / "1.png").read_bytes()[:70])
    run(photos, "--weights", weights)
    assert (read_ids(made / "4.png") == 2).all() and (read_ids(made / "a" / "1.png") == 0).all()
    assert (made / "3.png").stat().st_mtime_ns == kept
    assert "2 label maps made, 3 were there" in capsys.readouterr().out


def test_workers_that_read_change_nothing(photos, weights):
    assert len(run(photos, "--weights", weights, "--num_workers", "1")) == 5
    assert (read_ids(photos.parent / "made" / "3.png") == 2).all()


def test_photos_of_one_size_share_a_batch():
    sizes = [(1, 2), (3, 4), (1, 2), (1, 2), (3, 4)]
    assert batches_of_one_size(sizes, 2) == [[0, 2], [3], [1, 4]]


class Shifted(Segmenter):
    """Three classes by brightness, whose ids are not their numbers."""

    name, class_ids, unlabelled_ids = "shifted", (7, 0, 255), (1,)

    def __init__(self, *settings):
        super().__init__()
        self.network = nn.Conv2d(3, 1, 1)

    def score_pixels(self, pixels, size):
        assert tuple(pixels.shape[-2:]) == size
        return torch.stack([127 - pixels[:, 0], 70 - (pixels[:, 0] - 127).abs(), pixels[:, 0] - 127], dim=1)


def test_ids_of_files_may_differ_from_numbers_of_classes():
    photos = torch.stack([torch.full((3, 4, 6), value) for value in (0.0, 0.5, 1.0)])
    assert [np.unique(ids).tolist() for ids in segment(Shifted(), photos)] == [[7], [0], [255]]


@pytest.mark.parametrize(("name", "ids"), [("coco", (0, 181)), ("ade20k", (1, 150)), ("cityscapes", (7, 33))])
def test_published_networks_are_there_by_name_and_write_the_ids_of_their_label_files(name, ids, photos, monkeypatch):
    """On a stand-in: the networks have tests of their own."""
    assert (min(SEGMENTERS[name].class_ids), max(SEGMENTERS[name].class_ids)) == ids
    (photos.parent / "a.pth").touch()
    (photos.parent / "b.pth").touch()
    files = [str(photos.parent / "a.pth"), str(photos.parent / "b.pth")]

    def load(mode, paths):
        assert (mode, [str(path) for path in paths]) == (name, files)
        return Shifted()

    monkeypatch.setattr("scripts.prepare.label_photos.load_segmenter", load)
    made = photos.parent / "made"
    words = ["--network", name, "--weights", files[0], "--weights", files[1], "--num_workers", "0", "--cpu"]
    main([str(photos), str(made), *words])
    assert [np.unique(read_ids(made / f"{stem}.png")).tolist() for stem in ("a/1", "a/2", "3")] == [[7], [0], [255]]


def test_a_run_of_ones_own_labels_by_name_and_by_folder(photos, tmp_path):
    segmenter = OwnSegmenter("custom", class_ids=(3, 5), unlabelled_ids=(255,), image_size=(8, 8), widths=(2, 2))
    with torch.no_grad():
        segmenter.network.classify.bias[:4] = 100  # of class 0, all four pixels of a block
    segmenter.save(tmp_path / "runs" / "mine", {})
    for run, where in [("mine", ["--checkpoints_dir", str(tmp_path / "runs")]), (str(tmp_path / "runs/mine"), [])]:
        made = tmp_path / f"made{len(where)}"
        main([str(photos), str(made), "--segmenter", run, *where, "--num_workers", "0", "--cpu"])
        assert (read_ids(made / "half.png") == np.full((8, 12), 3)).all()
    with pytest.raises(InputError, match=r"nobody: no such run of scripts.segmenter, and no such file"):
        main([str(photos), str(tmp_path / "made"), "--segmenter", "nobody", "--cpu"])
    with pytest.raises(InputError, match=r"--weights f\.pth: goes with --network; --segmenter mine has its own"):
        main([str(photos), str(tmp_path / "made"), "--segmenter", "mine", "--weights", "f.pth", "--cpu"])


def test_torchvision_networks_read_their_files_with_and_without_the_second_head(tmp_path, monkeypatch):
    """On a stand-in for the large network, which has the same two heads."""

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.classifier = nn.Conv2d(3, 21, 1)

        def forward(self, photos):
            return {"out": self.classifier(photos)}

    def get_model(name, weights, weights_backbone, num_classes):
        assert (name, weights, weights_backbone, num_classes) == ("fcn_resnet50", None, None, 21)
        return Network()

    monkeypatch.setattr("torchvision.models.get_model", get_model)
    state = Network().state_dict()
    for extra in ({}, {"aux_classifier.weight": torch.zeros(1)}):
        torch.save(state | extra, tmp_path / "fcn.pth")
        segmenter = build_segmenter("fcn_resnet50", [tmp_path / "fcn.pth"], CPU)
        assert torch.equal(segmenter.network.classifier.weight, state["classifier.weight"])
        assert segment(segmenter, torch.rand(1, 3, 5, 7)).shape == (1, 5, 7)
    torch.save({"other": torch.zeros(1)}, tmp_path / "fcn.pth")
    with pytest.raises(InputError, match=r"fcn\.pth: is not a file of --network fcn_resnet50 \(Error\(s\) in loading"):
        build_segmenter("fcn_resnet50", [tmp_path / "fcn.pth"], CPU)


def test_weights_that_cannot_be_downloaded_name_the_option(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no route")

    monkeypatch.setattr("torchvision.models.get_model", refuse)
    with pytest.raises(InputError, match=r"deeplabv3_resnet50: its weights cannot be downloaded \(no route\); .*FILE"):
        build_segmenter("deeplabv3_resnet50", [], CPU)


def test_the_networks_of_torchvision_are_there():
    assert {"deeplabv3_resnet50", "fcn_resnet101", "lraspp_mobilenet_v3_large", "torchscript"} <= set(NETWORKS)


def test_wrong_input_is_one_line(photos, weights, tmp_path):
    (tmp_path / "text.pt").write_text("hello")
    wrong = save_script(Wrong(), tmp_path / "wrong.pt")
    for words, line in [
        (["--network", "deeplabv3_resnet5"], "--network deeplabv3_resnet5: no such network; use deeplabv3_resnet50"),
        (["--weights", str(tmp_path / "none.pt")], "none.pt: no such file"),
        (
            ["--weights", str(tmp_path / "text.pt")],
            "text.pt: is neither a run of scripts.segmenter, nor a TorchScript file",
        ),
        ([], "--network torchscript: add --weights FILE"),
        (["--weights", wrong], "must map photos (N, 3, H, W) in [0, 1] to logits (N, C, h, w)"),
        (["--weights", weights, "--weights", weights], "the one file that torch.jit.save wrote"),
        (["--network", "fcn_resnet50", "--weights", weights, "--weights", weights], "fcn_resnet50 takes one file"),
        (["--weights", weights, "--batch_size", "0"], "--batch_size 0: must be 1 or more"),
    ]:
        with pytest.raises(InputError) as caught:
            run(photos, *words)
        assert line in str(caught.value) and "\n" not in str(caught.value)
    (photos / "broken.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"broken\.jpg: cannot be read as an image"):
        run(photos, "--weights", weights)
    with pytest.raises(InputError, match="holds the photos; name another folder"):
        main([str(photos), str(photos), "--network", "torchscript", "--weights", weights])
    with pytest.raises(InputError, match="nowhere: no such folder; it should hold the photos"):
        main([str(tmp_path / "nowhere"), str(tmp_path / "made"), "--network", "torchscript", "--weights", weights])


def label_together(folder: str, broken: str) -> tuple[list[str], str, str, bool]:
    """A job of several processes: files that this one wrote, what it printed, and how the second call failed."""
    written, printed = [], io.StringIO()
    sys.addaudithook(lambda event, args: written.append(str(args[1])) if event == "os.rename" else None)
    argv = ["--network", "torchscript", "--num_workers", "0", "--cpu", "--batch_size", "1"]
    argv += ["--weights", f"{folder}/brightness.pt"]
    with contextlib.redirect_stdout(printed):
        main([f"{folder}/photos", f"{folder}/together", *argv])
    own = [name for name in written if name.endswith(".png")]
    with pytest.raises(InputError) as caught:
        main([broken, f"{folder}/failed", *argv])
    return own, printed.getvalue(), str(caught.value), caught.value.said_elsewhere


def test_processes_divide_the_photos_and_fail_together(photos, weights, tmp_path):
    alone = run(photos, "--weights", weights)
    broken = tmp_path / "broken"
    broken.mkdir()
    for number in range(20):
        Image.effect_noise((16, 16), 50).convert("RGB").save(broken / f"{number:02}.png")
    spoiled = broken / "03.png"
    spoiled.write_bytes(spoiled.read_bytes()[:200])  # its header is whole

    results = run_together(2, label_together, str(tmp_path), str(broken))
    names = [[Path(path).relative_to(tmp_path / "together").as_posix() for path in own] for own, *_ in results]
    assert sorted(names[0] + names[1]) == alone and all(len(own) >= 2 for own in names)
    for name in alone:
        assert (tmp_path / "together" / name).read_bytes() == (tmp_path / "made" / name).read_bytes()
    assert ["5 label maps made, 0 were there" in printed for _, printed, *_ in results] == [True, False]
    assert all("03.png: " in error for *_, error, _ in results)
    assert sorted(elsewhere for *_, elsewhere in results) == [False, True]
    assert len(list((tmp_path / "failed").glob("*.png"))) <= 4, "nobody goes on after one has failed"


def test_the_orientation_of_a_photo_goes_with_its_map(photos, weights):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = photos / "half.png"
    Image.open(path).save(path, exif=exif)
    run(photos, "--weights", weights)
    made = photos.parent / "made"
    assert [orientation_of(made / f"{name}.png") for name in ("3", "half")] == [1, 6]
    half = read_ids(made / "half.png")
    assert (half[:, :5] == 0).all() and (half[:, 7:] == 2).all()
