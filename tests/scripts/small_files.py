"""Pictures, archives and lists of files for tests."""

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image


def picture(format: str, value=0, shape=(48, 64, 3)) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full(shape, value, dtype=np.uint8)).save(buffer, format)
    return buffer.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tree(folder: Path) -> set[str]:
    """Files below a folder, without hidden ones."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts)}


def last_line(text: str) -> str:
    return text.strip().splitlines()[-1]
