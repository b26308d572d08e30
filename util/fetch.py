"""Download a file over HTTP: interrupted transfers resume, and files are checked before they get their name."""

import json
import shutil
import ssl
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tqdm import tqdm

from util.errors import ADVICE_ON_MACHINE, InputError
from util.files import checksum, impostor, name_for_damaged, readable_size, replacing, set_aside

CHUNK = 1 << 18  # bytes
USER_AGENT = "spade-fetch/1.0"
WORTH_A_RETRY = {408, 425, 429, 500, 502, 503, 504}  # HTTP statuses of temporary errors
LONGEST_PAUSE = 60.0  # seconds


class RefusedError(InputError):
    """The server answered with the HTTP status `status`, for which a retry is useless."""

    def __init__(self, url: str, status: int, reason: str):
        advice = "is the address right, and still in use?"
        if status == 407:
            advice = f"{urlsplit(url).scheme}_proxy must hold a user and password: http://USER:PASSWORD@HOST:PORT"
        super().__init__(f"{url}: the server answers {status} {reason}{_route(url)}; {advice}")
        self.status = status


@dataclass(frozen=True)
class Patience:
    """When to give up.

    Attributes:
        attempts: number of failures in a row, without a new byte, after which to give up.
        unanswered: the same before the first answer of the server.
        pause: seconds before the second attempt; doubled after each failure.
        timeout: seconds that a connection may be silent.
    """

    attempts: int = 6
    unanswered: int = 6
    pause: float = 1.0
    timeout: float = 60.0


@dataclass(frozen=True)
class Expected:
    """Published size (bytes) and checksums (hexadecimal) of a file; None if not published.

    The first digits of the SHA-256 suffice.
    """

    size: int | None = None
    md5: str | None = None
    sha256: str | None = None

    def problem(self, file: Path) -> str | None:
        """Say how `file` differs from what is published; None if it does not."""
        wrong = self._difference(file)
        return f"it is {what}" if wrong and (what := impostor(file)) else wrong

    def _difference(self, file: Path) -> str | None:
        if self.size is not None and file.stat().st_size != self.size:
            return f"it has {file.stat().st_size} bytes instead of {self.size}"
        for name, wanted in (("md5", self.md5), ("sha256", self.sha256)):
            if wanted is not None and not (found := checksum(file, name)).startswith(wanted.lower()):
                return f"its {name} is {found} instead of {wanted}"
        return None


def fetch(
    url: str, file: Path, expected: Expected = Expected(), patience: Patience = Patience(), to_unpack: bool = False
) -> str | None:
    """Download `url` to `file`, unless a whole `file` is there.

    Args:
        to_unpack: also require free space for the content, estimated by the archive's size (photos do not compress).

    Returns:
        The final address after redirects; None if the file was there.

    Raises:
        RefusedError: for HTTP statuses such as 404.
        InputError: there is no connection or the disk is full, and the received part stays in FILE.part; or the file
            differs twice from what is published, and is kept as FILE.damaged.
    """
    _check_address(url)
    if file.is_dir():
        raise InputError(f"{file}: is a folder; name the file to write, such as {file / 'FILE'}")
    if file.exists():
        if (problem := expected.problem(file)) is None:
            return None
        print(f"{file}: {problem}; it is kept as {set_aside(file)}, and fetched again", file=sys.stderr)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {file.parent}: {error.strerror}") from error
    download, damaged = Download(url, file, patience, to_unpack), name_for_damaged(file)
    for last in (False, True):
        address = download.run()
        download.note.unlink(missing_ok=True)
        if (problem := expected.problem(download.part)) is None:
            download.part.rename(file)
            return address
        download.part.replace(damaged)
        if not last:
            print(f"{url}: {problem}; fetching it once more", file=sys.stderr)
    raise InputError(
        f"{url}: {problem}, twice in a row; the file has changed there or is damaged on the way (what came is kept as "
        f"{damaged})"
    )


