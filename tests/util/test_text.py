"""Text files as other systems write them."""

import pytest

from util.errors import InputError
from util.text import read_text

TEXT = "über den Fluß\nzweite Zeile\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends_of_every_system(tmp_path, encoding, line_end):
    path = tmp_path / "list.txt"
    path.write_bytes(TEXT.replace("\n", line_end).encode(encoding))
    assert read_text(path) == TEXT


def test_big_endian_and_the_end_of_file_of_dos(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xfe\xff" + TEXT.encode("utf-16-be"))
    assert read_text(path) == TEXT
    path.write_bytes(b"a\tb\r\n\x1a")
    assert read_text(path) == "a\tb\n"


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"PK\x03\x04\x14\0\x08\0",
        b"\xff\xd8\xff\xe0\0\x10JFIF",
        b"\xff\xfe\x80",
        b"\x1f\x8b\x08\x08",
        b"\x80\x81\x8d",
    ],
)
def test_files_that_are_no_text_are_refused(tmp_path, data):
    (tmp_path / "list.txt").write_bytes(data)
    with pytest.raises(InputError, match=r"list\.txt: is not a text file; give a palette, saved as UTF-8"):
        read_text(tmp_path / "list.txt", "a palette")


def test_missing_files_and_folders_say_what_is_wanted(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: cannot be read \(No such file or directory\); give a text file"):
        read_text(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r": is a folder; give a list of names"):
        read_text(tmp_path, "a list of names")
