"""Gray levels as the published code writes them, and PNG files that are whole."""

import numpy as np
import pytest
import torch
from PIL import Image

from util.image import mosaic, save_png, to_uint8


@pytest.mark.parametrize(
    ("value", "gray"),
    [(-1, 0), (0, 127), (1, 255), (0.999, 254), (-0.5, 63), (0.5, 191), (-3, 0), (3, 255)],
)
def test_to_uint8_cuts_fractions_off(value, gray):
    # 0 -> 127.5, 0.999 -> 254.87, -0.5 -> 63.75, 0.5 -> 191.25
    assert to_uint8(torch.full((3, 1, 1), float(value))).tolist() == [[[gray] * 3]]


def test_to_uint8_moves_channels_last_for_one_and_for_many():
    image = torch.full((3, 2, 5), -1.0)
    image[0, 1, 4] = 1  # one red pixel in the lower right corner
    expected = np.zeros((2, 5, 3), dtype=np.uint8)
    expected[1, 4, 0] = 255
    assert to_uint8(image).dtype == np.uint8
    np.testing.assert_array_equal(to_uint8(image), expected)
    np.testing.assert_array_equal(to_uint8(torch.stack([-torch.ones(3, 2, 5), image]))[1], expected)


def test_to_uint8_takes_what_training_holds():
    image = torch.zeros(3, 1, 1, dtype=torch.bfloat16, requires_grad=True)
    assert to_uint8(image).tolist() == [[[127] * 3]]


def test_save_png_keeps_every_pixel(tmp_path):
    array = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    path = tmp_path / "city" / "street.v2.png"
    save_png(array, path)
    with Image.open(path) as image:
        assert image.format == "PNG"
        np.testing.assert_array_equal(np.asarray(image), array)


def test_save_png_leaves_the_old_file_when_writing_fails(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    save_png(np.zeros((1, 1, 3), dtype=np.uint8), path)
    old = path.read_bytes()

    def disk_full(_, file, **__):
        file.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(Image.Image, "save", disk_full)
    with pytest.raises(OSError, match="No space"):
        save_png(np.ones((1, 1, 3), dtype=np.uint8), path)
    assert path.read_bytes() == old
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_mosaic_fills_rows_from_the_left():
    images = np.stack([np.full((2, 3, 3), gray, dtype=np.uint8) for gray in (10, 20, 30, 40, 50)])
    grid = mosaic(images, per_row=4)
    assert grid.shape == (2 + 2 + 2, 4 * 3 + 3 * 2, 3)
    assert grid[0, [0, 5, 10, 15], 0].tolist() == [10, 20, 30, 40]
    assert grid[5, :3, 0].tolist() == [50] * 3
    assert not grid[4:, 3:].any()  # empty places
    assert not grid[:, 3:5].any()  # gaps


def test_mosaic_of_one_image_is_that_image():
    image = np.arange(18, dtype=np.uint8).reshape(1, 2, 3, 3)
    np.testing.assert_array_equal(mosaic(image), image[0])
