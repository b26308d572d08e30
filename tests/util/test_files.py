"""A file is replaced whole or not at all."""

import os
import stat

import pytest

from util.errors import InputError
from util.files import refuse_foreign, remove_temporaries, replacing


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


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    (tmp_path / "web").mkdir()
    process = os.fork()
    if process == 0:
        with replacing(tmp_path / "page.html") as one, replacing(tmp_path / "web" / "page.html") as other:
            one.write_text("half")
            other.write_text("half")
            os._exit(9)
    os.waitpid(process, 0)
    kept = [tmp_path / name for name in (".tmp", "notes.tmp", ".abc.tmp", ".run.lock")]
    for path in kept:
        path.write_text("kept")
    assert len(list(tmp_path.rglob(".*.tmp"))) == 3
    remove_temporaries(tmp_path, older_than=60)
    assert len(list(tmp_path.rglob(".*.tmp"))) == 3, "another process may be writing them"
    remove_temporaries(tmp_path)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)


@pytest.mark.parametrize(
    ("content", "is_refused"), [(None, False), (b"", False), (b"x ours and a b", False), (b"ours", True), (b"a", True)]
)
def test_a_file_without_the_marks_of_its_kind_is_foreign(tmp_path, content, is_refused):
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    if not is_refused:
        refuse_foreign("--to", path, "page", b"ours", b"a b")
        return
    with pytest.raises(InputError, match=r"^--to .*file: is there already and is no page, .*; name another file, or"):
        refuse_foreign("--to", path, "page", b"ours", b"a b")
