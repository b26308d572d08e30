"""EXIF orientation: pixels as they are stored, or upright, and a line that says which files it matters for."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageOps

from data import create_dataset
from data.opening import image_size, open_image, orientation_of
from data.orientation import MOST_LOOKED_AT, warn_of_turned
from data.read import LabelIds, read_image, read_instances, read_labels
from evaluation.generation import style_photos
from util.errors import InputError

IDS = np.arange(15, dtype=np.uint8).reshape(3, 5)
IDS_CLASSES = LabelIds(15, False)
TAGS = range(1, 9)


def tag(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def write(path, ids, orientation):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(ids).save(path, exif=tag(orientation))
    return path


def upright(ids, orientation):
    """What a viewer shows, by Pillow's own hand."""
    picture = Image.fromarray(ids)
    picture.getexif()[0x0112] = orientation
    return np.asarray(ImageOps.exif_transpose(picture))


@pytest.mark.parametrize("orientation", TAGS)
@pytest.mark.parametrize(
    ("ending", "dtype"),
    [
        ("png", np.uint8),
        ("png", np.uint16),
        ("tiff", np.uint8),
        ("tiff", np.uint16),
        ("tiff", np.int32),
        ("tiff", np.float32),
    ],
)
def test_ids_are_read_as_stored_or_upright(tmp_path, ending, dtype, orientation):
    """TIFF files, too, which Pillow turns by itself."""
    path = write(tmp_path / f"a.{ending}", IDS.astype(dtype), orientation)
    for apply, wanted in ((False, IDS), (True, upright(IDS, orientation))):
        assert np.asarray(read_labels(path, IDS_CLASSES, apply)).tolist() == wanted.tolist()
        assert np.asarray(read_instances(path, apply)).tolist() == wanted.tolist()
        assert image_size(path, apply) == wanted.shape[::-1]


@pytest.mark.parametrize("orientation", TAGS)
@pytest.mark.parametrize("ending", ["jpg", "png", "tiff", "webp"])
def test_photos_are_read_as_stored_or_upright(tmp_path, ending, orientation):
    corner = np.zeros((16, 32, 3), dtype=np.uint8)
    corner[:8, :8] = 255
    path = write(tmp_path / f"a.{ending}", corner, orientation)
    for apply, wanted in ((False, corner), (True, upright(corner, orientation))):
        pixels = np.asarray(read_image(path, upright=apply)).astype(int)
        assert pixels.shape == wanted.shape and np.abs(pixels - wanted).max() < 40
        assert image_size(path, apply) == wanted.shape[1::-1]


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_draft_is_enough_after_turning(tmp_path, orientation):
    Image.new("RGB", (90, 64)).save(tmp_path / "a.jpg", exif=tag(orientation))
    enough = (32, 45) if orientation == 6 else (45, 32)
    assert read_image(tmp_path / "a.jpg", draft=enough, upright=True).size == enough


def test_orientation_in_xmp_is_one(tmp_path):
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    Image.fromarray(IDS).save(tmp_path / "a.jpg", xmp=xmp)
    assert orientation_of(tmp_path / "a.jpg") == 6
    assert open_image(tmp_path / "a.jpg", upright=True).size == (3, 5)


@pytest.mark.parametrize("exif", [b"", b"II*\0", b"nonsense", b"MM\0*\0\0\0\x08\0\x09\x01"])
def test_broken_exif_is_no_orientation(tmp_path, exif):
    path = tmp_path / "a.jpg"
    Image.new("RGB", (4, 2)).save(path, exif=b"Exif\0\0" + exif)
    assert orientation_of(path) == 1
    assert read_image(path, upright=True).size == image_size(path, upright=True) == (4, 2)


@pytest.mark.parametrize("value", [0, 9, 255])
def test_orientations_that_there_are_not_are_none(tmp_path, value):
    path = write(tmp_path / "a.png", IDS, value)
    assert orientation_of(path) == 1 and image_size(path, upright=True) == (5, 3)


@pytest.fixture
def tree(tmp_path):
    """Label maps as stored, and photos that say "turn me": of a.jpg the label map fits what a viewer shows."""
    stored = np.zeros((16, 24), dtype=np.uint8)
    stored[:8, :8] = 1
    photo = np.dstack([stored * 255] * 3)
    write(tmp_path / "photos" / "a.jpg", photo, 6)
    write(tmp_path / "photos" / "b.jpg", np.dstack([upright(stored, 6) * 255] * 3), 1)
    for name in "ab":
        write(tmp_path / "maps" / f"{name}.png", upright(stored, 6), 1)
    return {"label_dir": str(tmp_path / "maps"), "image_dir": str(tmp_path / "photos"), "preprocess_mode": "crop",
            "crop_size": 16}  # fmt: skip


def test_sizes_that_orientation_explains_are_explained(tree, make_options):
    with pytest.raises(InputError) as caught:
        create_dataset(make_options(**tree))[0]
    assert "a.png is 16x24 but" in str(caught.value) and "a.jpg is 24x16" in str(caught.value)
    assert "EXIF orientation of a.jpg says to turn it by 90 degrees: --apply_exif does so" in str(caught.value)
    sample = create_dataset(make_options(**tree, apply_exif=True))[0]
    assert ((sample["image"][0] > 0) == (sample["labels"] == 1)).float().mean() > 0.98  # the rest is JPEG's


