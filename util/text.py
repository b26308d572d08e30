"""Reading text files of any system: with any byte order mark and line ends, in Unicode or Windows-1252."""

import codecs
import re
from pathlib import Path

from util.errors import InputError

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order mark -> encoding. Notepad, Excel and PowerShell write these marks."""
WITHOUT_MARK = ("utf-8", "cp1252")
CONTROL = re.compile(r"[\0-\x08\x0e-\x19\x1c-\x1f]")  # not tabs, line ends, form feeds, escapes, DOS's end of file


def read_text(path: str | Path, wanted: str = "a text file") -> str:
    """Return the text of a file with "\\n" at the end of every line.

    The encoding is that of the byte order mark, else UTF-8, else Windows-1252.

    Args:
        wanted: what to give instead, for the message.

    Raises:
        InputError: the file is missing, unreadable, a folder, or not text.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = "is a folder" if path.is_dir() else f"cannot be read ({error.strerror})"
        raise InputError(f"{path}: {reason}; give {wanted}") from error
    text = _decode(data)
    if text is None or CONTROL.search(text):
        raise InputError(f"{path}: is not a text file; give {wanted}, saved as UTF-8")
    return text.removesuffix("\x1a").replace("\r\n", "\n").replace("\r", "\n")


def _decode(data: bytes) -> str | None:
    """The text of `data`, or None if it is in none of the encodings."""
    encodings = next(([encoding] for mark, encoding in MARKS if data.startswith(mark)), WITHOUT_MARK)
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None
