"""Whatever lies in the folders of a data set: a correct sample, or an `InputError` that names the file."""

import contextlib
import io
import itertools
import os
import struct
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from fuzz_files import CLASSES, KEEPING, SIDE, SPOILING, custom_tree, encode, files
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, features

from data import create_dataset
from data.files import without_ending
from data.read import LabelIds, read_labels
from scripts.prepare.check import main as check_dataset
from util.errors import InputError

FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def load(root: Path, make_options) -> dict:
    opt = make_options(
        label_dir=str(root / "maps"), image_dir=str(root / "photos"), instance_dir=str(root / "inst"),
        instance=True, label_nc=CLASSES,
    )  # fmt: skip
    (sample,) = create_dataset(opt)
    return sample


def check(root: Path) -> int:
    """The exit status of scripts.prepare check."""
    folders = f"--label_dir {root}/maps --image_dir {root}/photos --instance_dir {root}/inst"
    sizes = "--preprocess_mode resize_and_crop --load_size 32 --crop_size 32"
    arguments = f"--dataset_mode custom {folders} {sizes} --label_nc {CLASSES} --workers 1"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return check_dataset([*arguments.split(), "--json", str(root / "report.json")])


def resized(ids: np.ndarray) -> list:
    picture = Image.fromarray(ids.astype(np.int32)).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    return np.asarray(picture).tolist()


def load_or_refusal(root: Path, make_options, named: str) -> dict | None:
    """The sample, or None after an `InputError` of one line that names the file; the checker must agree."""
    try:
        sample = load(root, make_options)
    except InputError as error:
        assert "\n" not in str(error) and named in str(error)
        assert check(root) == 1
        return None
    # The checker may refuse what can be read: damage behind the last pixel.
    assert check(root) == 0 or '"kind": "unreadable"' in (root / "report.json").read_text()
    return sample


@given(written=files(), same_photo=st.booleans())
@FUZZ
def test_label_files(make_options, written, same_photo):
    with custom_tree() as root:
        path = root / "maps" / "a.png"
        path.write_bytes(written.content)
        if same_photo and written.ids is not None:
            for kind in ("photos", "inst"):
                Image.new("L", written.ids.shape).save(root / kind / "a.png")
        sample = load_or_refusal(root, make_options, str(path))
        if sample is not None:
            assert written.ids is not None, "what holds no ids was taken for some"
            assert sample["labels"].tolist() == resized(written.ids)


@given(written=files())
@FUZZ
def test_instance_files(make_options, written):
    with custom_tree() as root:
        path = root / "inst" / "a.png"
        path.write_bytes(written.content)
        sample = load_or_refusal(root, make_options, str(path))
        if sample is not None and written.ids is not None:
            assert sample["instances"].tolist() == written.ids.tolist()


@given(written=files())
@FUZZ
def test_photo_files(make_options, written):
    with custom_tree() as root:
        path = root / "photos" / "a.png"
        path.write_bytes(written.content)
        sample = load_or_refusal(root, make_options, str(path))
        if sample is not None:
            assert sample["image"].shape == (3, SIDE, SIDE) and sample["image"].abs().max() <= 1


@given(form=st.sampled_from([*KEEPING, "gray jpeg", "webp"]), data=st.data())
@settings(FUZZ, max_examples=150)
def test_damaged_bytes_never_give_a_traceback(make_options, form, data):
    ids = np.random.default_rng(0).integers(0, 2 if form == "1-bit png" else CLASSES, (SIDE, SIDE))
    content = bytearray((KEEPING | SPOILING)[form](ids))
    for place, value in data.draw(st.dictionaries(st.integers(0, len(content) - 1), st.integers(0, 255))).items():
        content[place] = value
    with custom_tree() as root:
        for kind in data.draw(st.sampled_from([["maps"], ["photos"], ["inst"], ["maps", "photos", "inst"]])):
            (root / kind / "a.png").write_bytes(content)
        sample = load_or_refusal(root, make_options, "a.png")
        assert sample is None or sample["labels"].shape == (SIDE, SIDE)


@pytest.mark.parametrize("kind", ["maps", "photos", "inst"])
@pytest.mark.parametrize("thing", ["folder", "broken link", "link to a folder", "link to itself"])
def test_what_is_no_file_is_named(make_options, kind, thing):
    with custom_tree() as root:
        path = root / kind / "a.png"
        path.unlink()
        if thing == "folder":
            path.mkdir()
        else:
            targets = {"broken link": "nowhere.png", "link to a folder": root / "photos", "link to itself": "a.png"}
            path.symlink_to(targets[thing])
        assert load_or_refusal(root, make_options, str(root / kind)) is None


