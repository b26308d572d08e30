import os
import random
import shutil
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from data.files import by_name, find_image_files, natural_key, split_of
from data.read import read_instances
from util.errors import InputError


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_numbers_sort_by_value():
    names = ["b10", "b2", "a/c1", "b02", "b", "10", "9"]
    assert sorted(names, key=natural_key) == ["9", "10", "a/c1", "b", "b02", "b2", "b10"]


@given(st.lists(st.text(), unique=True))
def test_any_names_have_one_order(names):
    shuffled = random.Random(0).sample(names, len(names))
    assert sorted(shuffled, key=natural_key) == sorted(names, key=natural_key)


@given(st.permutations([(f"{folder}/{i}", Path(f"{folder}/{i}.png")) for folder in "ab" for i in (1, 2, 10)]))
def test_order_on_disk_does_not_matter(named):
    assert list(by_name(named)) == ["a/1", "a/2", "a/10", "b/1", "b/2", "b/10"]


def test_finds_nested_files_of_any_picture_type_and_case(tmp_path):
    endings = ["jpg", "JPEG", "jpe", "jfif", "PnG", "bmp", "tif", "TIFF", "webp", "ppm", "pgm", "pbm", "pnm"]
    touch(*(tmp_path / f"{i:02}.{ending}" for i, ending in enumerate(endings)), tmp_path / "x" / "y" / "h.png")
    touch(tmp_path / "files.list", tmp_path / "notes.txt")
    found = find_image_files(tmp_path, "images")
    assert list(found) == [f"{i:02}" for i in range(len(endings))] + ["x/y/h"]
    assert found["x/y/h"] == tmp_path / "x" / "y" / "h.png"


def test_skips_hidden_files_and_folders(tmp_path):
    touch(tmp_path / "a.png", tmp_path / "._a.png", tmp_path / ".thumbnails" / "b.png")
    touch(
        tmp_path / "@eaDir" / "a.png" / "THUMB.png", tmp_path / "__MACOSX" / "c.png", tmp_path / "lost+found" / "d.png"
    )
    assert list(find_image_files(tmp_path, "images")) == ["a"]


def test_follows_links_to_folders(tmp_path):
    touch(tmp_path / "elsewhere" / "a.png")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "city").symlink_to(tmp_path / "elsewhere")
    assert list(find_image_files(tmp_path / "root", "images")) == ["city/a"]


def test_dots_in_names_are_kept(tmp_path):
    touch(tmp_path / "v1.2.png", tmp_path / "v1.3.png")
    assert list(find_image_files(tmp_path, "images")) == ["v1.2", "v1.3"]


def test_suffix_selects_and_is_not_part_of_the_name(tmp_path):
    touch(tmp_path / "a" / "a_1_ids.png", tmp_path / "a" / "a_1_color.png")
    assert list(find_image_files(tmp_path, "images", suffix="_ids")) == ["a/a_1"]


def test_two_files_of_one_name_are_refused(tmp_path):
    touch(tmp_path / "a.png", tmp_path / "a.jpg")
    with pytest.raises(InputError, match=r'a\.jpg and .*a\.png are both called "a"'):
        find_image_files(tmp_path, "images")