def test_sizes_that_apply_exif_makes_differ_say_so(tree, tmp_path, make_options):
    write(tmp_path / "maps" / "a.png", np.zeros((16, 24), dtype=np.uint8), 1)
    with pytest.raises(InputError, match="leave out --apply_exif, which did so"):
        create_dataset(make_options(**tree, apply_exif=True))[0]
    assert create_dataset(make_options(**tree))[0]


def test_sizes_that_differ_otherwise_are_not_explained_by_it(tree, tmp_path, make_options):
    write(tmp_path / "maps" / "a.png", np.zeros((17, 24), dtype=np.uint8), 1)
    with pytest.raises(InputError) as caught:
        create_dataset(make_options(**tree))[0]
    assert "EXIF" not in str(caught.value)


def test_label_and_instance_maps_are_turned_along(tmp_path, make_options):
    ids = np.zeros((16, 24), dtype=np.uint8)
    ids[:, :8] = 1
    for kind in ("maps", "inst"):
        write(tmp_path / kind / "a.png", ids, 3)
    write(tmp_path / "photos" / "a.png", np.dstack([ids * 255] * 3), 3)
    options = {"label_dir": str(tmp_path / "maps"), "image_dir": str(tmp_path / "photos"), "instance": True,
               "instance_dir": str(tmp_path / "inst"), "preprocess_mode": "fixed", "crop_size": 24,
               "aspect_ratio": 1.5}  # fmt: skip
    for apply, wanted in ((False, ids), (True, ids[::-1, ::-1])):
        sample = create_dataset(make_options(**options, apply_exif=apply))[0]
        assert sample["labels"].tolist() == sample["instances"].tolist() == wanted.tolist()
        assert (sample["image"][0] > 0).int().tolist() == wanted.tolist()


def test_the_line_counts_files_and_comes_once(tree, tmp_path, make_options, capsys):
    for _ in range(2):
        create_dataset(make_options(**tree))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: 1 of 2 photos ({tmp_path}/photos/a.jpg) have an EXIF orientation")
    assert "--apply_exif" in line


def test_what_is_applied_is_no_news(tree, make_options, capsys):
    create_dataset(make_options(**tree, apply_exif=True))
    assert capsys.readouterr().err == ""


def test_label_maps_are_counted_too_and_upright_sets_say_nothing(tmp_path, capsys):
    paths = [write(tmp_path / f"{i}.png", IDS, 1 + (i == 2)) for i in range(4)]
    warn_of_turned({"photos": paths[:2], "label maps": paths})
    assert f"warning: 1 of 4 label maps ({paths[2]}) have" in capsys.readouterr().err
    warn_of_turned({"photos": paths[:2], "label maps": []})
    assert capsys.readouterr().err == ""


def test_very_many_files_are_looked_at_here_and_there(tmp_path, capsys):
    one, other = write(tmp_path / "a.png", IDS, 1), write(tmp_path / "b.png", IDS, 6)
    warn_of_turned({"photos": [one] * MOST_LOOKED_AT + [other] * MOST_LOOKED_AT})
    err = capsys.readouterr().err
    assert f"{MOST_LOOKED_AT // 2} of {MOST_LOOKED_AT} photos" in err and "not all files were looked at" in err


def test_a_cache_made_without_it_does_not_serve_a_run_with_it(tree, tmp_path, make_options):
    (tmp_path / "photos" / "a.jpg").unlink()
    for kind in ("maps", "photos"):
        ids = np.arange(256, dtype=np.uint8).reshape(16, 16) % 5
        write(tmp_path / kind / "a.png", np.dstack([ids * 50] * 3) if kind == "photos" else ids, 3)
    options = tree | {"cache_dir": str(tmp_path / "cache")}
    for _ in range(2):  # the second time from the cache
        stored, turned = (create_dataset(make_options(**options, apply_exif=apply))[0] for apply in (False, True))
        for key in ("labels", "image"):
            assert stored[key].tolist() == turned[key].flip(-2, -1).tolist() != turned[key].tolist()


def test_style_photos_are_turned_or_named(tmp_path, capsys):
    photo = np.zeros((32, 32, 3), dtype=np.uint8)
    photo[:, :16] = 255
    path = write(tmp_path / "style.png", photo, 6)
    opt = SimpleNamespace(style_image=str(path), crop_size=32, aspect_ratio=1.0, apply_exif=False)
    (stored,) = style_photos(opt).values()
    assert f"1 of 1 style photos ({path}) have an EXIF orientation" in capsys.readouterr().err
    opt.apply_exif = True
    (turned,) = style_photos(opt).values()
    assert capsys.readouterr().err == ""
    assert (stored[0, :, 0] == 1).all() and (turned[0, 0] == 1).all() and (turned[0, -1] == -1).all()
