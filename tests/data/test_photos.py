"""Photos whose pixels are not what a viewer shows are counted and named, with what to do, once in a run."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from data import create_dataset
from data.photos import MOST_DECODED, traits, warn_of_photos
from data.preprocess import Preprocess
from data.read import LabelIds, read_image
from evaluation.generation import style_photos
from evaluation.image_sets import FolderTruth
from tests.data.pngs import write_png
from tests.data.tiffs import write_tiff

SIZE = 16
LEVELS = np.arange(SIZE * SIZE).reshape(SIZE, SIZE)  # 0..255
HALF = np.where(LEVELS < 128, 0, 255)


def save(path, *channels, mode=None):
    picture = Image.fromarray(np.dstack(channels).squeeze().astype(np.uint8))
    (picture.convert(mode) if mode else picture).save(path)
    return path


@pytest.mark.parametrize("kind", ["RGBA", "LA", "one color", "palette", "gray multiplied with its opacity"])
def test_transparency_of_every_kind_is_seen(tmp_path, kind):
    path = tmp_path / "a.png"
    if kind == "RGBA":
        save(path, LEVELS, LEVELS, LEVELS, HALF)
    elif kind == "LA":
        save(path, LEVELS, HALF)
    elif kind == "one color":
        Image.fromarray(np.dstack([LEVELS] * 3).astype(np.uint8)).save(path, transparency=(7, 7, 7))
    elif kind == "palette":
        Image.fromarray(LEVELS.astype(np.uint8)).convert("P").save(path, transparency=3)
    else:
        write_tiff(path.with_suffix(".tif"), np.dstack([LEVELS, HALF]).astype(np.uint8), extra=1).rename(path)
    assert traits(path) == ["transparent_photos"]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("ending", ["tif", "png"])
@pytest.mark.parametrize(("white", "is_dark"), [(255, True), (4095, True), (16383, True), (30000, False)])
def test_16_bits_of_which_few_are_used_are_seen(tmp_path, white, is_dark, ending, channels):
    samples = np.dstack([LEVELS * white // 255] * channels).astype(np.uint16)
    path = tmp_path / f"a.{ending}"
    if ending == "tif":
        write_tiff(path, samples, 2 if channels == 3 else 1)
    elif channels == 1:
        Image.fromarray(samples[..., 0]).save(path)
    else:
        rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
        write_png(path, SIZE, SIZE, 16, 2, rows)
    assert traits(path) == (["deep_photos"] if is_dark else [])


def test_ordinary_photos_have_none(tmp_path):
    opaque = np.full_like(LEVELS, 255)
    dark = LEVELS // 16
    assert traits(save(tmp_path / "a.png", LEVELS, LEVELS, LEVELS, opaque)) == []
    assert traits(save(tmp_path / "b.jpg", dark, dark, dark)) == []
    (tmp_path / "c.png").write_bytes(b"no image")
    assert traits(tmp_path / "c.png") == []
    without_palette = write_png(tmp_path / "d.png", SIZE, 1, 8, 3, bytes(1 + SIZE))
    assert traits(without_palette) == []
    assert traits(write_tiff(tmp_path / "e.tif", np.dstack([LEVELS] * 3).astype(np.uint8), photometric=8)) == []  # LAB


def test_training_says_so_in_one_line_once(tmp_path, make_options, capsys):
    for folder in ("maps", "photos"):
        (tmp_path / folder).mkdir()
    for i in range(3):
        save(tmp_path / "maps" / f"{i}.png", LEVELS % 3)
        save(tmp_path / "photos" / f"{i}.png", *[LEVELS] * 3, *[HALF] * (i == 1))
    for _ in range(2):
        create_dataset(make_options(label_dir=str(tmp_path / "maps"), image_dir=str(tmp_path / "photos")))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: 1 of 3 photos ({tmp_path}/photos/1.png) are transparent in places: viewers show")
    assert "hidden colors in the file are used" in line and "-background white -flatten" in line


def test_references_of_scores_are_looked_at_too(tmp_path, capsys):
    labels, photo = save(tmp_path / "a.png", LEVELS % 3), save(tmp_path / "b.png", LEVELS, LEVELS, LEVELS, HALF)
    preprocess = Preprocess("fixed", SIZE, SIZE, 1.0, random=False, flip=False)
    FolderTruth(["a"], {"a": photo}, {"a": labels}, preprocess, LabelIds(3, False), ("x", "y", "z"))
    assert f"1 of 1 photos ({photo}) are transparent" in capsys.readouterr().err


def test_style_photos_are_looked_at_too(tmp_path, capsys):
    path = save(tmp_path / "style.png", LEVELS, LEVELS, LEVELS, HALF)
    style_photos(SimpleNamespace(style_image=str(path), crop_size=16, aspect_ratio=1.0, apply_exif=True))
    assert f"1 of 1 style photos ({path}) are transparent" in capsys.readouterr().err


def test_of_many_some_are_decoded(tmp_path, capsys):
    path = save(tmp_path / "a.png", LEVELS, LEVELS, LEVELS, HALF)
    warn_of_photos([path] * (2 * MOST_DECODED))
    err = capsys.readouterr().err
    assert f"{MOST_DECODED} of {MOST_DECODED} photos" in err and "not all files were looked at" in err


def test_gray_photos_of_16_bits_are_read_from_pgm(tmp_path):
    path = tmp_path / "a.pgm"
    path.write_bytes(b"P5 16 16 65535\n" + (LEVELS * 257).astype(">u2").tobytes())
    assert (np.asarray(read_image(path))[..., 0] == LEVELS).all()
