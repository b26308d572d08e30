"""Conditioning images in place of label maps: their values by hand, their geometry, and what is refused."""

import numpy as np
import pytest
import torch

from data import create_dataset
from data.conditions import map_size, read_condition, resize_condition
from util.errors import InputError


@pytest.fixture
def tree(tmp_path, save, make_options):
    """Options for a folder of four photos of 24x16 noise, each its own condition in RGB; given fields replace them."""
    random = np.random.default_rng(0)
    for name in "abcd":
        photo = random.integers(0, 256, (16, 24, 3), dtype=np.uint8)
        save(tmp_path / "photos" / f"{name}.png", photo)
        save(tmp_path / "conditions" / f"{name}.png", photo)
    folders = {"label_dir": str(tmp_path / "conditions"), "image_dir": str(tmp_path / "photos")}
    return lambda **given: make_options(
        **{**folders, "label_nc": 0, "input_nc": 3, "preprocess_mode": "scale_shortside_and_crop"} | given
    )


def test_pixels_are_scaled_as_those_of_photos(tmp_path, save, make_options):
    save(tmp_path / "sketch" / "a.png", np.array([[0, 255], [51, 204]], dtype=np.uint8))
    save(tmp_path / "photos" / "a.png", np.zeros((2, 2, 3), dtype=np.uint8))
    folders = {"label_dir": str(tmp_path / "sketch"), "image_dir": str(tmp_path / "photos")}
    opt = make_options(**folders, label_nc=0, input_nc=1, load_size=2, crop_size=2)
    (sample,) = list(create_dataset(opt))
    assert sorted(sample) == ["condition", "image", "name"]
    torch.testing.assert_close(sample["condition"], torch.tensor([[[-1.0, 1.0], [-0.6, 0.6]]]))


def test_a_condition_that_is_the_photo_stays_so_through_resizing_crop_flip_and_cache(tree, tmp_path):
    for more in ({}, {"cache_dir": str(tmp_path / "cache")}, {"cache_dir": str(tmp_path / "cache")}):
        torch.manual_seed(0)
        samples = list(create_dataset(tree(load_size=20, crop_size=12, flip=True, **more)))
        assert [sample["condition"].shape for sample in samples] == [(3, 12, 12)] * 4
        for sample in samples:
            assert torch.equal(sample["condition"], sample["image"])
    assert len(list((tmp_path / "cache").rglob("*.sample"))) == 4


def test_label_maps_and_conditions_of_one_folder_have_their_own_cache_entries(tree, tmp_path, save):
    for name in "abcd":
        save(tmp_path / "conditions" / f"{name}.png", np.ones((16, 24), dtype=np.uint8))
    cache = {"cache_dir": str(tmp_path / "cache")}
    assert create_dataset(tree(input_nc=1, **cache))[0]["condition"].shape == (1, 16, 16)
    assert create_dataset(tree(input_nc=0, label_nc=2, **cache))[0]["labels"].unique().tolist() == [1]
    assert create_dataset(tree(input_nc=3, **cache))[0]["condition"].shape == (3, 16, 16)


@pytest.mark.parametrize("order", ["channels first", "channels last"])
@pytest.mark.parametrize("dtype", [np.float16, np.float64, bool])
def test_maps_of_arrays_keep_their_values_and_sum(tree, tmp_path, order, dtype):
    random = np.random.default_rng(1)
    for name in "abcd":
        (tmp_path / "conditions" / f"{name}.png").unlink()
        one_hot = np.eye(5)[random.integers(0, 5, (16, 24))].astype(dtype)  # (16, 24, 5)
        maps = one_hot if order == "channels last" else one_hot.transpose(2, 0, 1)
        np.save(tmp_path / "conditions" / f"{name}.npy", maps)
    condition = create_dataset(tree(input_nc=5, load_size=16))[0]["condition"]
    assert condition.shape == (5, 16, 16) and condition.dtype == torch.float32
    assert set(condition.unique().tolist()) == {0, 1}
    smaller = create_dataset(tree(input_nc=5, load_size=10, crop_size=10))[0]["condition"]
    torch.testing.assert_close(smaller.sum(dim=0), torch.ones(10, 10))
    assert smaller.min() >= 0 and smaller.max() <= 1 and len(smaller.unique()) > 2


