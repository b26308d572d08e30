"""Downloads that are cut, damaged, refused or too large."""

import hashlib
import itertools
import json
import resource
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from util.errors import InputError
from util.fetch import Expected, Patience, RefusedError, fetch

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


PROXIES = {
    "no server": "http://user:secret@127.0.0.1:9",
    "no port": "http://127.0.0.1:port",
    "no host": "http://",
    "other kind": "socks5://127.0.0.1:9",
    "no address": "proxy of the office",
}


@pytest.mark.parametrize("scheme", ("http", "https"))
@pytest.mark.parametrize("proxy", PROXIES.values(), ids=PROXIES)
def test_a_proxy_that_does_not_work_is_one_line_that_names_its_variable(proxy, scheme, file, monkeypatch):
    monkeypatch.setenv(f"{scheme}_proxy", proxy)
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(InputError, match=rf"through the proxy that {scheme}_proxy names") as caught:
        fetch(f"{scheme}://weights.example/a.bin", file, patience=Patience(unanswered=1, timeout=2))
    assert "\n" not in str(caught.value) and "secret" not in str(caught.value)


def test_a_proxy_that_wants_a_password_is_told_apart(server, file, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "")
    server.statuses["http://weights.example/a.bin"] = [407]
    with pytest.raises(RefusedError, match=r"407 .*http_proxy must hold a user and password"):
        fetch("http://weights.example/a.bin", file, patience=HASTY)


def test_a_server_that_never_answers_is_given_up_sooner_than_one_that_stops(server, file, capsys):
    patience = Patience(attempts=3, unanswered=1, pause=0)
    with pytest.raises(InputError, match=r"refused\]?$"):
        fetch("http://127.0.0.1:9/a.bin", file, patience=patience)
    assert capsys.readouterr().err == ""
    server.cuts["/a.bin"] = 1
    fetch(server.url + "/a.bin", file, patience=patience)
    assert len(server.requests) == 2


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


def test_the_first_digits_of_a_sha256_are_enough(server, file):
    digits = hashlib.sha256(BODY).hexdigest()[:8]
    fetch(server.url + "/a.bin", file, Expected(sha256=digits.upper()), HASTY)
    assert file.read_bytes() == BODY


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


def test_a_disk_that_takes_no_more_keeps_what_has_arrived(server, file):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, before[1]))  # what lies above is refused, as by a quota
    try:
        with pytest.raises(InputError, match="File too large; what has arrived is kept"):
            fetch(server.url + "/a.bin", file, patience=HASTY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (file.parent / "a.bin.part").stat().st_size == 600_000
    fetch(server.url + "/a.bin", file, patience=HASTY)
    assert server.ranges_asked() == [None, "bytes=600000-"]
    assert file.read_bytes() == BODY