def test_missing_and_empty_folders_say_what_was_looked_for(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: no such folder; it should hold the photos .*datasets/README\.md"):
        find_image_files(tmp_path / "nowhere", "photos")
    with pytest.raises(InputError, match=r"no files \*_ids\.\* of type \.jpg, .*label maps"):
        find_image_files(tmp_path, "label maps", suffix="_ids")
    assert find_image_files(tmp_path / "nowhere", "photos", required=False) == {}


def test_testing_reads_the_validation_part():
    assert [split_of(phase) for phase in ("train", "val", "test")] == ["train", "val", "val"]


def test_a_link_to_a_folder_above_lists_nothing_twice(tmp_path):
    touch(tmp_path / "maps" / "city" / "a.png")
    (tmp_path / "maps" / "city" / "again").symlink_to(tmp_path / "maps", target_is_directory=True)
    assert list(find_image_files(tmp_path / "maps", "maps")) == ["city/a"]


# Files that would silently not be there


def test_pictures_that_are_not_read_are_counted_and_named_once(tmp_path, capsys):
    touch(*(tmp_path / name for name in ("a.png", "b.heic", "c.HEIC", "sub/d.svg", "e.json", "._f.heic", ".g.svg")))
    for _ in range(2):
        assert list(find_image_files(tmp_path, "photos")) == ["a"]
    expected = f"warning: {tmp_path}: 3 files are left out: 2 .heic, 1 .svg (b.heic, c.HEIC, sub/d.svg); convert"
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(expected)


def test_nothing_tells_to_save_label_maps_as_jpeg(tmp_path, capsys):
    touch(tmp_path / "a.png", tmp_path / "b.heic")
    find_image_files(tmp_path, "label maps")
    assert capsys.readouterr().err.strip().endswith("convert photos to PNG or JPEG, and maps to PNG, which keeps ids")
    (tmp_path / "c.png").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    with pytest.raises(InputError, match="HEIC") as caught:
        read_instances(tmp_path / "c.png")
    assert "JPEG" not in str(caught.value)


@pytest.mark.parametrize("name", ["photo", "photo.jpg_large", "photo.jpg~", "photo.png.part", "photo.1"])
def test_pictures_are_known_by_their_first_bytes_where_the_ending_says_nothing(tmp_path, capsys, name):
    touch(tmp_path / "a.png")
    Image.new("L", (4, 4)).save(tmp_path / name, "PNG")
    (tmp_path / "README").write_text("no image")
    (tmp_path / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    os.mkfifo(tmp_path / "pipe")
    assert list(find_image_files(tmp_path, "photos")) == ["a"]
    assert f"1 file is left out: 1 {Path(name).suffix or 'without ending'} ({name})" in capsys.readouterr().err


def test_a_folder_without_pictures_says_what_is_there(tmp_path):
    touch(*(tmp_path / f"{i}.json" for i in range(4)), tmp_path / "list.txt", tmp_path / "a.npy")
    with pytest.raises(InputError, match=r"no files \*\.\* of type .*, but 4 \.json, 1 \.txt, 1 \.npy; it should hold"):
        find_image_files(tmp_path, "label maps")
    touch(tmp_path / "a_color.png")
    with pytest.raises(InputError, match=r"no files \*_ids\.\* .*, but 1 file is named otherwise \(a_color\.png\)"):
        find_image_files(tmp_path, "label maps", suffix="_ids")


def test_a_file_where_a_folder_is_wanted(tmp_path):
    touch(tmp_path / "a.png", tmp_path / "maps.zip", tmp_path / "maps.tar.gz")
    for required in (True, False):
        with pytest.raises(InputError, match=r"a\.png: is a file; give the folder; it should hold the label maps"):
            find_image_files(tmp_path / "a.png", "label maps", required=required)
    for name in ("maps.zip", "maps.tar.gz"):
        with pytest.raises(InputError, match="is an archive; unpack it, and give the folder"):
            find_image_files(tmp_path / name, "label maps")


def test_links_that_lead_nowhere_are_named(tmp_path):
    touch(tmp_path / "maps" / "a.png")
    (tmp_path / "maps" / "city").symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match=r"maps/city: is a link to .*gone, and nothing is there"):
        find_image_files(tmp_path / "maps", "label maps")
    with pytest.raises(InputError, match=r"city: is a link to .*gone, and nothing is there; it should hold"):
        find_image_files(tmp_path / "maps" / "city", "label maps")


@pytest.fixture
def ordinary_user():
    """A temporary folder, and no right to read what others may not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    user = os.geteuid()
    try:
        yield folder, lambda: os.seteuid(65534) if user == 0 else None
    finally:
        os.seteuid(user)
        for path in folder.rglob("*"):
            path.chmod(0o755)
        shutil.rmtree(folder)


def test_folders_that_cannot_be_read_are_not_taken_for_empty(ordinary_user):
    folder, become = ordinary_user
    touch(folder / "a.png", folder / "bonn" / "b.png")
    (folder / "bonn").chmod(0)
    become()
    with pytest.raises(InputError, match=r"bonn: a part of .* that cannot be read \(Permission denied\)"):
        find_image_files(folder, "label maps")


# Names


def test_names_have_one_unicode_form(tmp_path):
    touch(tmp_path / f"{unicodedata.normalize('NFD', 'café')}.png")
    assert list(find_image_files(tmp_path, "images")) == [unicodedata.normalize("NFC", "café")]
    touch(tmp_path / f"{unicodedata.normalize('NFC', 'café')}.png")
    with pytest.raises(InputError, match=r'are both called "café" in two Unicode forms; keep one'):
        find_image_files(tmp_path, "images")


def test_the_ending_of_a_photo_is_no_part_of_the_name(tmp_path):
    touch(*(tmp_path / name for name in ("a.jpg.png", "b.JPEG_mask.png", "c_mask.png.png", "v1.2.png")))
    assert list(find_image_files(tmp_path, "images")) == ["a", "b.JPEG_mask", "c_mask", "v1.2"]
    assert list(find_image_files(tmp_path, "images", suffix="_mask")) == ["b", "c"]
    touch(tmp_path / "a.png")
    with pytest.raises(InputError, match=r'a\.jpg\.png and .*a\.png are both called "a"'):
        find_image_files(tmp_path, "images")


@pytest.mark.parametrize("names", [("a.jpg", "a.JPG"), ("a.tif", "a.tiff"), ("a.jpe", "a.jpeg")])
def test_one_picture_under_two_endings_is_refused(tmp_path, names):
    touch(*(tmp_path / name for name in names))
    for holds_ids in (True, False):
        with pytest.raises(InputError, match=r'a\.\w+ and .*a\.\w+ are both called "a"'):
            find_image_files(tmp_path, "photos", holds_ids=holds_ids)
