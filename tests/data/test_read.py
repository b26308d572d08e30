import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from data.preprocess import image_to_tensor
from data.read import LabelIds, image_size, read_image, read_instances, read_labels
from tests.data.pngs import write_png
from util.errors import InputError

IDS = np.array([[0, 1, 2], [3, 4, 0]], dtype=np.uint8)


def refusal(path, ids: LabelIds) -> str:
    with pytest.raises(InputError) as caught:
        read_labels(path, ids)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def values(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture)


@pytest.mark.parametrize(
    ("extension", "dtype"),
    [("png", np.uint8), ("png", np.uint16), ("tiff", np.uint8), ("tiff", np.uint16), ("tiff", np.int32)],
)
def test_gray_depths_are_read_without_loss(tmp_path, save, dtype, extension):
    path = save(tmp_path / f"a.{extension}", IDS.astype(dtype))
    assert (values(read_labels(path, LabelIds(5, False))) == IDS).all()


def test_16_bit_instances_keep_their_values(tmp_path, save):
    ids = np.array([[0, 255, 256, 26001, 32768, 65535]], dtype=np.uint16)
    path = save(tmp_path / "a.png", ids)
    assert values(read_instances(path)).tolist() == ids.tolist()


def test_32_bit_tiff_instances_keep_their_values(tmp_path, save):
    ids = np.array([[-1, 0, 70000, 2**31 - 1]], dtype=np.int32)
    assert values(read_instances(save(tmp_path / "a.tiff", ids))).tolist() == ids.tolist()


def test_palette_pictures_hold_indices_whatever_the_palette(tmp_path):
    picture = Image.fromarray(IDS).convert("P")
    picture.putpalette([200, 10, 10] * 256)
    picture.putdata(IDS.ravel().tolist())
    picture.save(tmp_path / "a.png")
    assert Image.open(tmp_path / "a.png").mode == "P"
    assert (values(read_labels(tmp_path / "a.png", LabelIds(5, False))) == IDS).all()


def test_one_bit_pictures_are_0_and_1(tmp_path, save):
    mask = np.array([[True, False, True]])
    assert values(read_labels(save(tmp_path / "a.png", mask), LabelIds(2, False))).tolist() == [[1, 0, 1]]


@pytest.mark.parametrize("bits", [2, 4])
def test_gray_png_of_few_bits_is_not_stretched(tmp_path, bits):
    ids = [0, 1, 2, 3]
    packed = {2: b"\x1b", 4: b"\x01\x23"}[bits]
    path = write_png(tmp_path / "a.png", 4, 1, bits, 0, b"\0" + packed)
    assert values(read_labels(path, LabelIds(4, False))).tolist() == [ids]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "CMYK"])
def test_color_pictures_are_no_label_maps(tmp_path, mode):
    path = tmp_path / ("a.tiff" if mode == "CMYK" else "a.png")
    Image.new(mode, (4, 4), "red").save(path)
    assert f"color image (mode {mode}), not an id map; save one id per pixel" in refusal(path, LabelIds(5, False))


def as_palette(ids: np.ndarray) -> Image.Image:
    """Ids as palette indices with an alpha channel, under colors that are not theirs."""
    picture = Image.fromarray(ids).convert("P")
    picture.putpalette([200, 10, 10] * 256)
    picture.putdata(ids.ravel().tolist())
    picture = picture.convert("PA")
    picture.putalpha(255)
    return picture


OPAQUE = np.full_like(IDS, 255)
# Ids as programs write them that know no better way.
ROUNDABOUT = {
    "whole floats": ("tiff", Image.fromarray(IDS.astype(np.float32))),
    "gray and alpha": ("png", Image.fromarray(np.dstack([IDS, OPAQUE]))),
    "gray and alpha in TIFF": ("tiff", Image.fromarray(np.dstack([IDS, OPAQUE]))),
    "palette and alpha": ("tiff", as_palette(IDS)),
    "three equal channels": ("png", Image.fromarray(np.dstack([IDS] * 3))),
    "three equal channels in BMP": ("bmp", Image.fromarray(np.dstack([IDS] * 3))),
    "three equal channels and alpha": ("png", Image.fromarray(np.dstack([IDS, IDS, IDS, OPAQUE]))),
}


@pytest.mark.parametrize("case", ROUNDABOUT)
def test_ids_in_a_roundabout_form_are_ids(tmp_path, case):
    ending, picture = ROUNDABOUT[case]
    path = tmp_path / f"a.{ending}"
    picture.save(path)
    assert Image.open(path).mode == picture.mode
    assert (values(read_labels(path, LabelIds(5, False))) == IDS).all()
    assert (values(read_instances(path)) == IDS).all()


