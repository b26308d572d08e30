"""TIFF files are read as they were written, or refused: what Pillow decodes wrongly does not come through."""

import numpy as np
import pytest

from data.masks import read_colors
from data.read import LabelIds, read_image, read_instances, read_labels
from evaluation.image_sets import GeneratedImages
from tests.data.tiffs import write_tiff
from util.errors import InputError

GRAY = np.array([[0, 1, 2], [100, 126, 127]])
RGB = np.dstack([GRAY, GRAY + 100, GRAY[::-1]])
READERS = {
    "photo": read_image,
    "label map": lambda path: read_labels(path, LabelIds(256, False)),
    "instance map": read_instances,
    "mask": read_colors,
    "generated image": lambda path: GeneratedImages([path], (2, 3))[0],
}


def refusal(path, read) -> str:
    with pytest.raises(InputError) as caught:
        read(path)
    message = str(caught.value)
    assert "\n" not in message and message.startswith(str(path))
    return message


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("by_plane", [False, True])
@pytest.mark.parametrize("photometric", [0, 1, 2])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int8, np.int16, np.uint32, np.float32])
def test_photos_are_read_as_written_or_refused(tmp_path, dtype, photometric, by_plane, compressed, order):
    levels = RGB if photometric == 2 else GRAY
    scale = 257 if dtype == np.uint16 else 1
    samples = (levels * scale).astype(dtype)
    path = write_tiff(tmp_path / "a.tif", samples, photometric, by_plane, compressed, order=order)
    try:
        read = np.asarray(read_image(path))
    except InputError:
        return
    wanted = 255 - levels if photometric == 0 else levels
    assert (read == (wanted if photometric == 2 else np.dstack([wanted] * 3))).all()


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_every_reader_refuses_channels_of_16_bits_one_after_the_other(tmp_path, read):
    path = write_tiff(tmp_path / "a.tif", (RGB * 257).astype(np.uint16), 2, by_plane=True)
    message = refusal(path, read)
    assert "stores 16-bit channels one after the other (PlanarConfiguration 2)" in message and "save it as a" in message


def test_what_is_read_rightly_is_not_refused(tmp_path):
    colors = (RGB * 257).astype(np.uint16)
    for path in (
        write_tiff(tmp_path / "a.tif", colors, 2),
        write_tiff(tmp_path / "b.tif", colors, 2, by_plane=True, compressed=True),
        write_tiff(tmp_path / "c.tif", RGB.astype(np.uint8), 2, by_plane=True),
    ):
        assert (np.asarray(read_image(path)) == RGB).all()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.array([[0, -1, 2]], dtype=np.int8), "holds negative numbers of 8 bits, such as -1, which"),
        (np.array([[0, 2**32 - 1]], dtype=np.uint32), "holds numbers of 32 bits above 2,147,483,647, such as 42949672"),
    ],
)
def test_numbers_that_wrap_around_are_called_what_they_are(tmp_path, values, words):
    path = write_tiff(tmp_path / "a.tif", values)
    for read in READERS.values():
        assert words in refusal(path, read)


@pytest.mark.parametrize("dtype", [np.int8, np.uint32, np.int16])
def test_other_numbers_of_these_kinds_are_ids(tmp_path, dtype):
    path = write_tiff(tmp_path / "a.tif", GRAY.astype(dtype))
    assert (np.asarray(read_labels(path, LabelIds(128, False))) == GRAY).all()


def test_gray_photos_multiplied_with_their_opacity_are_read(tmp_path):
    opaque = np.full_like(GRAY, 255)
    path = write_tiff(tmp_path / "a.tif", np.dstack([GRAY, opaque]).astype(np.uint8), extra=1)
    assert (np.asarray(read_image(path))[..., 0] == GRAY).all()
