"""Downloads that are cut, damaged, refused or too large, and archives that are not what they should be."""

import errno
import hashlib
import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts import fetch as fetch_program
from scripts import transfer, unpack
from scripts.fetch import Expected, fetch, fetch_and_unpack
from scripts.transfer import Patience, RefusedError
from tests.scripts.small_files import zipped
from util.errors import InputError

ROOT = Path(__file__).parents[2]
BODY = bytes(range(256)) * 4000  # about 1 MB: several chunks
HASTY = Patience(attempts=3, pause=0, timeout=10)


@pytest.fixture
def server(server):
    server.files["/a.bin"] = BODY
    return server


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "new" / "a.bin"


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole_and_is_not_fetched_again(server, file):
    assert fetch(server.url + "/a.bin", file, patience=HASTY) == server.url + "/a.bin"
    assert file.read_bytes() == BODY
    assert left_over(file.parent) == ["a.bin"]
    assert fetch(server.url + "/a.bin", file, Expected(size=len(BODY), md5=md5(BODY)), HASTY) is None
    assert len(server.requests) == 1


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def test_cut_connections_are_continued_where_they_ended(server, file):
    server.cuts["/a.bin"] = 4  # more than HASTY's attempts: each of them brings new bytes
    fetch(server.url + "/a.bin", file, Expected(md5=md5(BODY)), HASTY)
    halves = [len(BODY) // 2, len(BODY) * 3 // 4, len(BODY) * 7 // 8, len(BODY) * 15 // 16]
    assert server.ranges_asked() == [None, *(f"bytes={start}-" for start in halves)]
    assert all(headers["if-range"].startswith('"') for _, headers in server.requests[1:])


def test_an_interrupted_program_goes_on_where_it_was(server, file):
    server.cuts["/a.bin"] = 1
    with pytest.raises(InputError, match=r"cut at .* the same command goes on from there"):
        fetch(server.url + "/a.bin", file, patience=Patience(attempts=1))
    assert left_over(file.parent) == ["a.bin.part", "a.bin.part.json"]
    fetch(server.url + "/a.bin", file, patience=HASTY)
    assert server.ranges_asked() == [None, f"bytes={len(BODY) // 2}-"]
    assert file.read_bytes() == BODY


@pytest.mark.parametrize("validators", (True, False))
def test_a_file_that_changed_meanwhile_starts_over(validators, server, file):
    server.cuts["/a.bin"], server.validators = 1, validators
    with pytest.raises(InputError):
        fetch(server.url + "/a.bin", file, patience=Patience(attempts=1))
    server.files["/a.bin"] = BODY[::-1] + (b"" if validators else b"longer")  # only a validator tells equal sizes
    fetch(server.url + "/a.bin", file, patience=HASTY)
    assert file.read_bytes() == server.files["/a.bin"]


def test_a_file_that_became_shorter_than_what_has_arrived_starts_over(server, file):
    server.cuts["/a.bin"], server.validators = 1, False
    with pytest.raises(InputError):
        fetch(server.url + "/a.bin", file, patience=Patience(attempts=1))
    server.files["/a.bin"] = b"short"
    fetch(server.url + "/a.bin", file, patience=HASTY)
    assert file.read_bytes() == b"short"


def test_a_server_that_ignores_ranges_starts_over_and_cannot_loop_for_ever(server, file):
    server.ranges, server.cuts["/a.bin"] = False, 1
    fetch(server.url + "/a.bin", file, patience=HASTY)
    assert file.read_bytes() == BODY
    file.unlink()
    server.cuts["/a.bin"], server.cut_after = 50, itertools.cycle((0.5, 0.6))
    with pytest.raises(InputError, match="3 times without a new byte"):
        fetch(server.url + "/a.bin", file, patience=HASTY)


def test_a_part_of_another_address_is_not_continued(server, file):
    file.parent.mkdir()
    (file.parent / "a.bin.part").write_bytes(b"x" * 100)
    note = {"url": "http://elsewhere/a.bin", "validator": None, "size": len(BODY)}
    (file.parent / "a.bin.part.json").write_text(json.dumps(note))
    fetch(server.url + "/a.bin", file, patience=HASTY)
    assert file.read_bytes() == BODY


def test_errors_that_pass_are_tried_again_and_others_are_not(server, file):
    server.statuses["/a.bin"] = [503, 429]
    fetch(server.url + "/a.bin", file, patience=HASTY)
    assert len(server.requests) == 3
    with pytest.raises(RefusedError, match="404") as refused:
        fetch(server.url + "/absent.bin", file.with_name("b"), patience=HASTY)
    assert refused.value.status == 404
    assert len(server.requests) == 4


def test_no_server_and_no_address_are_one_line(file):
    with pytest.raises(InputError, match="refused"):
        fetch("http://127.0.0.1:9/a.bin", file, patience=Patience(attempts=2, pause=0))
    with pytest.raises(InputError, match="http://"):
        fetch("file:///etc/hostname", file)


@pytest.mark.parametrize(
    "expected", (Expected(size=7), Expected(md5="0" * 32), Expected(sha256="0" * 64)), ids=("size", "md5", "sha256")
)
def test_a_damaged_file_is_fetched_once_more_and_then_refused(expected, server, file):
    with pytest.raises(InputError, match="twice in a row"):
        fetch(server.url + "/a.bin", file, expected, HASTY)
    assert len(server.requests) == 2
    assert left_over(file.parent) == ["a.bin.damaged"]
    assert file.with_name("a.bin.damaged").read_bytes() == BODY


def test_a_file_that_was_there_and_is_not_as_published_is_kept(server, file, capsys):
    file.parent.mkdir()
    file.write_bytes(b"mine")
    fetch(server.url + "/a.bin", file, Expected(size=len(BODY)), HASTY)
    assert file.read_bytes() == BODY
    assert "it has 4 bytes instead of" in capsys.readouterr().err
    file.write_bytes(b"edited")
    fetch(server.url + "/a.bin", file, Expected(size=len(BODY)), HASTY)
    assert {path.name: path.read_bytes() for path in file.parent.glob("*.old*")} == {
        "a.bin.old1": b"mine",
        "a.bin.old2": b"edited",
    }


def test_a_part_of_another_program_is_kept(server, file):
    file.parent.mkdir()
    file.with_name("a.bin.part").write_bytes(b"of a browser")
    fetch(server.url + "/a.bin", file, patience=HASTY)
    assert file.read_bytes() == BODY
    assert left_over(file.parent) == ["a.bin", "a.bin.part.old1"]


def test_a_page_in_place_of_a_file_is_named(server, file):
    server.files["/a.bin"] = b"\n<!DOCTYPE HTML><title>Log in</title>"
    with pytest.raises(InputError, match=r"a\.bin: it is a web page, twice in a row"):
        fetch(server.url + "/a.bin", file, Expected(sha256="0" * 64), HASTY)


def test_a_file_damaged_only_once_ends_well(server, file):
    good, server.files["/a.bin"] = BODY, BODY[::-1]
    answers = iter([BODY[::-1], good])

    class Changing(dict):
        def __getitem__(self, path):
            return next(answers)

    server.files = Changing({"/a.bin": b""})
    fetch(server.url + "/a.bin", file, Expected(md5=md5(good)), HASTY)
    assert file.read_bytes() == good


def test_space_is_asked_for_before_the_first_byte(server, file, monkeypatch):
    free = len(BODY) * 3 // 2
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    with pytest.raises(InputError, match=r"needs 2\.0 MB more, its content included, and 1\.5 MB are free"):
        fetch(server.url + "/a.bin", file, patience=HASTY, to_unpack=True)
    assert (file.parent / "a.bin.part").stat().st_size == 0
    fetch(server.url + "/a.bin", file, patience=HASTY)


def test_a_full_disk_keeps_what_has_arrived(server, file, monkeypatch):
    write = transfer._write_all

    def full(part, chunk):
        if part.tell() + len(chunk) > 600_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(part, chunk)

    monkeypatch.setattr(transfer, "_write_all", full)
    with pytest.raises(InputError, match="No space left on device; what has arrived is kept"):
        fetch(server.url + "/a.bin", file, patience=HASTY)
    arrived = (file.parent / "a.bin.part").stat().st_size
    assert 0 < arrived <= 600_000
    monkeypatch.undo()
    fetch(server.url + "/a.bin", file, patience=HASTY)
    assert server.ranges_asked() == [None, f"bytes={arrived}-"]
    assert file.read_bytes() == BODY


def test_a_real_quota_ends_in_one_line_and_status_2(server, file):
    command = f"ulimit -f 500; exec {sys.executable} scripts/fetch.py {server.url}/a.bin {file}"  # kilobytes
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("fetch.py: error: ")
    assert "File too large" in last
    assert (file.parent / "a.bin.part").stat().st_size == 500 * 1024


CONTENT = {"top/train2017/1.png": b"one" * 1000, "top/val2017/3.png": b"three"}


def test_a_damaged_archive_is_fetched_once_more(server, tmp_path):
    targets = [(tmp_path / "img", "train2017")]
    server.files["/a.zip"] = zipped(CONTENT).replace(b"one" * 10, b"oNe" * 10)
    with pytest.raises(InputError, match=r"a\.zip: damaged, twice in a row"):
        fetch_and_unpack(server.url + "/a.zip", tmp_path / "a.zip", targets, Expected(), HASTY)
    assert len(server.requests) == 2
    assert sorted(path.name for path in tmp_path.glob("a.zip*")) == ["a.zip.damaged"]
    server.files["/a.zip"] = zipped(CONTENT)
    fetch_and_unpack(server.url + "/a.zip", tmp_path / "a.zip", targets, Expected(), HASTY, remove=True)
    assert not (tmp_path / "a.zip").exists()
    fetch_and_unpack(server.url + "/a.zip", tmp_path / "a.zip", targets, Expected(), HASTY)
    assert len(server.requests) == 3, "what is unpacked is not fetched again, although the archive is gone"
    assert sorted(path.name for path in tmp_path.glob("a.zip*")) == ["a.zip.damaged", "a.zip.done"]


def test_an_archive_that_was_there_is_neither_deleted_nor_fetched_over(server, tmp_path):
    server.files["/a.zip"] = zipped(CONTENT)
    archive, targets = tmp_path / "a.zip", [(tmp_path / "img", "train2017")]
    for mine in (b"not an archive", zipped(CONTENT).replace(b"one" * 10, b"oNe" * 10)):
        archive.write_bytes(mine)
        with pytest.raises(InputError, match=r"was there before and is left alone: move it away"):
            fetch_and_unpack(server.url + "/a.zip", archive, targets, Expected(), HASTY, remove=True)
        assert archive.read_bytes() == mine
    archive.write_bytes(zipped(CONTENT))
    fetch_and_unpack(server.url + "/a.zip", archive, targets, Expected(), HASTY, remove=True)
    assert archive.read_bytes() == zipped(CONTENT)
    assert not server.requests


def test_a_fetched_archive_is_removed_also_by_a_later_call(server, tmp_path, monkeypatch):
    server.files["/a.zip"] = zipped(CONTENT)
    archive, targets = tmp_path / "a.zip", [(tmp_path / "img", "train2017")]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2 * len(server.files["/a.zip"])))
    (tmp_path / "img").write_text("in the way of the folder")
    with pytest.raises((InputError, OSError)):
        fetch_and_unpack(server.url + "/a.zip", archive, targets, Expected(), HASTY, remove=True)
    assert archive.exists()
    (tmp_path / "img").unlink()
    fetch_and_unpack(server.url + "/a.zip", archive, targets, Expected(), HASTY, remove=True)
    assert sorted(path.name for path in tmp_path.glob("a.zip*")) == ["a.zip.done"]
    assert len(server.requests) == 1