def test_gray_of_color_is_that_of_pillow_and_size_comes_from_the_header(tmp_path, save):
    path = save(tmp_path / "a.png", np.array([[[255, 0, 0], [0, 255, 0]]], dtype=np.uint8))
    assert read_condition(path, 1).tolist() == [[[76], [150]]]  # ITU-R 601: 0.299 R + 0.587 G + 0.114 B
    assert map_size(path, 1) == (2, 1)
    np.save(tmp_path / "b.npy", np.zeros((7, 2, 3), dtype=np.float32))
    assert map_size(tmp_path / "b.npy", 7) == (3, 2)
    assert map_size(tmp_path / "b.npy", 3) == (2, 7)


def test_a_flat_map_stays_flat_when_resized():
    for values in (np.full((6, 9, 2), 0.3, dtype=np.float32), np.full((6, 9, 3), 77, dtype=np.uint8)):
        resized = resize_condition(values, (4, 3))
        assert resized.shape == (3, 4, values.shape[2])
        np.testing.assert_allclose(resized, values.flat[0], rtol=1e-6)


@pytest.mark.parametrize(
    "input_nc, values, problem",
    [
        (3, np.zeros((2, 4, 5)), "has the shape (2, 4, 5); it must be (3, height, width) or (height, width, 3)"),
        (2, np.zeros((4, 5)), "has the shape (4, 5)"),
        (1, np.zeros((4, 5), dtype=np.uint8), "holds uint8; save floating-point numbers"),
        (1, np.full((4, 5), np.nan), "holds values that are not finite in 32 bits"),
        (1, np.full((4, 5), 1e300), "holds values that are not finite in 32 bits"),
        (1, np.zeros((0, 5)), "has the shape"),
    ],
)
def test_other_arrays_are_refused(tmp_path, input_nc, values, problem):
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(InputError) as refusal, np.errstate(over="ignore"):
        read_condition(tmp_path / "a.npy", input_nc)
    assert problem in str(refusal.value) and "a.npy" in str(refusal.value) and "\n" not in str(refusal.value)


def test_files_that_hold_no_condition_are_refused(tmp_path, save):
    (tmp_path / "torn.npy").write_bytes(b"\x93NUMPY\x01\x00")
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    for name in ("torn.npy", "objects.npy"):
        with pytest.raises(InputError, match=f"{name}: cannot be read as a NumPy array"):
            read_condition(tmp_path / name, 1)
    path = save(tmp_path / "a.png", np.zeros((2, 2, 3), dtype=np.uint8))
    with pytest.raises(InputError, match=r"a\.png is an image file, which has 1 channel or 3; save maps of 7 channels"):
        read_condition(path, 7)


def test_a_condition_of_another_size_than_its_photo_is_refused(tree, tmp_path, save):
    save(tmp_path / "conditions" / "b.png", np.zeros((16, 20, 3), dtype=np.uint8))
    with pytest.raises(InputError, match=r"b\.png is 20x16 but .*b\.png is 24x16"):
        create_dataset(tree())[1]


def test_sketches_drawn_on_a_transparent_ground_are_warned_of(tree, tmp_path, save, capsys):
    for name in "abcd":
        save(tmp_path / "conditions" / f"{name}.png", np.zeros((16, 24, 4), dtype=np.uint8))
    create_dataset(tree(input_nc=1))
    assert "4 of 4 conditioning images" in capsys.readouterr().err


def test_a_data_file_names_folders_of_conditions(tree, tmp_path):
    path = tmp_path / "data.toml"
    path.write_text(
        '[train]\nlabels = "conditions"\nphotos = "photos"\n[options]\nlabel_nc = 0\ninput_nc = 3\n', encoding="utf-8"
    )
    dataset = create_dataset(tree(label_dir=None, image_dir=None, data=str(path)))
    assert len(dataset) == 4 and dataset.class_names == ()
    assert "condition" in dataset[0]
