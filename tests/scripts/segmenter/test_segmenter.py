import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from data import PRESETS
from models.segmenters import SEGMENTERS, load_own_segmenter
from models.segmenters.own import WIDTHS
from options import TrainOptions, parse_options
from options.field import declared_options
from scripts.segmenter.__main__ import main
from scripts.segmenter.datasets import count_seen, create_datasets, hold_out
from scripts.segmenter.options import FIRST_WIDTH, MOST_CLASSES, parse_args
from scripts.segmenter.run import create_segmenter
from tests.scripts.small_files import last_line
from util.segmentation_scores import IGNORED

pytestmark = pytest.mark.tools

COLORS = np.array([[200, 40, 40], [40, 40, 200]], dtype=np.uint8)
SMALL = "--crop_size 32 --load_size 32 --width 4 --batch_size 4 --gpu_ids -1 --lr 0.02".split()


def write_pairs(root, split: str, count: int, seed: int) -> None:
    """Photos 32x32 of a red and a blue side, noisy, with their label maps; the top row is unknown."""
    rng = np.random.default_rng(seed)
    for kind in ("img", "label"):
        (root / f"{split}_{kind}").mkdir(parents=True)
    for number in range(count):
        labels = np.zeros((32, 32), dtype=np.uint8)
        labels[:, rng.integers(8, 24) :] = 1
        if rng.random() < 0.5:
            labels = 1 - labels
        photo = COLORS[labels] + rng.integers(-30, 30, (32, 32, 3))
        labels[0] = 255
        Image.fromarray(photo.astype(np.uint8)).save(root / f"{split}_img" / f"{number}.png")
        Image.fromarray(labels).save(root / f"{split}_label" / f"{number}.png")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    root = tmp_path_factory.mktemp("pairs")
    write_pairs(root, "train", 16, seed=0)
    write_pairs(root, "val", 5, seed=1)
    return root


def custom(pairs, checkpoints, *words, validation=True) -> list[str]:
    """A command line for two classes and unknown pixels."""
    folders = ["--label_dir", pairs / "train_label", "--image_dir", pairs / "train_img"]
    if validation:
        folders += ["--val_label_dir", pairs / "val_label", "--val_image_dir", pairs / "val_img"]
    ids = "--dataset_mode custom --label_nc 2 --contain_dontcare_label --name mine --checkpoints_dir".split()
    return [*map(str, folders), *ids, str(checkpoints), *SMALL, *words]


@pytest.fixture(scope="module")
def trained(pairs, tmp_path_factory):
    checkpoints = tmp_path_factory.mktemp("checkpoints")
    assert main(custom(pairs, checkpoints, "--epochs", "8")) == 0
    return checkpoints / "mine"


def test_an_earlier_segmenter_of_the_name_is_kept(pairs, tmp_path, capsys):
    command = custom(pairs, tmp_path, "--minutes", "0.001")
    assert main(command) == 0
    assert "held an earlier" not in capsys.readouterr().out
    before = {path.name: path.read_bytes() for path in (tmp_path / "mine").iterdir()}
    assert main([*command, "--seed", "1"]) == 0
    assert f"{tmp_path / 'mine'} held an earlier segmenter, kept as segmenter.pth.old1" in capsys.readouterr().out
    for name, content in before.items():
        assert (tmp_path / "mine" / f"{name}.old1").read_bytes() == content
        assert (tmp_path / "mine" / name).read_bytes() != content


def test_two_colors_are_learned_and_scored_on_photos_it_has_not_seen(trained, pairs):
    facts = json.loads((trained / "segmenter.json").read_text())
    assert facts["validation"]["pixel_accuracy"] > 0.95 and facts["validation"]["mean_iou"] > 0.9
    assert facts["validation"]["photos"] == 5 and facts["training"]["photos"] == 16
    assert facts["training"]["epochs"] == 8 and list(facts["validation"]["class_iou"]) == facts["class_names"]
    assert facts["data_set"] == "custom" and facts["network"] == "UNet" and facts["settings"]["image_size"] == [32, 32]
    assert facts["settings"]["class_ids"] == [0, 1] and facts["settings"]["unlabelled_ids"] == [2, 255]
    assert set(facts["versions"]) == {"python", "torch", "torchvision"} and facts["date"].startswith("20")


