"""Download a file and check that it is as published before it gets its name."""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from util.errors import InputError
from util.files import impostor, set_aside
from util.transfer import CHUNK, PATIENT, Download, Patience, byte_bar


@dataclass(frozen=True)
class Expected:
    """What is published about a file: size in bytes, checksums in hexadecimal; None where nothing is.

    Of the SHA-256 the first digits are enough.
    """

    size: int | None = None
    md5: str | None = None
    sha256: str | None = None

    def problem(self, file: Path) -> str | None:
        """What is wrong with `file`, in words; None if it is as published."""
        wrong = self._difference(file)
        return f"it is {what}" if wrong and (what := impostor(file)) else wrong

    def _difference(self, file: Path) -> str | None:
        if self.size is not None and file.stat().st_size != self.size:
            return f"it has {file.stat().st_size} bytes instead of {self.size}"
        for name, wanted in (("md5", self.md5), ("sha256", self.sha256)):
            if wanted is not None:
                found = checksum(file, name)
                if not found.startswith(wanted.lower()):
                    return f"its {name} is {found} instead of {wanted}"
        return None


def fetch(
    url: str, file: Path, expected: Expected = Expected(), patience: Patience = PATIENT, to_unpack: bool = False
) -> str | None:
    """Download `url` to `file`, unless a whole `file` is there.

    Args:
        to_unpack: ask for free space for the content, too, taken as large as the archive (photos do not compress).

    Returns:
        the address the file came from in the end, after redirects; None if there was nothing to do.

    Raises:
        RefusedError: for statuses such as 404.
        InputError: no connection or disk full, and what has arrived stays in FILE.part; or twice not what is
            published, and it is kept as FILE.damaged.
    """
    _check_address(url)
    if file.is_dir():
        raise InputError(f"{file}: is a folder; name the file to write, such as {file / 'FILE'}")
    if file.exists():
        problem = expected.problem(file)
        if problem is None:
            return None
        print(f"{file}: {problem}; it is kept as {set_aside(file)}, and fetched again", file=sys.stderr)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {file.parent}: {error.strerror}") from error
    download = Download(url, file, patience, to_unpack)
    for last in (False, True):
        address = download.run()
        problem = expected.problem(download.part)
        if problem is None:
            download.finish()
            return address
        damaged = download.put_aside()
        if not last:
            print(f"{url}: {problem}; fetching it once more", file=sys.stderr)
    raise InputError(
        f"{url}: {problem}, twice in a row; the file has changed there or is damaged on the way (what came is kept as "
        f"{damaged})"
    )


def _check_address(url: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise InputError(f"{url}: not an address that starts with http:// or https://")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InputError(f"{url}: not an address ({error})") from None
    if not host:
        raise InputError(f"{url}: not an address (it names no server)")


def checksum(file: Path, algorithm: str) -> str:
    """The checksum of a file in hexadecimal, with a progress bar."""
    digest = hashlib.new(algorithm)
    with file.open("rb") as content, byte_bar(f"checking {file.name}", file.stat().st_size) as bar:
        while chunk := content.read(CHUNK):
            digest.update(chunk)
            bar.update(len(chunk))
    return digest.hexdigest()
