"""Archives: unpacked in part, again, hostile, damaged, or with no room for them."""

import io
import resource
import shutil
import stat
import tarfile
import zipfile
from types import SimpleNamespace

import pytest

from scripts.download.archives import CorruptArchiveError, unpack
from util.errors import InputError

pytestmark = pytest.mark.tools

CONTENT = {"top/train2017/1.png": b"one" * 1000, "top/train2017/deep/2.png": b"two", "top/val2017/3.png": b"three"}


def make_zip(members: dict[str, bytes], *more: tuple[zipfile.ZipInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        for info, content in more:
            archive.writestr(info, content)
    return buffer.getvalue()


def make_tar(members: dict[str, bytes], *more: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in more:
            archive.addfile(info)
    return buffer.getvalue()


@pytest.mark.parametrize("make", (make_zip, make_tar))
def test_a_folder_of_an_archive_is_unpacked_from_wherever_it_is(make, tmp_path):
    archive = tmp_path / "a.archive"
    archive.write_bytes(make(CONTENT | {"__MACOSX/train2017/._1.png": b"junk", "top/train2017/opt.pkl": b"pickle"}))
    assert unpack(archive, tmp_path / "img", "train2017", skip=("*.pkl",)) == 2
    files = {path.relative_to(tmp_path).as_posix() for path in (tmp_path / "img").rglob("*") if path.is_file()}
    assert files == {"img/1.png", "img/deep/2.png"}
    assert (tmp_path / "img" / "1.png").read_bytes() == CONTENT["top/train2017/1.png"]
    with pytest.raises(InputError, match="below a folder test2017"):
        unpack(archive, tmp_path / "img", "test2017")


def test_unpacking_goes_on_with_files_that_are_missing_or_half(tmp_path, capsys):
    archive, target = tmp_path / "a.zip", tmp_path / "all"
    archive.write_bytes(make_zip(CONTENT))
    unpack(archive, target)
    whole, half = target / "top/val2017/3.png", target / "top/train2017/1.png"
    whole.write_bytes(b"THREE")  # told from what was written by content, not by size
    half.write_bytes(b"on")
    assert unpack(archive, target) == 3
    assert whole.read_bytes() == b"THREE"
    assert half.read_bytes() == CONTENT["top/train2017/1.png"]
    kept = half.with_name("1.png.old1")
    assert kept.read_bytes() == b"on"
    assert f"1 files of other sizes were there; they are kept, the first as {kept}" in capsys.readouterr().out


def tar_member(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def zip_link() -> tuple[zipfile.ZipInfo, bytes]:
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info, b"/etc"


HOSTILE = {
    "zip dots": make_zip({"fine.txt": b"1", "a/../../out.txt": b"2"}),
    "zip absolute": make_zip({"fine.txt": b"1", "/tmp/out.txt": b"2"}),
    "zip link": make_zip({"fine.txt": b"1"}, zip_link()),
    "tar dots": make_tar({"fine.txt": b"1", "../out.txt": b"2"}),
    "tar absolute": make_tar({"fine.txt": b"1", "/tmp/out.txt": b"2"}),
    "tar link out": make_tar({"fine.txt": b"1"}, tar_member("link", tarfile.SYMTYPE, "../../etc")),
    "tar link in": make_tar({"fine.txt": b"1"}, tar_member("link", tarfile.SYMTYPE, "fine.txt")),
    "tar device": make_tar({"fine.txt": b"1"}, tar_member("null", tarfile.CHRTYPE)),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_hostile_archives_are_refused_before_anything_is_written(content, tmp_path):
    archive = tmp_path / "a.archive"
    archive.write_bytes(content)
    with pytest.raises(InputError, match="refused, nothing is unpacked"):
        unpack(archive, tmp_path / "target")
    assert [path.name for path in tmp_path.iterdir()] == ["a.archive"]


def damaged_zip() -> bytes:
    content = make_zip(CONTENT)
    return content.replace(b"one" * 10, b"oNe" * 10)


DAMAGED = {
    "zip checksum": damaged_zip(),
    "zip cut": make_zip(CONTENT)[:-40],
    "tar cut": make_tar(CONTENT)[:-40],
    "tar changed": make_tar(CONTENT)[:-8] + b"\0" * 8,
    "page": b"<html>too many people have asked</html>",
    "empty": b"",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_damaged_archives_are_told_apart_from_other_trouble(content, tmp_path):
    archive = tmp_path / "a.archive"
    archive.write_bytes(content)
    with pytest.raises(CorruptArchiveError):
        unpack(archive, tmp_path / "target")


def test_unpacking_asks_for_space_before_the_first_file(tmp_path, monkeypatch):
    archive = tmp_path / "a.zip"
    archive.write_bytes(make_zip(CONTENT))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(InputError, match=r"needs 3\.0 kB more, and 100 B are free"):
        unpack(archive, tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_a_disk_that_takes_no_more_leaves_no_half_file(tmp_path):
    archive = tmp_path / "a.zip"
    archive.write_bytes(make_zip(CONTENT))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # larger files are refused, as by a quota
    try:
        with pytest.raises(InputError, match=r"1\.png: File too large; make room"):
            unpack(archive, tmp_path / "target")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not [path for path in (tmp_path / "target").rglob("*") if path.is_file()]
    assert unpack(archive, tmp_path / "target") == 3


def test_an_encrypted_archive_is_one_line(tmp_path):
    content = bytearray(make_zip({"secret.txt": b"1"}))
    for header, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # bit 0 of the flags: encrypted
        content[content.index(header) + flags] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"^secret\.txt of the archive: .*password"):
        unpack(tmp_path / "a.zip", tmp_path / "target")
