"""What stands before the page and its models: who may ask, how much is received, and what every answer carries."""

from __future__ import annotations

import ipaddress
import re
import secrets
import sys
import traceback
from collections.abc import Collection
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scripts.paint.headers import HEADERS
from scripts.paint.options import PROGRAM

OTHER_SITE = "pages of other sites may not use this server"


class Guard:
    """Refuses requests of other sites and of those without the token; lets no error leave with its text.

    A page of another site can send requests to this server, from the browser of a person who has it open: by its own
    address, which the Origin header tells; or by a name of its own that it lets point here (DNS rebinding), which the
    Host header tells.

    Args:
        app: answers the requests that are let through.
        hosts: allowed values of Host, in lower case.
        token: the secret; None if none is asked for.
        port: if given, IP addresses with this port are allowed as Host, too: a rebound name is none.
        cookie: name of the cookie with the token. Cookies are the same for all ports of a machine.
    """

    def __init__(
        self, app: ASGIApp, hosts: Collection[str], token: str | None, port: int | None = None, cookie: str = "token"
    ):
        self.app = app
        self.hosts, self.port = frozenset(hosts), port
        self.token, self.cookie = token, cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no web sockets
            await send({"type": "websocket.close"})
            return
        begun = False
        cookies: list[str] = []

        async def send_with_headers(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                for cookie in cookies:
                    headers.append("Set-Cookie", cookie)
            await send(message)

        try:
            refusal = self._refusal(scope, cookies)
            await (refusal or self.app)(scope, receive, send_with_headers)
        except Exception as error:
            report(scope, error)
            if not begun:
                await error_response(500, "internal error")(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope, cookies: list[str]) -> Response | None:
        """The answer to a request that is not let through; else None, and `cookies` to set."""
        headers = Headers(scope=scope)
        named = headers.getlist("host")
        host = named[0].lower() if len(named) == 1 else ""
        if not self._is_own(host):
            return error_response(403, "this address is not one of this server; --allow_host adds a name")
        origins = headers.getlist("origin")
        if origins and {origin.lower() for origin in origins} - {f"http://{host}", f"https://{host}"}:
            return error_response(403, OTHER_SITE)
        # A page of another site, or of another port, may link here, but embed nothing: loading it would cost time.
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and scope["path"] != "/":
            return error_response(403, OTHER_SITE)
        if self.token is None or any(map(self._is_token, _sent_in_headers(headers, self.cookie))):
            return None
        if not self._is_token(parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[-1]):
            return error_response(401, "open the address that the program printed; it ends in ?token=...")
        secure = "; Secure" if scope["scheme"] == "https" else ""
        cookies.append(f"{self.cookie}={self.token}; Path=/; HttpOnly; SameSite=Strict{secure}")
        return None

    def _is_own(self, host: str) -> bool:
        return host in self.hosts or (self.port is not None and _is_address(host, self.port))

    def _is_token(self, given: str) -> bool:
        assert self.token is not None
        return secrets.compare_digest(given.encode(errors="replace"), self.token.encode())


def _sent_in_headers(headers: Headers, cookie: str) -> list[str]:
    """What may be the token: the values of all cookies of this name, and of the Authorization header.

    Cookies of other programs on the same machine come along, and no rule holds for them.
    """
    pairs = [pair.partition("=") for line in headers.getlist("cookie") for pair in line.split(";")]
    found = [value.strip() for name, _, value in pairs if name.strip() == cookie]
    kind, _, bearer = headers.get("authorization", "").partition(" ")
    return [*found, bearer.strip()] if kind.lower() == "bearer" else found


def _is_address(host: str, port: int) -> bool:
    """Whether a Host header is an IP address with this port."""
    match = re.fullmatch(r"\[([0-9a-f:.]+)\](:\d+)?|([0-9.]+)(:\d+)?", host)
    if not match or (match[2] or match[4] or ":80") != f":{port}":
        return False
    try:
        ipaddress.ip_address(match[1] or match[3])
    except ValueError:
        return False
    return True


def error_response(status: int, line: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An answer that says in one line what is wrong."""
    return JSONResponse({"error": line}, status, headers)


def report(scope: Scope, error: Exception) -> None:
    """Say on standard error, in one line, which request an unexpected error belongs to and where it was raised."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(str(error).split())[:200]
    where = f"{frame.filename}:{frame.lineno}"
    print(
        f"{PROGRAM}: {scope['method']} {scope['path']!a}: {type(error).__name__}: {text!a} ({where})",
        file=sys.stderr,
        flush=True,
    )
