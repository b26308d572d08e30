import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.Image import Resampling

from data import PRESETS
from data.preprocess import RESIZE, Preprocess, ids_to_tensor, image_to_tensor, resize
from options import TrainOptions, parse_options
from options.data import PREPROCESS_MODES
from util.errors import InputError

FILE = Path("maps/a.png")


def preprocess(mode: str, load_size=48, crop_size=32, aspect_ratio=1.0, random=False, flip=False) -> Preprocess:
    return Preprocess(mode, load_size, crop_size, aspect_ratio, random, flip)


def test_every_mode_users_can_choose_is_there():
    assert set(RESIZE) == set(PREPROCESS_MODES)


@pytest.mark.parametrize(
    ("mode", "aspect_ratio", "resized"),
    [
        ("resize_and_crop", 1, (48, 48)),
        ("resize_and_crop", 2, (48, 24)),
        ("crop", 1, (97, 61)),
        ("scale_width", 1, (48, 30)),  # 48 * 61 / 97 = 30.2
        ("scale_width_and_crop", 1, (48, 30)),
        ("scale_shortside", 1, (76, 48)),  # 48 * 97 / 61 = 76.3; the published code gave 76x61
        ("scale_shortside_and_crop", 1, (76, 48)),
        ("fixed", 1, (32, 32)),
        ("fixed", 2, (32, 16)),
        ("fixed", 1.5, (32, 21)),
        ("none", 1, (96, 64)),
    ],
)
def test_size_after_resizing(mode, aspect_ratio, resized):
    assert preprocess(mode, aspect_ratio=aspect_ratio).resized((97, 61)) == resized


def test_short_side_is_the_width_of_an_upright_photo():
    assert preprocess("scale_shortside").resized((61, 97)) == (48, 76)


def test_none_rounds_halves_to_even_and_keeps_small_files_visible():
    assert preprocess("none").resized((48, 80)) == (64, 64)  # 1.5 -> 2, 2.5 -> 2
    assert preprocess("none").resized((3, 40)) == (32, 32)


@given(st.sampled_from(PREPROCESS_MODES), st.tuples(st.integers(1, 200), st.integers(1, 200)),
       st.integers(8, 64), st.integers(8, 64), st.sampled_from([0.5, 1.0, 1.5, 2.0]), st.booleans())  # fmt: skip
@settings(deadline=None)
def test_samples_have_the_network_size_or_are_refused(mode, size, load_size, crop_size, aspect_ratio, random):
    p = preprocess(mode, load_size, crop_size, aspect_ratio, random, flip=True)
    try:
        p.check(size, FILE)
    except InputError as error:
        assert str(FILE) in str(error) and f"{size[0]}x{size[1]}" in str(error) and "\n" not in str(error)
        assert not p.fits(p.resized(size))
        return
    width, height = p.resized(size)
    geometry = p.draw((width, height))
    left, top, right, bottom = geometry.crop
    assert min(left, top) >= 0 and right <= width and bottom <= height
    assert (right - left, bottom - top) == (crop_size, round(crop_size / aspect_ratio))
    ids = resize(Image.new("I", size), (width, height), Resampling.NEAREST)
    assert geometry.apply(ids).shape == p.output_size[::-1]


def test_sizes_that_cannot_match_name_the_modes_that_do():
    with pytest.raises(InputError) as caught:
        preprocess("scale_width", load_size=32).check((64, 48), FILE)
    assert str(caught.value) == (
        "--preprocess_mode scale_width: maps/a.png (64x48) becomes 32x24, but the network makes 32x32 (--crop_size "
        "wide, --aspect_ratio); use resize_and_crop, fixed or scale_shortside_and_crop, which suit photos of any shape"
    )
    preprocess("scale_width", load_size=32).check((64, 64), FILE)


def test_what_is_proposed_for_a_flat_picture_is_enough_on_a_command_line():
    """A smaller --crop_size is not: --load_size follows it, so that the image is too small again."""
    words = "--dataset_mode custom --label_dir l --image_dir i --preprocess_mode scale_width_and_crop".split()

    def check(*more: str) -> None:
        opt = parse_options(TrainOptions, [*words, *more], PRESETS)
        preprocess(opt.preprocess_mode, opt.load_size, opt.crop_size).check((400, 100), FILE)

    with pytest.raises(InputError, match="too small to crop") as caught:
        check()
    assert "--crop_size" not in str(caught.value)
    check(*re.search(r"--load_size \d+", str(caught.value))[0].split())
    for crop_size in ("128", "32"):
        with pytest.raises(InputError, match="too small to crop"):
            check("--crop_size", crop_size)


