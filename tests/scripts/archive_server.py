"""A web server on 127.0.0.1 that serves files from memory and misbehaves on demand."""

import contextlib
import hashlib
import itertools
import math
import re
import threading
import time
import urllib.parse
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ArchiveServer:
    """Serves `files` (path -> bytes) with Range, If-Range and ETag, and keeps `requests`: (path, headers) of each.

    Attributes:
        cuts: path -> in how many answers the connection is cut.
        cut_after: which fraction of the body is sent before, one value per answer.
        statuses: path -> HTTP statuses to answer first, one per request.
        ranges: whether Range is honored.
        validators: whether answers have an ETag.
        redirects: path -> another one.
        delay: seconds before each answer.
    """

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.cuts: dict[str, int] = {}
        self.statuses: dict[str, list[int]] = {}
        self.redirects: dict[str, str] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.ranges = self.validators = True
        self.cut_after = itertools.repeat(0.5)
        self.delay = 0.0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def ranges_asked(self) -> list[str | None]:
        return [headers.get("range") for _, headers in self.requests]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, site: ArchiveServer, *arguments):
        self.site = site
        super().__init__(*arguments)

    def do_GET(self):
        site, path = self.site, urllib.parse.unquote(self.path)
        site.requests.append((path, {name.lower(): value for name, value in self.headers.items()}))
        time.sleep(site.delay)
        if site.statuses.get(path):
            return self._answer(site.statuses[path].pop(0), b"")
        if path in site.redirects:
            return self._answer(302, b"", {"Location": site.redirects[path]})
        if path not in site.files:
            return self._answer(404, b"")
        body, headers = site.files[path], {}
        if site.validators:
            headers["ETag"] = f'"{hashlib.sha1(body).hexdigest()}"'
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same_file = self.headers.get("If-Range") in (None, headers.get("ETag"))
        if not (asked and site.ranges and same_file):
            return self._answer(200, body, headers)
        start = int(asked[1])
        if start >= len(body):
            return self._answer(416, b"", {"Content-Range": f"bytes */{len(body)}"})
        headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        return self._answer(206, body[start:], headers)

    def _answer(self, status, body, headers=None):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        path = urllib.parse.unquote(self.path)
        if body and self.site.cuts.get(path, 0) > 0:
            self.site.cuts[path] -= 1
            body, self.close_connection = body[: math.ceil(len(body) * next(self.site.cut_after))], True
        with contextlib.suppress(ConnectionError):  # the client may have had enough
            self.wfile.write(body)

    def log_message(self, *_):
        pass
