"""Archives that are fetched, checked and unpacked, and those that are not what they should be."""

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts.download.__main__ import main
from scripts.download.archives import fetch_and_unpack
from tests.scripts.small_files import zipped
from util.errors import InputError
from util.fetch import Expected, Patience

pytestmark = pytest.mark.tools

ROOT = Path(__file__).parents[3]
HASTY = Patience(attempts=3, pause=0, timeout=10)


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def test_a_quota_ends_in_one_line_and_status_2(server, tmp_path):
    server.files["/a.bin"] = bytes(10**6)
    file = tmp_path / "a.bin"
    command = f"ulimit -f 500; exec {sys.executable} -m scripts.download fetch {server.url}/a.bin {file}"  # kilobytes
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("python -m scripts.download: error: ")
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
    argv = ["fetch", server.url + "/a.zip", str(tmp_path / "a.zip"), "--md5", md5(server.files["/a.zip"])]
    main([*argv, "--unpack", str(tmp_path / "out"), "val2017"])
    assert "1 files from a.zip" in capsys.readouterr().out
    main(argv)
    assert "already there" in capsys.readouterr().out
    main(["unpack", str(tmp_path / "a.zip"), "--unpack", str(tmp_path / "all"), "."])
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
        main(["unpack", str(given), "--unpack", str(tmp_path / "all"), ".", *flags])
    assert given.read_bytes() == content
    assert left_over(tmp_path) == (["all", "b.zip"] if said == "damaged" else ["b.zip"])


def test_unpack_deletes_a_whole_archive_when_asked(tmp_path):
    given = tmp_path / "b.zip"
    given.write_bytes(zipped(CONTENT))
    main(["unpack", str(given), "--unpack", str(tmp_path / "all"), ".", "--remove"])
    assert left_over(tmp_path) == ["all", "b.zip.done"]


WRONG_WORDS = {
    "--sha256": ("xyz", "", "0" * 65),
    "--md5": ("0" * 31, "g" * 32),
    "--size": ("-1", "1e3", "many"),
    "--attempts": ("0", "-1", "2.5"),
    "--pause": ("-1", "nan", "inf"),
}


@pytest.mark.parametrize(("flag", "value"), [(flag, value) for flag, values in WRONG_WORDS.items() for value in values])
def test_what_cannot_be_published_is_refused_before_the_download(server, tmp_path, flag, value, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["fetch", server.url + "/a.zip", str(tmp_path / "a.zip"), f"{flag}={value}"])
    assert stop.value.code == 2
    assert f"argument {flag}: {value}: must be " in capsys.readouterr().err.splitlines()[-1]
    assert not server.requests and not left_over(tmp_path)


@pytest.mark.parametrize("url", ["http://[::1/x", "http://host:port/x", "http://host:99999/x", "http:///x", "host/x"])
def test_what_is_no_address_is_one_line(url, tmp_path):
    with pytest.raises(InputError, match=f"^{re.escape(url)}: not an address"):
        main(["fetch", url, str(tmp_path / "a.zip")])
    assert not left_over(tmp_path)


def test_a_folder_is_no_file_that_is_there_already(server, tmp_path):
    with pytest.raises(InputError, match="is a folder; name the file to write"):
        main(["fetch", server.url + "/a.zip", str(tmp_path)])
    assert not server.requests


def test_what_is_damaged_replaces_nothing_of_that_name(server, tmp_path):
    (tmp_path / "a.zip.damaged").write_bytes(b"mine")
    server.files["/a.zip"] = zipped(CONTENT).replace(b"one" * 10, b"oNe" * 10)
    for name, how in (("a.zip.damaged2", ["--size", "1"]), ("a.zip.damaged3", ["--unpack", str(tmp_path / "x"), "."])):
        with pytest.raises(InputError, match=f"{name}\\)"):
            main(["fetch", server.url + "/a.zip", str(tmp_path / "a.zip"), "--pause", "0", *how])
        assert (tmp_path / name).read_bytes() == server.files["/a.zip"]
    assert (tmp_path / "a.zip.damaged").read_bytes() == b"mine"
    assert not (tmp_path / "a.zip.damaged4").exists()