@pytest.mark.parametrize(
    ("mode", "load_size", "aspect_ratio", "remedy"),
    [
        ("scale_width_and_crop", 32, 1, "--load_size 43"),  # 42 * 48 // 64 = 31
        ("scale_shortside_and_crop", 24, 1, "--load_size 32"),
        ("resize_and_crop", 16, 2, "--load_size 32"),
        ("crop", 16, 0.5, "use scale_shortside_and_crop"),
    ],
)
def test_too_small_to_crop_names_a_remedy_that_works(mode, load_size, aspect_ratio, remedy):
    with pytest.raises(InputError, match=f"too small to crop .*{remedy}") as caught:
        preprocess(mode, load_size, 32, aspect_ratio).check((64, 48), FILE)
    if mode != "crop":
        load_size = int(str(caught.value).split("--load_size ")[1].split()[0])
        preprocess(mode, load_size, 32, aspect_ratio).check((64, 48), FILE)
        with pytest.raises(InputError):
            preprocess(mode, load_size - 1, 32, aspect_ratio).check((64, 48), FILE)


def test_testing_takes_the_middle_and_never_flips():
    geometry = preprocess("crop", crop_size=4, flip=True).draw((10, 7))
    assert geometry.crop == (3, 1, 7, 5)
    assert not geometry.flip


def test_training_reaches_every_place_and_both_directions():
    p = preprocess("crop", crop_size=4, random=True, flip=True)
    torch.manual_seed(0)
    drawn = {(g.crop[0], g.crop[1], g.flip) for g in (p.draw((6, 5)) for _ in range(200))}
    assert drawn == {(x, y, flip) for x in range(3) for y in range(2) for flip in (False, True)}


def test_draws_follow_torch_seed_and_do_not_depend_on_flip():
    crops = []
    for flip in (False, True):
        torch.manual_seed(3)
        p = preprocess("crop", crop_size=4, random=True, flip=flip)
        crops.append([p.draw((50, 50)).crop for _ in range(5)])
    assert crops[0] == crops[1]
    assert len(set(crops[0])) > 1


@given(
    mode=st.sampled_from([mode for mode in PREPROCESS_MODES if mode != "none"]),
    size=st.tuples(st.integers(33, 90), st.integers(33, 90)),
    load_size=st.integers(32, 70),
    seed=st.integers(0, 1000),
)
@settings(deadline=None, max_examples=60)
def test_pixels_are_those_of_pillow(mode, size, load_size, seed):
    """Resize, crop and mirror as Pillow does them one after the other, in its mode for the largest ids."""
    p = preprocess(mode, load_size, 32, random=True, flip=True)
    resized = p.resized(size)
    assume(p.fits(resized))
    torch.manual_seed(seed)
    geometry = p.draw(resized)
    random = np.random.default_rng(seed)
    photo = Image.fromarray(random.integers(0, 256, (*size[::-1], 3), dtype=np.uint8))
    ids = Image.fromarray(random.integers(0, 256, size[::-1], dtype=np.uint8))
    for picture, plain, resample in [
        (photo, photo, Resampling.BICUBIC),
        (ids, ids.convert("I"), Resampling.NEAREST),
    ]:
        plain = plain.resize(resized, resample).crop(geometry.crop)
        plain = plain.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if geometry.flip else plain
        assert (geometry.apply(resize(picture, resized, resample)) == np.asarray(plain)).all()


def test_tensors_are_copies_in_order():
    """Torch neither likes negative strides nor images that must not be written to."""
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    pixels.flags.writeable = False
    image, ids = image_to_tensor(pixels[:, ::-1]), ids_to_tensor(pixels[:, ::-1, 0], np.int32)
    assert image.is_contiguous() and (image[:, 0, 0] * 127.5 + 127.5).round().tolist() == [9, 10, 11]
    assert ids.dtype == torch.int32 and ids.tolist() == [[9, 6, 3, 0], [21, 18, 15, 12]]


def test_image_values_reach_both_ends_and_no_further():
    image = image_to_tensor(np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3))
    assert image.dtype == torch.float32 and image.min() == -1 and image.max() == 1
    assert (image[0].diff() > 0).all()


def test_nearest_keeps_large_ids():
    ids = Image.fromarray(np.array([[70000, 2**31 - 1]], dtype=np.int32))
    assert resize(ids, (4, 2), Resampling.NEAREST).tolist() == [[70000] * 2 + [2**31 - 1] * 2] * 2
