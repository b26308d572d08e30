"""Files that are no image, or more than one: a line that says what they are and what to do."""

import gzip
import io
import json
import os
import struct
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from data.masks import read_colors
from data.opening import FORMATS, image_size
from data.read import LabelIds, read_image, read_instances, read_labels
from evaluation.image_sets import GeneratedImages
from util.errors import InputError


def refusal(path, read=read_image) -> str:
    with pytest.raises(InputError) as caught:
        read(path)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    return message


def archive(kind: str) -> bytes:
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as file:
            file.writestr("photo.png", b"x")
    else:
        with tarfile.open(fileobj=buffer, mode="w") as file:
            file.addfile(tarfile.TarInfo("photo.png"))
    return buffer.getvalue()


def saved(save, *values) -> bytes:
    buffer = io.BytesIO()
    save(buffer, *values)
    return buffer.getvalue()


ZEROS = np.zeros((2, 2))
LABELME = {"version": "5.0.1", "flags": {}, "shapes": [{"label": "road", "points": [[0, 0]]}]}
COCO = {"info": {}, "images": [], "annotations": [], "categories": []}
# What lies under an image's name -> its first bytes, what the message calls it, and what it says to do.
FOREIGN = {
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "Git LFS pointer",
                "git lfs pull"),
    "git-annex": (b"/annex/objects/SHA256E-s1234--abc.png\n", "git-annex pointer", "git annex get"),
    "DVC": (b"outs:\n- md5: a304afb96060aad90176268345e10355\n  path: a.png\n", "DVC pointer", "dvc pull"),
    "web page": (b"<!DOCTYPE html>\n<html><title>404</title>", "web page", "download"),
    "web page without doctype": (b"\n  <HTML><head>", "web page", "download"),
    "error of storage": (b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>', "XML text", "server"),
    "SVG": (b'<?xml version="1.0"?>\n<svg width="1">', "SVG drawing", "export"),
    "Pascal VOC": (b"<annotation>\n<folder>VOC2012</folder>", "annotation in XML", "one id per pixel"),
    "labelme": (json.dumps(LABELME).encode(), "annotation in JSON", "one id per pixel"),
    "COCO": (json.dumps(COCO, indent=2).encode(), "annotation in JSON", "one id per pixel"),
    "JSON error": (b'{"message": "Not Found", "status": 404}', "JSON text", "server"),
    "text": (b"Access denied.\nPlease log in.\n", 'text that begins "Access denied. Please log in."', "replace"),
    "text in UTF-16": ("Zugriff verweigert".encode("utf-16"), 'text that begins "Zugriff', "replace"),
    "ZIP": (archive("zip"), "ZIP archive", "unpack"),
    "tar": (archive("tar"), "tar archive", "unpack"),
    "gzip": (gzip.compress(b"x"), "gzip archive", "unpack"),
    "RAR": (b"Rar!\x1a\x07\x01\0", "archive", "unpack"),
    "NumPy": (saved(np.save, ZEROS), "NumPy array", "save it as a PNG"),
    "NumPy archive": (saved(np.savez, ZEROS), "NumPy archive", "PNG"),
    "MATLAB": (b"MATLAB 5.0 MAT-file, Platform: GLNXA64" + bytes(99), "MATLAB file", "PNG"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5 file", "PNG"),
    "DICOM": (bytes(128) + b"DICM\x02\0", "DICOM file", "export"),
    "Zone.Identifier": (b"[ZoneTransfer]\r\nZoneId=3\r\n", "Zone.Identifier", "delete"),
    "AppleDouble": (b"\0\x05\x16\x07\0\x02\0\0Mac OS X        ", "AppleDouble", "delete"),
    "shortcut": (b"[InternetShortcut]\r\nURL=https://example.org\r\n", "shortcut", "copy"),
    "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC image", "convert it to PNG"),
    "Canon raw": (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "raw file", "develop"),
    "film": (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2", "film", "frames"),
    "Photoshop": (b"8BPS\0\1" + bytes(40), "Photoshop document", "export"),
    "GIMP": (b"gimp xcf v011\0" + bytes(40), "GIMP document", "export"),
    "PDF": (b"%PDF-1.7\n", "PDF document", "export"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript", "export"),
    "zero bytes": (bytes(9999), "zero bytes", "again"),
    "empty": (b"", "empty, 0 bytes", "again"),
    "noise": (b"\x8f\x02\xfc\x91" * 99, "no format that is read here", "replace"),
}  # fmt: skip


@pytest.mark.parametrize("case", FOREIGN)
def test_a_file_that_is_no_picture_is_called_what_it_is(tmp_path, case):
    content, what, fix = FOREIGN[case]
    path = tmp_path / "a.png"
    path.write_bytes(content)
    message = refusal(path)
    assert message.startswith(f"{path}: cannot be read as an image (it") or "first bytes" in message
    assert what in message and fix in message.rpartition(");")[2]


@pytest.mark.parametrize("case", ["Git LFS", "empty", "web page"])
def test_every_reader_says_the_same(tmp_path, case):
    path = tmp_path / "a.png"
    path.write_bytes(FOREIGN[case][0])
    readers = [read_image, read_instances, image_size, read_colors, lambda path: GeneratedImages([path], (8, 8))[0]]
    readers.append(lambda path: read_labels(path, LabelIds(5, False)))
    assert len({refusal(path, read) for read in readers}) == 1


def test_broken_links_are_called_links(tmp_path):
    links = {"a.png": ("nowhere.png", "replace"), "b.png": ("../.git/annex/objects/x/y.png", "git annex get"),
             "c.png": ("../.dvc/cache/files/md5/00/11", "dvc pull")}  # fmt: skip
    for name, (target, fix) in links.items():
        (tmp_path / name).symlink_to(target)
        message = refusal(tmp_path / name)
        assert f"it is a link to {target}, which is not there" in message and fix in message


def test_folders_are_called_folders(tmp_path):
    (tmp_path / "a.png").mkdir()
    assert "it is a folder" in refusal(tmp_path / "a.png")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_that_must_not_be_read_are_not_called_damaged(tmp_path):
    Image.new("L", (2, 2)).save(tmp_path / "a.png")
    (tmp_path / "a.png").chmod(0)
    assert "permission denied); check its permissions" in refusal(tmp_path / "a.png")


def test_cut_files_are_called_cut(tmp_path):
    path = tmp_path / "a.jpg"
    Image.effect_noise((64, 64), 90).save(path)
    path.write_bytes(path.read_bytes()[:-400])
    assert "damaged or cut short); get or save it again" in refusal(path)


def tiff(bits: int, sample_format: int) -> bytes:
    """A TIFF of one pixel of a kind that Pillow does not know."""
    tags = [(256, 1), (257, 1), (258, bits), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, bits // 8),
            (339, sample_format)]  # fmt: skip
    entries = b"".join(struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in tags)
    return struct.pack("<2sHI", b"II", 42, 16) + bytes(8) + struct.pack("<H", len(tags)) + entries + bytes(4)


def test_tiffs_of_unusual_numbers_are_described(tmp_path):
    path = tmp_path / "a.tiff"
    for bits, sample_format, words in ((64, 3, "64-bit floating-point"), (64, 1, "64-bit unsigned whole")):
        path.write_bytes(tiff(bits, sample_format))
        message = refusal(path, read_instances)
        assert f"it is a TIFF of 1 x {words} numbers" in message and "save it with 8 or 16 bits" in message


@pytest.fixture
def small_limit(monkeypatch):
    """Pillow's own limit, which is about 90 million pixels, where tests can reach it."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)


def test_pictures_that_are_too_large_are_not_called_damaged(tmp_path, small_limit, save):
    path = save(tmp_path / "a.png", np.zeros((50, 60), np.uint8))
    for read in (read_image, image_size, read_instances, read_colors):
        message = refusal(path, read)
        assert "it is 60x50, 3,000 pixels, and at most 2,000 are read" in message and "tiles" in message
    assert Image.MAX_IMAGE_PIXELS == 1000


@pytest.mark.filterwarnings("error")
def test_large_pictures_are_read_without_a_word(tmp_path, small_limit, save):
    path = save(tmp_path / "a.png", np.zeros((50, 30), np.uint8))
    assert read_image(path).size == image_size(path) == read_instances(path).size == (30, 50)


@pytest.mark.filterwarnings("error")
def test_palette_photos_with_transparency_are_read_without_a_word(tmp_path):
    picture = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    picture.save(tmp_path / "a.png", transparency=b"\0\x80")
    assert read_image(tmp_path / "a.png").mode == "RGB"


def save_frames(path, count: int, **options):
    frames = [Image.fromarray(np.full((8, 8), 90 * n, np.uint8)) for n in range(count)]
    frames[0].save(path, save_all=True, append_images=frames[1:], **options)
    return path


@pytest.mark.parametrize(("ending", "what"), [("tiff", "pages"), ("png", "frames"), ("webp", "frames")])
def test_files_of_several_pictures_are_refused_with_their_number(tmp_path, ending, what):
    path = save_frames(tmp_path / f"a.{ending}", 3)
    for read in (read_instances, read_image, read_colors):
        assert f"holds 3 {what}" in refusal(path, read)
    assert read_image(save_frames(tmp_path / f"b.{ending}", 1)).size == (8, 8)


def test_photos_of_cameras_with_previews_are_photos(tmp_path):
    """MPO, which is what many cameras write as .jpg."""
    path = tmp_path / "a.jpg"
    small, photo = Image.new("RGB", (8, 8)), Image.new("RGB", (32, 16), "white")
    photo.save(path, "MPO", save_all=True, append_images=[small])
    assert Image.open(path).n_frames == 2
    assert read_image(path).size == (32, 16) and np.asarray(read_image(path)).min() == 255


def test_overviews_and_masks_of_a_tiff_are_no_pages(tmp_path):
    """GeoTIFFs keep smaller copies of the image after it."""
    whole, half = (Image.fromarray(np.full((size, size), size, np.uint8)) for size in (16, 8))
    for kind, count in ((1, None), (4, None), (0, 2)):
        half.encoderinfo = {"tiffinfo": {254: kind}}
        whole.save(tmp_path / "a.tiff", save_all=True, append_images=[half])
        if count:
            assert f"holds {count} pages" in refusal(tmp_path / "a.tiff", read_instances)
        else:
            assert np.asarray(read_instances(tmp_path / "a.tiff")).tolist() == np.asarray(whole).tolist()


def test_formats_of_other_programs_are_not_opened():
    assert not {"EPS", "PSD", "TGA", "PDF", "XBM"} & set(FORMATS)
