import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.files import by_name, find_pictures, natural_key, split_of
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
    touch(
        *(tmp_path / name for name in ["a.jpg", "b.JPEG", "c.PnG", "d.ppm", "e.bmp", "f.tiff", "g.webp", "x/y/h.png"])
    )
    touch(tmp_path / "files.list", tmp_path / "notes.txt")
    found = find_pictures(tmp_path, "pictures")
    assert list(found) == ["a", "b", "c", "d", "e", "f", "g", "x/y/h"]
    assert found["x/y/h"] == tmp_path / "x" / "y" / "h.png"


def test_skips_hidden_files_and_folders(tmp_path):
    touch(tmp_path / "a.png", tmp_path / "._a.png", tmp_path / ".thumbnails" / "b.png")
    assert list(find_pictures(tmp_path, "pictures")) == ["a"]


def test_follows_links_to_folders(tmp_path):
    touch(tmp_path / "elsewhere" / "a.png")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "city").symlink_to(tmp_path / "elsewhere")
    assert list(find_pictures(tmp_path / "root", "pictures")) == ["city/a"]


def test_dots_in_names_are_kept(tmp_path):
    touch(tmp_path / "v1.2.png", tmp_path / "v1.3.png")
    assert list(find_pictures(tmp_path, "pictures")) == ["v1.2", "v1.3"]


def test_suffix_selects_and_is_not_part_of_the_name(tmp_path):
    touch(tmp_path / "a" / "a_1_ids.png", tmp_path / "a" / "a_1_color.png")
    assert list(find_pictures(tmp_path, "pictures", suffix="_ids")) == ["a/a_1"]


def test_two_files_of_one_name_are_refused(tmp_path):
    touch(tmp_path / "a.png", tmp_path / "a.jpg")
    with pytest.raises(InputError, match=r'a\.jpg and .*a\.png are both called "a"'):
        find_pictures(tmp_path, "pictures")


def test_missing_and_empty_folders_say_what_was_looked_for(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: no such folder; it should hold the photos .*datasets/README\.md"):
        find_pictures(tmp_path / "nowhere", "photos")
    with pytest.raises(InputError, match=r"no files \*_ids\.\* of type \.jpg, .*label maps"):
        find_pictures(tmp_path, "label maps", suffix="_ids")
    assert find_pictures(tmp_path / "nowhere", "photos", required=False) == {}


def test_testing_reads_the_validation_part():
    assert [split_of(phase) for phase in ("train", "val", "test")] == ["train", "val", "val"]


def test_a_link_to_a_folder_above_lists_nothing_twice(tmp_path):
    touch(tmp_path / "maps" / "city" / "a.png")
    (tmp_path / "maps" / "city" / "again").symlink_to(tmp_path / "maps", target_is_directory=True)
    assert list(find_pictures(tmp_path / "maps", "maps")) == ["city/a"]