def test_the_saved_segmenter_labels_as_it_was_scored(trained, pairs):
    segmenter = load_own_segmenter(trained)
    right = total = 0
    for path in (pairs / "val_img").iterdir():
        photo = torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1)[None] / 255
        truth = segmenter.ground_truth(torch.from_numpy(np.array(Image.open(pairs / "val_label" / path.name)))[None])
        classes = segmenter.predict(photo, (32, 32))
        right += int(((classes == truth) & (truth != IGNORED)).sum())
        total += int((truth != IGNORED).sum())
    assert round(right / total, 4) == segmenter.facts["validation"]["pixel_accuracy"]


def test_the_same_command_gives_the_same_weights_and_says_how_to_use_them(trained, pairs, tmp_path, capsys):
    main(custom(pairs, tmp_path, "--epochs", "8"))
    again, before = (torch.load(path / "segmenter.pth") for path in (tmp_path / "mine", trained))
    assert all(torch.equal(again[name], before[name]) for name in before)
    line = last_line(capsys.readouterr().out)
    assert line.startswith("mIoU 0.9") or line.startswith("mIoU 1.0")
    assert f"on real photos: python evaluate.py --name RUN --segmenter {tmp_path / 'mine'}" in line


def test_without_validation_folders_one_photo_of_ten_is_held_out(pairs, tmp_path, capsys):
    main(custom(pairs, tmp_path, "--minutes", "0.0001", validation=False))
    assert "custom: 2 classes; 15 photos to train on, 1 to validate with" in capsys.readouterr().out
    facts = json.loads((tmp_path / "mine" / "segmenter.json").read_text())
    assert facts["validation"]["photos"] == 1 and 0 < facts["training"]["epochs"] < 1


def test_the_data_flags_of_a_training_can_be_given_as_they_are(pairs):
    data = {name for name, option in declared_options(TrainOptions).items() if option.group == "data"}
    words = "--dataset_mode custom --label_dir a --image_dir b --instance_dir nowhere --phase train --serial_batches"
    training = parse_options(TrainOptions, words.split(), PRESETS)
    opt = parse_args(words.split())
    assert training.instance and not opt.instance  # it sees photos alone
    own = {"instance", "instance_dir", "batch_size"}
    assert {name: getattr(opt, name) for name in data - own} == {name: getattr(training, name) for name in data - own}
    assert not parse_args("--dataset_mode custom --label_dir a --image_dir b --instance".split()).instance


def test_holding_photos_out_takes_time_in_proportion_to_their_number():
    class Path(str):
        """Counts how often paths are compared or looked up."""

        looks = 0

        def __hash__(self):
            Path.looks += 1
            return super().__hash__()

        def __eq__(self, other):
            Path.looks += 1
            return super().__eq__(other)

    for count, held_out in ((2, 1), (9, 1), (10, 1), (20, 2), (3000, 300)):
        paths = [Path(number) for number in range(count)]
        training, validation = SimpleNamespace(paths=paths), SimpleNamespace(paths=[])
        hold_out(training, validation)
        assert Path.looks <= 4 * count and (len(validation.paths), len(training.paths)) == (held_out, count - held_out)
        assert sorted(training.paths + validation.paths) == sorted(paths) and len(paths) == count
        Path.looks = 0


@pytest.mark.parametrize(
    ("mode", "published", "more"),
    [
        ("coco", "coco", {182}),  # unknown pixels of samples
        ("flickr", "coco", {182}),
        ("ade20k", "ade20k", set()),  # whose unknown pixels are 0 in samples too
        ("ade20k_outdoor", "ade20k", set()),
        ("cityscapes", "cityscapes", set()),
    ],
)
def test_classes_are_those_of_the_published_segmenter_where_there_is_one(mode, published, more):
    segmenter, other = create_segmenter(parse_args(["--dataset_mode", mode, "--width", "4"])), SEGMENTERS[published]
    assert segmenter.class_ids == other.class_ids
    assert {*segmenter.unlabelled_ids} == {*other.unlabelled_ids} | more


def test_other_data_of_a_known_layout_has_its_own_classes():
    segmenter = create_segmenter(parse_args("--dataset_mode coco --label_nc 5 --width 4".split()))
    assert segmenter.class_ids == (0, 1, 2, 3, 4) and segmenter.unlabelled_ids == (5, 255)