def test_large_and_negative_whole_floats_keep_their_values(tmp_path, save):
    ids = np.array([[-3, 0, 65536, 2**24]], dtype=np.float32)
    assert values(read_instances(save(tmp_path / "a.tiff", ids))).tolist() == ids.tolist()


@pytest.mark.parametrize(
    ("value", "shown"), [(0.5, "0.5"), (np.nan, "nodata, NaN"), (np.inf, "inf"), (2.0**25, "3.35544e+07")]
)
def test_floats_that_are_no_whole_numbers_are_named_with_their_place(tmp_path, save, value, shown):
    floats = IDS.astype(np.float32)
    floats[1, 2] = value
    message = refusal(save(tmp_path / "a.tiff", floats), LabelIds(5, False))
    assert (
        f"1 floating-point pixels are no whole numbers up to 16,777,216 (the first, at x 2, y 1, is {shown})" in message
    )
    assert "color" not in message


@pytest.mark.parametrize("channels", [1, 3])
def test_transparent_ids_are_refused_with_their_place(tmp_path, channels):
    alpha = OPAQUE.copy()
    alpha[0, 1] = 0
    Image.fromarray(np.dstack([*[IDS] * channels, alpha])).save(tmp_path / "a.png")
    message = refusal(tmp_path / "a.png", LabelIds(5, False))
    assert "the pixel at x 1, y 0 is transparent (alpha 0 of 255)" in message and "color" not in message


def test_equal_channels_of_a_jpeg_are_no_ids(tmp_path):
    Image.fromarray(np.dstack([IDS] * 3)).save(tmp_path / "a.jpg", quality=100, subsampling=0)
    assert "a.jpg" in refusal(tmp_path / "a.jpg", LabelIds(256, False))
    Image.new("RGB", (8, 8)).save(tmp_path / "b.jpg")
    assert "JPEG changes pixel values" in refusal(tmp_path / "b.jpg", LabelIds(5, False))


@pytest.mark.parametrize(("color_type", "channels"), [(4, 2), (2, 3), (6, 4)])
def test_channels_of_16_bits_are_not_cut_to_8(tmp_path, color_type, channels):
    """Pillow drops their lower half, and with it what tells ids apart."""
    samples = [value for number in (1, 300) for value in [number] * min(channels, 3)]
    if channels in (2, 4):
        samples = [1] * (channels - 1) + [65535] + [300] * (channels - 1) + [65535]
    rows = b"\0" + struct.pack(f">{len(samples)}H", *samples)
    path = write_png(tmp_path / "a.png", 2, 1, 16, color_type, rows)
    assert "16 bits in each of several channels are not read safely" in refusal(path, LabelIds(999, False))


def test_pbm_is_refused_for_what_it_is(tmp_path):
    Image.fromarray(IDS > 1).save(tmp_path / "a.pbm")
    assert "PBM has 1 for black" in refusal(tmp_path / "a.pbm", LabelIds(5, False))


def test_jpeg_label_maps_are_refused(tmp_path, save):
    assert "JPEG changes pixel values" in refusal(save(tmp_path / "a.jpg", IDS), LabelIds(5, False))


@pytest.mark.parametrize(
    ("value", "ids", "words"),
    [
        (255, LabelIds(13, False), "holds label 255; ids must be 0..12 (add --contain_dontcare_label?)"),
        (17, LabelIds(13, False), "holds label 17; ids must be 0..12 (add --label_nc 18?)"),
        (13, LabelIds(13, True), "holds label 13; ids must be 0..12, or 255 for unknown (add --label_nc 14?)"),
        (152, LabelIds(150, True, None), "holds label 152; ids must be 0..150 (add --label_nc 152?)"),
        (255, LabelIds(150, True, None), "holds label 255; ids must be 0..150"),
    ],
)
def test_wrong_values_are_refused_with_file_range_and_remedy(tmp_path, save_ids, value, ids, words):
    path = save_ids(tmp_path / "x.png", value)
    assert refusal(path, ids) == f"--label_nc {ids.label_nc}: {path} {words}"


def test_several_wrong_values_get_one_remedy(tmp_path, save):
    path = save(tmp_path / "x.png", np.array([[0, 255, 20, 17, 13]], dtype=np.uint8))
    message = refusal(path, LabelIds(13, False))
    assert "holds label 13, 17, 20, 255; ids must be 0..12 (add --label_nc 21 --contain_dontcare_label?)" in message
    assert read_labels(path, LabelIds(21, True))