def test_the_command_line_fetches_checks_and_unpacks(server, tmp_path, capsys):
    server.files["/a.zip"] = zipped(CONTENT)
    argv = [server.url + "/a.zip", str(tmp_path / "a.zip"), "--md5", md5(server.files["/a.zip"])]
    fetch_program.main([*argv, "--unpack", str(tmp_path / "out"), "val2017"])
    assert "1 files from a.zip" in capsys.readouterr().out
    fetch_program.main(argv)
    assert "already there" in capsys.readouterr().out
    unpack.main([str(tmp_path / "a.zip"), "--unpack", str(tmp_path / "all"), "."])
    assert (tmp_path / "all/top/val2017/3.png").read_bytes() == b"three"


GIVEN = {
    "text": (b"no archive", "neither a whole zip nor a whole tar archive; it is left"),
    "page": (b"<html>too many people</html>", "but a web page; it is left"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
    "other archive": (b"7z\xbc\xaf\x27\x1c\0\4", "but a 7-Zip archive"),
    "empty": (b"", "but empty"),
    "cut": (zipped(CONTENT)[:-40], "neither a whole zip"),
    "wrong checksum": (zipped(CONTENT).replace(b"one" * 10, b"oNe" * 10), "damaged"),
}


@pytest.mark.parametrize("flags", ([], ["--remove"]), ids=("plain", "remove"))
@pytest.mark.parametrize(("content", "said"), GIVEN.values(), ids=GIVEN)
def test_a_file_that_the_user_gave_is_never_deleted(content, said, flags, tmp_path):
    given = tmp_path / "b.zip"
    given.write_bytes(content)
    with pytest.raises(InputError, match=said):
        unpack.main([str(given), "--unpack", str(tmp_path / "all"), ".", *flags])
    assert given.read_bytes() == content
    assert left_over(tmp_path) == (["all", "b.zip"] if said == "damaged" else ["b.zip"])


def test_unpack_deletes_a_whole_archive_when_asked(tmp_path):
    given = tmp_path / "b.zip"
    given.write_bytes(zipped(CONTENT))
    unpack.main([str(given), "--unpack", str(tmp_path / "all"), ".", "--remove"])
    assert left_over(tmp_path) == ["all", "b.zip.done"]
