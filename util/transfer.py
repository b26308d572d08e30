"""The transfer itself: bytes of one file over HTTP, gathered over as many connections as it takes."""

import json
import shutil
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

from tqdm import tqdm

from util.errors import InputError
from util.files import name_for_damaged, readable_size, replacing, set_aside

CHUNK = 1 << 18  # bytes
USER_AGENT = "spade-fetch/1.0"
WORTH_A_RETRY = {408, 425, 429, 500, 502, 503, 504}  # HTTP statuses that pass
LONGEST_PAUSE = 60.0  # seconds


class RefusedError(InputError):
    """The server answered with an HTTP status that will not change by asking again; `status` is its number."""

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
        attempts: so many failures in a row without a new byte are too many.
        unanswered: the same before the server has answered for the first time.
        pause: the first one, in seconds; it doubles.
        timeout: how long a connection may be silent, in seconds.
    """

    attempts: int = 6
    unanswered: int = 6
    pause: float = 1.0
    timeout: float = 60.0

    def wait(self, failures: int, asked: float = 0) -> None:
        """Sleep after so many failures; `asked` is what the server wants, in seconds."""
        time.sleep(min(max(self.pause * 2 ** (failures - 1), asked), LONGEST_PAUSE))


PATIENT = Patience()


class Download:
    """The bytes of a file that have arrived, and the way to get the others.

    FILE.part.json remembers what the server said of the file when its first byte came: size and a validator (entity
    tag or date), by which later bytes are known to be of the same file.
    """

    def __init__(self, url: str, file: Path, patience: Patience, to_unpack: bool):
        self.url, self.file, self.patience, self.to_unpack = url, file, patience, to_unpack
        self.part = file.with_name(f"{file.name}.part")
        self.note = file.with_name(f"{file.name}.part.json")
        self.damaged = name_for_damaged(file)
        self.answered = False

    def run(self) -> str:
        """Connect until all bytes are there; returns the final address."""
        failures, most = 0, self._arrived()
        while True:
            asked = 0.0
            try:
                return self._connect()
            except InputError:
                raise
            except urllib.error.HTTPError as error:
                if error.code not in WORTH_A_RETRY:
                    raise RefusedError(self.url, error.code, error.reason) from None
                self.answered = True
                asked, reason = _seconds(error.headers.get("Retry-After")), f"{error.code} {error.reason}"
            except (OSError, HTTPException, ValueError) as error:  # cut, timed out, no such host, wrong proxy
                cause = getattr(error, "reason", error)
                if isinstance(cause, ssl.SSLCertVerificationError):
                    raise InputError(
                        f"{self.url}: {cause.verify_message}; the certificate is not trusted{_route(self.url)} "
                        f"(SSL_CERT_FILE=FILE names others to trust)"
                    ) from None
                reason = str(cause) or type(cause).__name__
                reason += _route(self.url)
            failures = 1 if self._arrived() > most else failures + 1
            most = max(most, self._arrived())
            if failures >= (self.patience.attempts if self.answered else self.patience.unanswered):
                raise InputError(f"{self.url}: {reason}{self._so_far(failures)}")
            tqdm.write(f"{self.file.name}: {reason}; trying again", file=sys.stderr)
            self.patience.wait(failures, asked)

    def _so_far(self, failures: int) -> str:
        """What has been tried, and what it has brought."""
        tried = f", {failures} times without a new byte" if failures > 1 else ""
        if not self._arrived():
            return tried
        return f"{tried}; {readable_size(self._arrived())} are in {self.part}, and the same command goes on from there"

    def finish(self) -> None:
        self.part.rename(self.file)
        self.note.unlink(missing_ok=True)

    def put_aside(self) -> Path:
        """Keep what has arrived last, but is not what was wanted, as FILE.damaged, or numbered; return its path."""
        self.note.unlink(missing_ok=True)
        return self.part.replace(self.damaged)

    def discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def _arrived(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _remembered(self) -> dict:
        """What FILE.part.json says of this address; without it the part is not ours, and is set aside."""
        if self._arrived() and not self.note.exists():
            print(f"{self.part}: of another program; it is kept as {set_aside(self.part)}", file=sys.stderr)
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
            if note["url"] == self.url and (note["size"] is None or note["size"] >= self._arrived()):
                return note
        except (OSError, ValueError, KeyError, TypeError):
            pass
        self.discard()
        return {"url": self.url, "validator": None, "size": None}

    def _connect(self) -> str:
        """Ask for the missing bytes and write them. Raises `OSError` or `HTTPException` where the network fails."""
        note = self._remembered()
        start = self._arrived()
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
            if start and error.code == 416:  # the file there is shorter than what we have of it: another one
                self.discard()
                raise ConnectionError("the file has changed on the server") from None
            raise
        self.answered = True
        with response:
            if response.status == 206:
                if _content_range(response) != (start, note["size"]):
                    self.discard()
                    raise ConnectionError("the server sent another range than asked for")
            elif response.status == 200:
                start, note = 0, self._remember(response)
            else:
                raise RefusedError(self.url, response.status, response.reason)
            self._receive(response, start, note["size"])
            return response.url

    def _remember(self, response: HTTPResponse) -> dict:
        """Begin a new part."""
        tag, size = response.headers.get("ETag", ""), response.headers.get("Content-Length")
        validator = tag if tag.startswith('"') else response.headers.get("Last-Modified")  # weak tags do not count
        note = {"url": self.url, "validator": validator, "size": None if size is None else int(size)}
        with _disk_errors(self.part):
            self.part.write_bytes(b"")
            with replacing(self.note) as temporary:
                temporary.write_text(json.dumps(note), encoding="utf-8")
        return note

    def _receive(self, response: HTTPResponse, start: int, size: int | None) -> None:
        self._check_space(start, size)
        with _disk_errors(self.part):
            part = self.part.open("r+b", buffering=0)
        with part, byte_bar(self.file.name, size, start) as bar:
            part.seek(start)
            while chunk := response.read(CHUNK):
                with _disk_errors(self.part):
                    _write_all(part, chunk)
                bar.update(len(chunk))
        if size is not None and self._arrived() != size:
            raise ConnectionError(f"the connection was cut at {readable_size(self._arrived())}")

    def _check_space(self, start: int, size: int | None) -> None:
        if size is None:
            return
        needed, free = size * (2 if self.to_unpack else 1) - start, shutil.disk_usage(self.part.parent).free
        if needed > free:
            content = ", its content included" if self.to_unpack else ""
            raise InputError(
                f"{self.file}: needs {readable_size(needed)} more{content}, and {readable_size(free)} are free; "
                f"make room or name a folder on another disk"
            )


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Turn a failure of the disk, as opposed to the network, into an `InputError`."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror}; what has arrived is kept, and the same command goes on from there once there "
            f"is room and permission"
        ) from error


def _write_all(file, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]


def _content_range(response: HTTPResponse) -> tuple[int, int | None] | None:
    """(first byte, size of the whole file) of "bytes 100-199/200"; None if it is not of that form."""
    try:
        span, size = response.headers.get("Content-Range", "").removeprefix("bytes ").split("/")
        return int(span.split("-")[0]), None if size == "*" else int(size)
    except ValueError:
        return None


def _route(url: str) -> str:
    """ " through the proxy ..." if there is one. Its address is not shown: it may hold a password."""
    parts = urlsplit(url)
    if parts.scheme not in urllib.request.getproxies() or urllib.request.proxy_bypass(parts.hostname or ""):
        return ""
    return f" (through the proxy that {parts.scheme}_proxy names)"


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isdigit() else 0.0


def byte_bar(what: str, size: int | None, start: int = 0) -> tqdm:
    """A progress bar in bytes, of which `start` are there already; `size` None if nobody knows."""
    return tqdm(desc=what, total=size, initial=start, unit="B", unit_scale=True, leave=False)