def test_negative_values_are_refused(tmp_path, save):
    path = save(tmp_path / "x.tiff", np.array([[-1, 3]], dtype=np.int32))
    assert "holds label -1; ids must be 0..4 (negative" in refusal(path, LabelIds(5, False))


def test_255_becomes_the_unknown_class(tmp_path, save):
    path = save(tmp_path / "x.png", np.array([[0, 255, 4]], dtype=np.uint8))
    assert values(read_labels(path, LabelIds(5, True))).tolist() == [[0, 5, 4]]


def test_255_is_a_class_like_any_other_where_there_are_so_many(tmp_path, save):
    path = save(tmp_path / "x.png", np.array([[0, 255]], dtype=np.uint8))
    assert values(read_labels(path, LabelIds(300, False))).tolist() == [[0, 255]]
    assert values(read_labels(path, LabelIds(300, True))).tolist() == [[0, 300]]


@given(
    label_nc=st.one_of(st.integers(1, 5), st.integers(250, 255)),
    contain_dontcare_label=st.booleans(),
    raw=st.lists(st.one_of(st.integers(0, 5), st.integers(248, 255)), min_size=1, max_size=4),
    dtype=st.sampled_from([np.uint8, np.uint16, np.int32]),
)
def test_what_passes_is_a_channel_and_what_is_refused_is_none(label_nc, contain_dontcare_label, raw, dtype):
    ids = LabelIds(label_nc, contain_dontcare_label)
    allowed = set(range(label_nc)) | ({255} if contain_dontcare_label else set())
    array = np.array([raw], dtype=dtype)
    if set(raw) <= allowed:
        checked = ids.check(array, "a.png")
        assert checked.tolist() == [[label_nc if value == 255 else value for value in raw]]
        assert checked.dtype == ids.dtype == np.uint8
    else:
        with pytest.raises(InputError):
            ids.check(array, "a.png")


def test_ids_have_the_smallest_type_that_holds_them():
    kinds = {(256, False): np.uint8, (255, True): np.uint8, (256, True): np.int16, (32768, False): np.int16,
             (32768, True): np.int32}  # fmt: skip
    assert {key: LabelIds(*key).dtype for key in kinds} == kinds


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_photos_become_rgb(tmp_path, mode):
    path = tmp_path / ("a.tiff" if mode == "CMYK" else "a.png")
    Image.new("RGB", (3, 2), (255, 255, 255)).convert(mode).save(path)
    image = image_to_tensor(read_image(path))
    assert image.shape == (3, 2, 3)
    assert (image == 1).all()


def test_image_range_is_minus_one_to_one(tmp_path, save):
    path = save(tmp_path / "a.png", np.array([[[0, 51, 255]]], dtype=np.uint8))
    assert image_to_tensor(read_image(path)).flatten().tolist() == pytest.approx([-1, -0.6, 1])


@pytest.fixture
def photo(tmp_path) -> Path:
    """A JPEG of 90x64 pixels, with detail in brightness and color."""
    small = np.random.default_rng(0).integers(0, 256, (16, 20, 3), dtype=np.uint8)
    path = tmp_path / "photo.jpg"
    Image.fromarray(small).resize((90, 64), Image.Resampling.BICUBIC).save(path, quality=90)
    return path


@pytest.mark.parametrize(("enough", "size"), [((46, 32), (90, 64)), ((45, 32), (45, 32)), ((12, 9), (23, 16))])
def test_a_draft_is_never_smaller_than_asked(photo, enough, size):
    assert read_image(photo, draft=enough).size == size


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("extension", ["jpg", "png", "bmp", "tiff", "webp", "ppm"])
def test_cut_files_are_named_wherever_they_are_cut(tmp_path, extension):
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, {"jpg": "jpeg"}.get(extension, extension))
    whole = buffer.getvalue()
    path = tmp_path / f"cut.{extension}"
    refused = 0
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        try:
            assert read_image(path).size == (8, 8)  # what is lost may not matter
        except InputError as error:
            refused += 1
            assert str(error).startswith(f"{path}: cannot be read as an image (")
            assert "\n" not in str(error)
    assert refused > len(whole) // 7 // 2


def test_file_that_is_no_picture_is_named(tmp_path):
    (tmp_path / "a.png").write_text("hello")
    for read in (read_image, read_instances, image_size, lambda path: read_labels(path, LabelIds(5, False))):
        with pytest.raises(InputError, match=r"a\.png: cannot be read as an image"):
            read(tmp_path / "a.png")
