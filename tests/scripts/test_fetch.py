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
    assert left_over(file.parent) == []


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
    assert not (tmp_path / "a.zip").exists()
    server.files["/a.zip"] = zipped(CONTENT)
    fetch_and_unpack(server.url + "/a.zip", tmp_path / "a.zip", targets, Expected(), HASTY, remove=True)
    assert not (tmp_path / "a.zip").exists()
    fetch_and_unpack(server.url + "/a.zip", tmp_path / "a.zip", targets, Expected(), HASTY)
    assert len(server.requests) == 3, "what is unpacked is not fetched again, although the archive is gone"


def test_the_command_line_fetches_checks_and_unpacks(server, tmp_path, capsys):
    server.files["/a.zip"] = zipped(CONTENT)
    argv = [server.url + "/a.zip", str(tmp_path / "a.zip"), "--md5", md5(server.files["/a.zip"])]
    fetch_program.main([*argv, "--unpack", str(tmp_path / "out"), "val2017"])
    assert "1 files from a.zip" in capsys.readouterr().out
    fetch_program.main(argv)
    assert "already there" in capsys.readouterr().out
    unpack.main([str(tmp_path / "a.zip"), "--unpack", str(tmp_path / "all"), "."])
    assert (tmp_path / "all/top/val2017/3.png").read_bytes() == b"three"
    (tmp_path / "b.zip").write_bytes(b"no archive")
    with pytest.raises(InputError, match="the archive is deleted"):
        unpack.main([str(tmp_path / "b.zip"), "--unpack", str(tmp_path / "all"), "."])
    assert not (tmp_path / "b.zip").exists()
