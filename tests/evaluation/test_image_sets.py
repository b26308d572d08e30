"""Which pixels are compared: photos and label maps as the data set reads them, images as they were written."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from data import PRESETS, create_dataset
from data.preprocess import image_to_tensor
from data.read import LabelIds
from evaluation.image_sets import DataSetTruth, GeneratedImages, as_in_files, to_gray_levels
from evaluation.sources import find_images
from options import EvaluateOptions, parse_options
from tests.evaluation.folders import save
from util.errors import InputError


def options(line: str) -> EvaluateOptions:
    return parse_options(EvaluateOptions, f"--gpu_ids -1 {line}".split(), PRESETS)


def test_no_gray_level_is_lost_on_the_way_through_the_network_s_range():
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    assert np.array_equal(to_gray_levels(image_to_tensor(levels)).permute(1, 2, 0).numpy(), levels)


def test_unknown_is_255_again_unless_it_is_an_id_of_the_files():
    labels = torch.tensor([[0, 3, 4]], dtype=torch.uint8)
    assert as_in_files(labels, LabelIds(4, True)).tolist() == [[0, 3, 255]]
    assert as_in_files(labels, LabelIds(4, True, None)).tolist() == [[0, 3, 4]]
    assert as_in_files(labels, LabelIds(5, False)).tolist() == [[0, 3, 4]]


@pytest.fixture
def photos(tmp_path):
    """Two photos of 90x70 with label maps, and generated images of 64x64."""
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        save(rng.integers(0, 256, (70, 90, 3), dtype=np.uint8), tmp_path / "real" / f"{name}.png")
        labels = rng.integers(0, 4, (70, 90), dtype=np.uint8)
        labels[labels == 3] = 255
        save(labels, tmp_path / "labels" / f"{name}.png")
        save(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8), tmp_path / "fake" / f"{name}.png")
    return tmp_path


CUSTOM = "--dataset_mode custom --label_nc 3 --contain_dontcare_label --crop_size 64 --features random --segmenter x"


def test_folders_and_data_set_give_the_same_pixels_which_are_pillow_s(photos):
    folders = f"--fake {photos}/fake --real {photos}/real --labels {photos}/labels"
    for more in ("", " --load_size 66", " --preprocess_mode scale_shortside_and_crop"):
        sources = find_images(options(f"{folders} {CUSTOM}{more}"), whole_labels=False)
        run = f"--name run --label_dir {photos}/labels --image_dir {photos}/real --no_instance"
        opt = options(f"{run} {CUSTOM}{more}")
        one, other = sources.truth[1], DataSetTruth(create_dataset(opt), opt)[1]
        assert one["index"] == other["index"] == 1
        assert torch.equal(one["photo"], other["photo"]) and torch.equal(one["labels"], other["labels"])
        assert one["photo"].dtype == torch.uint8 and tuple(one["photo"].shape) == (3, 64, 64)
        assert set(one["labels"].unique().tolist()) == {0, 1, 2, 255}
    sources = find_images(options(f"{folders} {CUSTOM}"), whole_labels=False)
    by_hand = Image.open(photos / "real" / "b.png").resize((64, 64), Image.Resampling.BICUBIC)
    assert np.array_equal(sources.truth[1]["photo"].permute(1, 2, 0).numpy(), np.asarray(by_hand))
    written = np.asarray(Image.open(photos / "fake" / "b.png"))
    assert np.array_equal(sources.generated[1]["image"].permute(1, 2, 0).numpy(), written)


def test_photos_with_an_orientation_are_counted_and_turned_when_asked(photos, capsys):
    exif = Image.Exif()
    exif[0x0112] = 3
    path = photos / "real" / "b.png"
    Image.open(path).save(path, exif=exif)
    line = f"--fake {photos}/fake --real {photos}/real --labels {photos}/labels {CUSTOM}"
    stored = find_images(options(line), whole_labels=False).truth[1]
    assert f"warning: 1 of 2 photos ({path}) have an EXIF orientation" in capsys.readouterr().err
    turned = find_images(options(f"{line} --apply_exif"), whole_labels=False).truth[1]
    assert capsys.readouterr().err == ""
    assert torch.equal(turned["photo"], stored["photo"].flip(-2, -1)) and torch.equal(
        turned["labels"], stored["labels"]
    )


def test_photos_on_their_side_are_explained(photos):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = photos / "real" / "b.png"
    Image.open(path).rotate(90, expand=True).save(path, exif=exif)
    line = f"--fake {photos}/fake --real {photos}/real --labels {photos}/labels {CUSTOM}"
    with pytest.raises(InputError, match=r"orientation of b\.png says to turn it by 90 degrees: --apply_exif does so"):
        find_images(options(line), whole_labels=False).truth[1]
    assert find_images(options(f"{line} --apply_exif"), whole_labels=False).truth[1]["photo"].shape == (3, 64, 64)


def cityscapes(root: Path) -> Path:
    for name in ("aachen/aachen_000001_000019", "bonn/bonn_000002_000019"):
        labels = np.full((1024, 2048), 7, dtype=np.uint8)
        labels[:, 1024:] = 26
        save(labels, root / "gtFine" / "val" / f"{name}_gtFine_labelIds.png")
        save(np.zeros((1024, 2048, 3), dtype=np.uint8), root / "leftImg8bit" / "val" / f"{name}_leftImg8bit.png")
        save(np.zeros((256, 512, 3), dtype=np.uint8), root / "fake" / f"{name}.png")
    return root


def test_cityscapes_label_maps_come_whole_where_the_network_sees_whole_images(tmp_path):
    root = cityscapes(tmp_path)
    places = f"--fake {root}/fake --real {root}/leftImg8bit/val --labels {root}/gtFine/val --features random"
    opt = options(f"{places} --dataset_mode cityscapes --segmenter x")
    whole, shrunk = (find_images(opt, whole).truth for whole in (True, False))
    assert whole.names == ["aachen/aachen_000001_000019", "bonn/bonn_000002_000019"]
    assert tuple(whole[0]["labels"].shape) == (1024, 2048) and tuple(shrunk[0]["labels"].shape) == (256, 512)
    assert tuple(whole[0]["photo"].shape) == (3, 256, 512)
    assert set(whole[1]["labels"].unique().tolist()) == {7, 26}
    opt = options(f"{places} --dataset_mode cityscapes --segmenter x --preprocess_mode crop")
    with pytest.raises(InputError, match="--resolution 512"):
        find_images(opt, True)
    opt = options(f"--name x --dataset_mode cityscapes --dataroot {root} --no_instance --features none --segmenter x")
    truth = DataSetTruth(create_dataset(opt), opt, photos=False, whole_labels=True)
    assert torch.equal(truth[0]["labels"], whole[0]["labels"]) and "photo" not in truth[0]


def test_a_data_set_without_photos_can_be_segmented_but_not_compared(photos):
    opt = options(f"--name x --label_dir {photos}/labels --no_instance {CUSTOM}")
    assert "labels" in DataSetTruth(create_dataset(opt), opt, photos=False)[0]
    with pytest.raises(InputError, match=r"a: has no photo.*--real_statistics"):
        DataSetTruth(create_dataset(opt), opt)[0]


def test_landscapes_are_named_as_test_py_names_them():
    opt = options("--name x --crop_size 64 --features random")
    truth = DataSetTruth(create_dataset(opt), opt, 3)
    assert truth.names == ["00000", "00001", "00002"] and len(truth) == 3 and truth.size == (64, 64)
    assert set(truth[0]["labels"].unique().tolist()) <= {*range(18), 255}
    with pytest.raises(AssertionError, match="random"):
        DataSetTruth(create_dataset(opt), SimpleNamespace(is_train=True))


@pytest.mark.parametrize("mode, words", [("L", "gray"), ("P", "palette"), ("RGBA", "transparent"), ("CMYK", "not RGB")])
def test_generated_images_are_rgb(tmp_path, mode, words):
    path = tmp_path / ("a.tiff" if mode == "CMYK" else "a.png")
    Image.new(mode, (8, 8)).save(path)
    with pytest.raises(InputError, match=rf"a\.\w+: is .*{words}.*mode {mode}"):
        GeneratedImages([path], (8, 8))[0]