class Download:
    """Downloads a file to FILE.part, and resumes from what is there.

    FILE.part.json holds what the server said at the first byte: size, and a validator (entity tag or date) that ensures
    that later bytes belong to the same file.
    """

    def __init__(self, url: str, file: Path, patience: Patience, to_unpack: bool):
        self.url, self.file, self.patience, self.to_unpack = url, file, patience, to_unpack
        self.part = file.with_name(f"{file.name}.part")
        self.note = file.with_name(f"{file.name}.part.json")
        self.answered = False

    def run(self) -> str:
        """Retry until all bytes are there; return the final address. Raises `InputError` after too many failures."""
        failures, most = 0, self._arrived()
        while True:
            try:
                return self._connect()
            except InputError:
                raise
            except (OSError, HTTPException, ValueError) as error:  # ValueError: a malformed proxy
                reason, pause = self._failure(error)
            failures = 1 if self._arrived() > most else failures + 1
            most = max(most, self._arrived())
            if failures >= (self.patience.attempts if self.answered else self.patience.unanswered):
                raise InputError(f"{self.url}: {reason}{self._progress(failures)}")
            tqdm.write(f"{self.file.name}: {reason}; trying again", file=sys.stderr)
            time.sleep(min(max(self.patience.pause * 2 ** (failures - 1), pause), LONGEST_PAUSE))

    def _failure(self, error: Exception) -> tuple[str, float]:
        """Return what failed and the server's pause in seconds. Raises `InputError` if the failure is permanent."""
        if isinstance(error, urllib.error.HTTPError):
            if error.code not in WORTH_A_RETRY:
                raise RefusedError(self.url, error.code, error.reason) from None
            self.answered = True
            asked = error.headers.get("Retry-After", "")
            return f"{error.code} {error.reason}", float(asked) if asked.isdigit() else 0.0
        if isinstance(error, OSError) and (error.filename or error.errno in ADVICE_ON_MACHINE):
            raise InputError(
                f"{self.part}: {error.strerror}; what has arrived is kept, and the same command goes on from there "
                f"once there is room and permission"
            ) from error
        cause = getattr(error, "reason", error)
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise InputError(
                f"{self.url}: {cause.verify_message}; the certificate is not trusted{_route(self.url)} "
                f"(SSL_CERT_FILE=FILE names others to trust)"
            ) from None
        words = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
        return f"{words}{_route(self.url)}", 0.0

    def _progress(self, failures: int) -> str:
        """Say how often was tried, and how much was received."""
        tried = f", {failures} times without a new byte" if failures > 1 else ""
        if not self._arrived():
            return tried
        return f"{tried}; {readable_size(self._arrived())} are in {self.part}, and the same command goes on from there"

    def _connect(self) -> str:
        """Ask for the missing bytes and write them. Raises `OSError` or `HTTPException` where network or disk fail."""
        note, start = self._read_note(), self._arrived()
        if start and start == note["size"]:
            return self.url
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if note["validator"]:
                headers["If-Range"] = note["validator"]
        request = urllib.request.Request(self.url, headers=headers)
        try:
            # urlopen would keep the proxies of the first download.
            response = urllib.request.build_opener().open(request, timeout=self.patience.timeout)
        except urllib.error.HTTPError as error:
            if start and error.code == 416:  # the server's file is shorter than our part, so it is another file
                self._discard()
                raise ConnectionError("the file has changed on the server") from None
            raise
        self.answered = True
        with response:
            if response.status == 200:
                start, note = 0, self._begin(response)
            elif response.status != 206:
                raise RefusedError(self.url, response.status, response.reason)
            elif not _is_range(response.headers.get("Content-Range", ""), start, note["size"]):
                self._discard()
                raise ConnectionError("the server sent another range than asked for")
            self._receive(response, start, note["size"])
            return response.url

    def _read_note(self) -> dict[str, Any]:
        """Read FILE.part.json if it is about this address; a part without it is not ours, and is set aside."""
        if self._arrived() and not self.note.exists():
            print(f"{self.part}: of another program; it is kept as {set_aside(self.part)}", file=sys.stderr)
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
            if note["url"] == self.url and (note["size"] is None or note["size"] >= self._arrived()):
                return note
        except (OSError, ValueError, KeyError, TypeError):
            pass
        self._discard()
        return {"validator": None, "size": None}

    def _begin(self, response: HTTPResponse) -> dict[str, Any]:
        """Start a new part and its note."""
        tag, size = response.headers.get("ETag", ""), response.headers.get("Content-Length")
        validator = tag if tag.startswith('"') else response.headers.get("Last-Modified")  # weak tags do not count
        note = {"url": self.url, "validator": validator, "size": None if size is None else int(size)}
        self.part.write_bytes(b"")
        with replacing(self.note) as temporary:
            temporary.write_text(json.dumps(note), encoding="utf-8")
        return note

    def _receive(self, response: HTTPResponse, start: int, size: int | None) -> None:
        self._check_space(start, size)
        bar = {"desc": self.file.name, "initial": start, "unit": "B", "unit_scale": True, "leave": False}
        with self.part.open("ab") as part, tqdm.wrapattr(response, "read", size, bytes=False, **bar) as content:
            shutil.copyfileobj(content, part, CHUNK)
        if size is not None and self._arrived() != size:
            raise ConnectionError(f"the connection was cut at {readable_size(self._arrived())}")

    def _check_space(self, start: int, size: int | None) -> None:
        needed = 0 if size is None else size * (2 if self.to_unpack else 1) - start
        free = shutil.disk_usage(self.part.parent).free
        if needed > free:
            content = ", its content included" if self.to_unpack else ""
            raise InputError(
                f"{self.file}: needs {readable_size(needed)} more{content}, and {readable_size(free)} are free; "
                f"make room or name a folder on another disk"
            )

    def _arrived(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a malformed host or port
        is_address = False
    if not is_address:
        raise InputError(f"{url}: not an address of the form http://HOST/PATH or https://HOST/PATH")


def _is_range(header: str, start: int, size: int | None) -> bool:
    """Whether a header such as "bytes 100-199/200" describes the rest of the file from `start` on."""
    return header.startswith(f"bytes {start}-") and header.endswith(f"/{'*' if size is None else size}")


def _route(url: str) -> str:
    """Return " (through the proxy ...)" if there is one. Its address may hold a password and is not shown."""
    parts = urlsplit(url)
    if parts.scheme not in urllib.request.getproxies() or urllib.request.proxy_bypass(parts.hostname or ""):
        return ""
    return f" (through the proxy that {parts.scheme}_proxy names)"
