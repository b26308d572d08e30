"""One number for what files hold."""

import os
import shutil
import time
from pathlib import Path

import pytest

from util.digests import digest_of


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def files(tmp_path) -> dict[str, Path]:
    """Two files that were written a minute ago."""
    folder = tmp_path / "files"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / name).write_text(f"content of {name}")
    return {name: age(folder / name) for name in ("a", "b")}


def age(path: Path) -> Path:
    """As if the file had been written a minute ago; only the system itself could set the time of its state back."""
    before = time.time() - 60
    os.utime(path, (before, before))
    return path


def test_contents_and_names_decide_and_folders_and_order_do_not(files, tmp_path):
    first = digest_of(files)
    assert len(first) == 16 and digest_of(dict(reversed(files.items()))) == first
    shutil.copytree(files["a"].parent, tmp_path / "elsewhere")
    assert digest_of({name: tmp_path / "elsewhere" / name for name in "ab"}) == first
    assert digest_of({"a": files["a"], "c": files["b"]}) != first, "another name"
    assert digest_of({"a": files["b"], "b": files["a"]}) != first, "contents exchanged"
    assert digest_of({"a": files["a"]}) != first, "a file less"
    files["b"].write_text("content of B")
    assert digest_of(files) != first, "other content of the same size"
    assert digest_of({}) == digest_of({})
    with pytest.raises(OSError, match="absent"):
        digest_of({"a": tmp_path / "absent"})


def test_files_that_stay_as_they_are_are_read_once(files, cache, monkeypatch):
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 60)
    first = digest_of(files)
    (kept,) = cache.rglob("*/*/*")
    kept.write_text("0123456789abcdef")
    assert digest_of(files) == "0123456789abcdef"
    files["b"].write_text("content of B")
    assert digest_of(files) not in (first, "0123456789abcdef")
    files["b"].write_text("content of b")
    assert digest_of(files) == first
    for path in cache.rglob("*/*/*"):
        path.write_bytes(b"cut")
    assert digest_of(files) == first


def test_what_was_written_just_now_is_not_kept(files, cache):
    digest_of(files)
    assert not list(cache.rglob("*/*/*"))


@pytest.mark.parametrize("place", ["/dev/null/cache", "/proc/cache"])
def test_a_cache_that_cannot_be_written_is_none(files, monkeypatch, place):
    first = digest_of(files)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 60)
    monkeypatch.setenv("XDG_CACHE_HOME", place)
    assert digest_of(files) == first == digest_of(files)