def test_landscapes_are_the_default_at_the_size_of_the_quick_start():
    opt = parse_args([])
    assert (opt.name, opt.dataset_mode, opt.crop_size, opt.aspect_ratio) == ("segmenter", "landscapes", 128, 2)
    assert not opt.instance and parse_args(["--crop_size", "64"]).crop_size == 64
    assert PRESETS["landscapes"].both["crop_size"] == 256  # those of other programs are as they were


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--epoch", "3"], "--epoch: no such option; did you mean --epochs?"),
        (["--ngf", "3"], "--ngf: no such option"),
        (["--epochs", "0"], "--epochs 0: must be 1 or more"),
        (["--minutes", "-1"], "--minutes -1: must be greater than 0"),
        (["--minutes", "1", "--epochs", "2"], "--minutes 1: with --epochs 2 there are two ends; give one of them"),
        (["--val_label_dir", "x"], "--val_label_dir: --dataset_mode landscapes has validation photos of its own"),
        (["--dataset_mode", "custom"], "--dataset_mode custom: add --data FILE, or --label_dir FOLDER"),
        (["--phase", "val"], "--phase val: a segmenter is scored with those photos; use --phase train"),
        (["--label_nc", "300"], "--label_nc 300: segmenters know 255 classes at most"),
        (["--label_nc", "3"], "--dataset_mode landscapes has 18 classes"),
        (["--gpu_ids", "97"], "--gpu_ids 97: no such GPU"),
    ],
)
def test_wrong_options_are_one_line_and_status_2(words, line, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*words, "--checkpoints_dir", str(tmp_path)])
    error = capsys.readouterr().err
    assert ended.value.code == 2 and error.count("\n") == 1
    assert error.startswith("python -m scripts.segmenter: error: ") and line in error


def test_wrong_files_are_one_line_and_status_2(pairs, tmp_path, capsys):
    def refused(argv: list[str], words: str) -> None:
        with pytest.raises(SystemExit) as ended:
            main(argv)
        line = last_line(capsys.readouterr().err)
        assert ended.value.code == 2 and line.startswith("python -m scripts.segmenter: error: ") and words in line
        assert not (tmp_path / "mine").exists()

    few = shutil.copytree(pairs, tmp_path / "few")
    argv = custom(few, tmp_path, "--epochs", "1")
    refused(argv[: argv.index("--val_image_dir")] + argv[argv.index("--val_image_dir") + 2 :], "give both, or neither")
    refused(custom(few, tmp_path, "--batch_size", "20"), "--batch_size 20: the data set has only 16 samples")
    refused(custom(few, tmp_path, "--lr", "1e30"), "the loss is nan; train with a smaller --lr")
    refused(custom(few, tmp_path, "--max_dataset_size", "1", validation=False), "holds one photo")
    shutil.rmtree(few / "val_label")
    refused(argv, "val_label: no such folder")
    refused([*argv, "--label_nc", "1"], "val_label: no such folder")
    Image.new("L", (32, 32), 7).save(few / "train_label" / "3.png")
    refused(custom(few, tmp_path, validation=False), "3.png")


def test_ctrl_c_is_one_line_and_leaves_no_half_trained_segmenter(pairs, tmp_path, capsys, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("scripts.segmenter.run.train", interrupted)
    with pytest.raises(SystemExit) as stop:
        main(custom(pairs, tmp_path))
    assert stop.value.code == 130
    assert "interrupted; nothing is saved" in last_line(capsys.readouterr().err)
    assert not (tmp_path / "mine" / "segmenter.json").exists()


def test_photos_to_score_with_that_are_trained_on_are_said(pairs, tmp_path, capsys):
    same = ["--val_label_dir", pairs / "train_label", "--val_image_dir", pairs / "train_img"]
    training, validation = create_datasets(parse_args(custom(pairs, tmp_path, *map(str, same))))
    assert count_seen(training, validation) == len(validation) == 16
    assert "16 of 16 validation photos are also trained on" in capsys.readouterr().err
    for words in (custom(pairs, tmp_path), custom(pairs, tmp_path, validation=False)):
        assert count_seen(*create_datasets(parse_args(words))) == 0
    assert "also trained on" not in capsys.readouterr().err


def test_the_numbers_of_the_options_are_those_of_the_network():
    assert (WIDTHS[0], IGNORED) == (FIRST_WIDTH, MOST_CLASSES)