names = st.text(min_size=1, max_size=40).filter(
    lambda name: name.isprintable() and not name.startswith(".") and "/" not in name and len(os.fsencode(name)) < 200
)


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems rewrite names")
@given(name=names, extension=st.sampled_from(["png", "PNG", "v2.png", " .png"]))
@FUZZ
def test_any_name_is_a_name(make_options, name, extension):
    with custom_tree() as root:
        for kind in ("maps", "photos", "inst"):
            (root / kind / "a.png").rename(root / kind / f"{name}.{extension}")
        stem = f"{name}.{extension}"[: -len(".png")]
        assert load(root, make_options)["name"] == unicodedata.normalize("NFC", without_ending(stem))
        (root / "maps" / f"{name}.{extension}").write_bytes(b"")
        assert load_or_refusal(root, make_options, f"{name}.{extension}") is None


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems refuse such names")
@pytest.mark.parametrize("name", [b"\xff\xfe.png", b"caf\xe9.png"])
def test_names_that_are_no_text(make_options, name):
    name = os.fsdecode(name)
    with custom_tree() as root:
        for kind in ("maps", "photos", "inst"):
            (root / kind / "a.png").rename(root / kind / name)
        assert load(root, make_options)["labels"].shape == (SIDE, SIDE)
        (root / "photos" / name).write_bytes(b"GIF89a")
        assert load_or_refusal(root, make_options, name) is None


# Found by looking for silent errors, one by one


def labels_of(content: bytes, make_options, extension: str = "png") -> list | None:
    """The labels, or None where they are refused."""
    with custom_tree() as root:
        (root / "maps" / "a.png").unlink()
        path = root / "maps" / f"a.{extension}"
        path.write_bytes(content)
        sample = load_or_refusal(root, make_options, str(path))
        return None if sample is None else sample["labels"].tolist()


IDS = np.random.default_rng(1).integers(0, 20, (SIDE, SIDE)) * 3


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_gif_is_refused_or_right(make_options, mode):
    """GIF numbers colors anew: grays 0, 3, 6 become indices 0, 1, 2."""
    picture = Image.fromarray(IDS.astype(np.uint8)).convert(mode)
    content = encode(picture, "GIF", save_all=True, append_images=[Image.new(mode, (SIDE, SIDE))])
    assert labels_of(content, make_options) in (None, IDS.tolist())


def test_pgm_of_few_grays_is_refused_or_right(make_options):
    """Pillow stretches 0..100 to 0..255."""
    content = f"P5\n{SIDE} {SIDE}\n100\n".encode() + IDS.astype(np.uint8).tobytes()
    assert labels_of(content, make_options, "ppm") in (None, IDS.tolist())


def test_lossy_tiff_is_refused_or_right(make_options):
    content = encode(Image.fromarray(IDS.astype(np.uint8)), "TIFF", compression="jpeg")
    assert labels_of(content, make_options, "tiff") in (None, IDS.tolist())


def test_few_bit_tiff_is_refused_or_right(make_options):
    """Pillow stretches gray of 4 bits, and turns round what is white at 0."""
    ids = IDS % 8 + 4  # wrong ones are in range too
    packed = (ids[:, ::2] << 4 | ids[:, 1::2]).astype(np.uint8).tobytes()
    for white_is_zero in (0, 1):
        tags = [(256, SIDE), (257, SIDE), (258, 4), (259, 1), (262, 1 - white_is_zero), (273, 8), (278, SIDE)]
        tags = [(tag, 4, 1, value) for tag, value in [*tags, (279, len(packed))]]
        directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
        content = b"II*\0" + struct.pack("<I", 8 + len(packed)) + packed + directory
        assert labels_of(content, make_options, "tiff") in (None, ids.tolist())


@pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")
def test_avif_is_refused_or_right(make_options):
    assert labels_of(encode(Image.fromarray(IDS.astype(np.uint8)), "AVIF"), make_options) in (None, IDS.tolist())


@pytest.mark.skipif(not features.check("jpg_2000"), reason="Pillow without JPEG 2000")
def test_lossy_jpeg_2000_is_refused_or_right(make_options):
    options = {"irreversible": True, "quality_layers": [20]}
    content = encode(Image.fromarray(IDS.astype(np.uint8)), "JPEG2000", **options)
    assert labels_of(content, make_options) in (None, IDS.tolist())


def test_damage_of_a_png_is_refused(tmp_path):
    """Without its check sums some damaged PNGs decode to wrong ids."""
    ids = IDS[:12, :12] // 3
    content = KEEPING["gray png"](ids)
    path = tmp_path / "a.png"
    for place, change in itertools.product(range(len(content)), (1, 16, 255)):
        path.write_bytes(content[:place] + bytes([content[place] ^ change]) + content[place + 1 :])
        with contextlib.suppress(InputError):
            assert np.asarray(read_labels(path, LabelIds(CLASSES, False))).tolist() == ids.tolist(), (place, change)


def test_gray_photos_of_16_bits_are_not_white(make_options):
    with custom_tree() as root:
        path = root / "photos" / "a.png"
        Image.fromarray(np.full((SIDE, SIDE), 2**15, dtype=np.uint16)).save(path)
        sample = load_or_refusal(root, make_options, str(path))
        assert sample is None or sample["image"].abs().max() < 0.01


def test_line_breaks_in_names_stay_on_one_line(make_options):
    with custom_tree() as root:
        for kind in ("maps", "photos", "inst"):
            (root / kind / "a.png").rename(root / kind / "a\nb.png")
        (root / "maps" / "a\nb.png").write_bytes(b"")
        with pytest.raises(InputError) as caught:
            load(root, make_options)
        assert "\n" not in str(caught.value)
