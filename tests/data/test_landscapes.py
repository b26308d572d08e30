"""The drawn landscapes: the same everywhere, true to their labels, and varied."""

import pickle
import re
import shlex
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from data import PRESETS, create_dataset, create_loader
from data.landscape import CLASS_COLORS, CLASS_NAMES, UNKNOWN, Style, draw_scene
from data.landscapes import LandscapesDataset
from options import TrainOptions, parse_options
from scripts.prepare import landscapes
from util.errors import InputError

SIZE = 48
DAY = Style()


@pytest.fixture(scope="module")
def scenes():
    return [draw_scene(0, index, SIZE, SIZE) for index in range(120)]


def options(**changes) -> SimpleNamespace:
    values = {
        **LandscapesDataset.preset.both,
        "crop_size": 32,
        "phase": "train",
        "is_train": True,
        "flip": False,
        "max_dataset_size": None,
        "seed": 0,
    }
    return SimpleNamespace(**{**values, **changes})


def test_the_same_numbers_draw_the_same_scene():
    first, again = draw_scene(0, 7, SIZE, SIZE), draw_scene(0, 7, SIZE, SIZE)
    for name in ("labels", "instances", "image"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert first.style == again.style


def test_other_numbers_draw_other_scenes():
    labels = [draw_scene(*numbers, SIZE, SIZE).labels for numbers in ((0, 7), (0, 8), (1, 7))]
    assert all((labels[i] != labels[j]).mean() > 0.1 for i, j in ((0, 1), (0, 2), (1, 2)))


# Checksum of the labels, and mean colors of the upper, middle and lower third of the image.
# Recorded once: a change of these numbers is a change of the data set, and so of every result on it.
RECORDED = {
    0: (166087132, [[141.7, 174.9, 204.7], [96.8, 124.4, 80.1], [99.8, 112.5, 69.3]]),
    5: (2417730343, [[149.5, 173.4, 203.9], [133.3, 145.7, 163.4], [131.5, 121.5, 109.1]]),
    1_000_000: (3657131755, [[159.8, 172.5, 191.0], [170.7, 164.1, 150.0], [152.2, 137.9, 109.7]]),
}


@pytest.mark.parametrize("index", RECORDED)
def test_scenes_are_those_recorded(index):
    checksum, mean_colors = RECORDED[index]
    scene = draw_scene(0, index, SIZE, SIZE)
    assert zlib.crc32(scene.labels.tobytes()) == checksum
    np.testing.assert_allclose(scene.image.reshape(3, 16, 48, 3).mean(axis=(1, 2)), mean_colors, atol=1.0)


@pytest.mark.parametrize("index", [0, 3, 11, 20])
def test_a_scene_does_not_depend_on_the_size(index):
    small, large = draw_scene(0, index, 64, 64, DAY), draw_scene(0, index, 128, 128, DAY)
    assert (small.labels == large.labels[1::2, 1::2]).mean() > 0.93
    shrunk = large.image.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    assert np.abs(small.image - shrunk).mean() < 9


@pytest.mark.parametrize("scene", [1864, 1964])
def test_a_scene_in_which_nothing_stands_can_be_drawn(scene):
    assert draw_scene(0, scene, 64, 32).labels.shape == (32, 64)


def test_a_wide_picture_shows_the_whole_scene_undistorted():
    scene = draw_scene(0, 0, 96, 48)
    assert scene.labels.shape == (48, 96) and scene.image.shape == (48, 96, 3)


def test_label_values_are_classes_or_unknown(scenes):
    for scene in scenes:
        assert scene.labels.dtype == np.uint8
        assert set(np.unique(scene.labels)) <= {*range(len(CLASS_NAMES)), UNKNOWN}


def test_every_class_is_common(scenes):
    share = [np.mean([np.any(scene.labels == i) for scene in scenes]) for i in range(len(CLASS_NAMES))]
    assert share[0] > 0.95, "sky"
    assert min(share) >= 0.08, CLASS_NAMES[int(np.argmin(share))]
    assert np.mean([np.any(scene.labels == UNKNOWN) for scene in scenes]) > 0.08


def test_classes_have_names_and_distinct_colors():
    assert len(CLASS_NAMES) == len(set(CLASS_NAMES)) == 18
    colors = CLASS_COLORS.astype(int)
    distance = np.abs(colors[:, None] - colors[None]).sum(axis=-1) + 999 * np.eye(18, dtype=int)
    assert distance.min() > 40


def test_an_instance_has_one_class(scenes):
    for scene in scenes:
        for instance in np.unique(scene.instances):
            labels = np.unique(scene.labels[scene.instances == instance])
            assert len(labels) == 1
            kind = 18 if labels[0] == UNKNOWN else labels[0]
            assert instance == labels[0] or instance // 1000 == kind


@pytest.mark.parametrize("name", ["cloud", "mountain", "rock", "tree", "bush", "stone"])
def test_things_have_instances_of_their_own(scenes, name):
    kind = CLASS_NAMES.index(name)
    most = max(len(np.unique(scene.instances[scene.labels == kind])) for scene in scenes)
    assert most >= 2


def test_style_changes_the_image_and_not_the_layout():
    own = draw_scene(0, 14, SIZE, SIZE)
    painted = [
        draw_scene(0, 14, SIZE, SIZE, style)
        for style in (DAY, Style(time="night"), Style(season="autumn"), Style(weather="overcast"))
    ]
    for scene in painted:
        np.testing.assert_array_equal(scene.labels, own.labels)
        np.testing.assert_array_equal(scene.instances, own.instances)
    images = [scene.image.astype(int) for scene in painted]
    assert all(np.abs(images[0] - other).mean() > 5 for other in images[1:])
    assert images[1].mean() < 0.6 * images[0].mean(), "night is dark"


def test_styles_vary(scenes):
    for field in ("time", "season", "weather"):
        assert len({getattr(scene.style, field) for scene in scenes}) >= 3


def test_the_image_shows_what_the_labels_say():
    """In one style a class has a color: the mean colors of two classes are apart, and alike in all scenes."""
    means = {"snow": [], "grass": [], "sea": []}
    for index in range(60):
        scene = draw_scene(0, index, SIZE, SIZE, DAY)
        for name, found in means.items():
            region = scene.labels == CLASS_NAMES.index(name)
            if region.sum() > 60:
                found.append(scene.image[region].mean(axis=0))
    for name, strongest in (("grass", 1), ("sea", 2)):
        assert len(means[name]) > 3
        assert all(color.argmax() == strongest for color in means[name]), name
    assert min(color.min() for color in means["snow"]) > max(color.min() for color in means["grass"])


def test_the_dataset_yields_samples():
    dataset = LandscapesDataset(options(aspect_ratio=2.0))
    sample = dataset[3]
    assert sample["labels"].shape == sample["instances"].shape == (16, 32)
    assert sample["labels"].dtype == torch.uint8 and sample["instances"].dtype == torch.int32
    assert sample["labels"].min() >= 0 and sample["labels"].max() <= 18
    assert sample["image"].shape == (3, 16, 32) and sample["image"].dtype == torch.float32
    assert -1 <= sample["image"].min() < sample["image"].max() <= 1
    assert dataset[4]["name"] != sample["name"]


def test_the_dataset_agrees_with_the_scene():
    dataset = LandscapesDataset(options())
    scene = draw_scene(0, 2, 32, 32)
    for _ in range(2):  # drawn, then from memory
        sample = dataset[2]
        expected = np.where(scene.labels == UNKNOWN, 18, scene.labels)
        np.testing.assert_array_equal(sample["labels"].numpy(), expected)
        np.testing.assert_array_equal(sample["instances"].numpy(), scene.instances)
        np.testing.assert_allclose(sample["image"].permute(1, 2, 0).numpy(), scene.image / 127.5 - 1, atol=1e-6)


def test_flips_are_of_all_maps_and_from_torchs_generator():
    plain, flipping = LandscapesDataset(options())[1], LandscapesDataset(options(flip=True))
    torch.manual_seed(0)
    seen = set()
    for _ in range(12):
        sample = flipping[1]
        mirrored = not torch.equal(sample["labels"], plain["labels"])
        seen.add(mirrored)
        for name in ("labels", "instances", "image"):
            assert torch.equal(sample[name], plain[name].flip(-1) if mirrored else plain[name])
    assert seen == {True, False}
    testing = LandscapesDataset(options(flip=True, is_train=False))
    assert all(torch.equal(testing[1]["labels"], plain["labels"]) for _ in range(6))


def test_train_and_validation_are_apart_and_cut():
    train, val = LandscapesDataset(options()), LandscapesDataset(options(phase="val"))
    assert (len(train), len(val)) == (2000, 200)
    assert len(LandscapesDataset(options(max_dataset_size=5))) == 5
    assert val.first >= train.first + len(train)
    assert not torch.equal(train[0]["image"], val[0]["image"])
    with pytest.raises(IndexError):
        train[2000]


def test_the_seed_of_a_run_does_not_change_the_data():
    assert torch.equal(LandscapesDataset(options(seed=1))[0]["image"], LandscapesDataset(options(seed=2))[0]["image"])


def test_instances_are_left_out_when_not_asked_for():
    assert "instances" not in LandscapesDataset(options(instance=False))[0]


def test_names_and_colors_cover_the_unknown():
    dataset = LandscapesDataset(options())
    assert dataset.class_names == (*CLASS_NAMES, "unknown")
    assert dataset.class_colors.shape == (19, 3) and dataset.class_colors.dtype == np.uint8


@pytest.mark.parametrize("change", [{"label_nc": 13}, {"contain_dontcare_label": False}])
def test_other_numbers_of_classes_are_refused(change):
    with pytest.raises(InputError, match="--label_nc 18 --contain_dontcare_label"):
        LandscapesDataset(options(**change))


def test_the_dataset_can_go_to_a_spawned_worker():
    dataset = LandscapesDataset(options(max_dataset_size=3))
    copy = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(copy[2]["image"], dataset[2]["image"])


def test_workers_share_what_they_drew():
    dataset = LandscapesDataset(options(max_dataset_size=4))
    list(torch.utils.data.DataLoader(dataset, batch_size=2, num_workers=1, multiprocessing_context="fork"))
    assert dataset.scenes.drawn.all()


def test_scenes_beyond_the_cache_are_drawn_each_time(monkeypatch):
    monkeypatch.setattr("data.landscapes.CACHE_BYTES", 6 * 32 * 32 * 2)
    dataset = LandscapesDataset(options(max_dataset_size=4))
    assert dataset.scenes.kept == 2
    assert torch.equal(dataset[3]["image"], LandscapesDataset(options())[3]["image"])


def test_the_script_writes_readable_files(tmp_path, capsys):
    root = tmp_path / "my scenes"
    landscapes.main([str(root), "--train", "2", "--val", "1", "--size", "40x24"])
    scene = draw_scene(0, 1, 40, 24)
    for kind, expected in (("img", scene.image), ("label", scene.labels), ("inst", scene.instances)):
        files = sorted((root / f"train_{kind}").iterdir())
        assert [file.name for file in files] == ["00000.png", "00001.png"]
        assert [file.name for file in (root / f"val_{kind}").iterdir()] == ["00000.png"]
        np.testing.assert_array_equal(np.asarray(Image.open(files[1])), expected)
    assert Image.open(root / "train_label/00000.png").mode == "L"
    command = shlex.split(capsys.readouterr().out)
    assert command[:4] == ["python", "train.py", "--name", "mine"]
    assert command[command.index("--label_dir") + 1] == str(root / "train_label")
    assert command[command.index("--instance_dir") + 1] == str(root / "train_inst")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["--size", "256"], "--size 256"), (["--size", "8x64"], "--size 8x64"), (["--train", "0"], "--train 0")],
)
def test_the_script_names_bad_input(tmp_path, arguments, named):
    with pytest.raises(InputError, match=re.escape(named)):
        landscapes.main([str(tmp_path / "out"), *arguments])


@pytest.mark.parametrize(("size", "crop_size"), [("16x16", 32), ("64x100", 64), ("256x256", 128)])
def test_the_proposed_training_is_small_and_fits_the_files(tmp_path, capsys, size, crop_size):
    landscapes.main([str(tmp_path), "--train", "2", "--val", "0", "--size", size])
    opt = parse_options(TrainOptions, shlex.split(capsys.readouterr().out)[2:], PRESETS)
    assert (opt.crop_size, opt.batch_size, opt.vgg_loss) == (crop_size, 2, False)
    assert opt.ngf <= 16 and opt.niter + opt.niter_decay <= 10 and opt.load_size < 256
    assert len(create_loader(opt, create_dataset(opt))) == 1


def test_by_default_the_script_writes_a_set_to_try(tmp_path):
    args = landscapes.parse_args([str(tmp_path)])
    assert args.train + args.val <= 300 and args.val >= 10


def test_the_script_keeps_files_that_are_there(tmp_path):
    (tmp_path / "train_img").mkdir()
    (tmp_path / "train_img/mine.png").touch()
    with pytest.raises(InputError, match="not empty"):
        landscapes.main([str(tmp_path), "--train", "1", "--val", "0"])
