"""A file is replaced whole or not at all."""

import stat

import pytest

from util.files import replacing


def test_writes_into_new_folders(tmp_path):
    with replacing(tmp_path / "a" / "b" / "file.txt") as temporary:
        temporary.write_text("new")
        assert not (tmp_path / "a" / "b" / "file.txt").exists()
    assert (tmp_path / "a" / "b" / "file.txt").read_text() == "new"


def test_an_error_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_longest_names_and_usual_permissions(tmp_path):
    path = tmp_path / ("x" * 251 + ".png")
    with replacing(path) as temporary:
        temporary.write_text("new")
    plain = tmp_path / "plain"
    plain.write_text("")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
