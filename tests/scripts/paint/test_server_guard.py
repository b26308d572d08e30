"""Who may use the server: its own page, with the token where there is one."""

import asyncio

import pytest
from starlette.responses import Response

from scripts.paint.guard import Guard
from tests.scripts.paint.painters import ShowingPainter, serving, write_page

pytestmark = pytest.mark.tools

TOKEN = "a-secret_of-16ch"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return write_page(tmp_path_factory.mktemp("site") / "page")


@pytest.fixture(scope="module")
def client(page):
    with serving(ShowingPainter(), page, "--allow_host", "Paint.example.org") as client:
        yield client


@pytest.fixture(scope="module")
def guarded(page):
    with serving(ShowingPainter(), page, token=TOKEN) as client:
        yield client


@pytest.mark.parametrize(
    "host", ["127.0.0.1:PORT", "localhost:PORT", "LOCALHOST:PORT", "[::1]:PORT", "paint.example.org"]
)
def test_own_names_are_answered(client, host):
    assert client("GET", "/", Host=host.replace("PORT", str(client.port)))[0] == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:PORT", "127.0.0.1", "localhost:1", "", "192.168.1.2:PORT", "a@localhost:PORT"],
)
def test_other_names_are_refused(client, host):
    """A name of another site may lead here: DNS rebinding."""
    status, line = client.error("GET", "/model.json", Host=host.replace("PORT", str(client.port)))
    assert status == 403 and line.startswith("this address is not one of this server")


@pytest.mark.parametrize("path", ["/", "/api/image"])
@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:PORT", "http://127.0.0.1", "file://"]
)
def test_requests_of_other_sites_are_refused(client, path, origin):
    method = "POST" if "api" in path else "GET"
    status, line = client.error(method, path, b"", Origin=origin.replace("PORT", str(client.port)))
    assert (status, line) == (403, "pages of other sites may not use this server")


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_sites_may_link_to_the_page_and_embed_nothing(client, site):
    assert client("GET", "/", Sec_Fetch_Site=site)[0] == 200
    for path in ("/main.js", "/model.json", "/scenes/9999.png"):
        status, line = client.error("GET", path, Sec_Fetch_Site=site)
        assert (status, line) == (403, "pages of other sites may not use this server")
    assert client("GET", "/main.js", Sec_Fetch_Site="same-origin")[0] == 200


def test_requests_of_the_page_itself_are_answered(client):
    assert client("GET", "/", Origin=f"http://127.0.0.1:{client.port}")[0] == 200
    assert client("GET", "/", Host="paint.example.org", Origin="https://paint.example.org")[0] == 200


@pytest.mark.parametrize("given", [{}, {"Cookie": "token=x"}, {"Authorization": "Bearer x"}, {"Authorization": TOKEN}])
@pytest.mark.parametrize(
    "path", ["/", "/main.js", "/model.json", "/api/status", "/nothing", "/?token=", "/?token=%C3%A9"]
)
def test_without_the_token_nothing_is_answered(guarded, path, given):
    status, line = guarded.error("GET", path, **given)
    assert (status, line) == (401, "open the address that the program printed; it ends in ?token=...")


def test_the_token_in_the_address_becomes_a_cookie(guarded):
    status, headers, _ = guarded("GET", f"/?token={TOKEN}")
    cookie = headers["set-cookie"]
    assert status == 200
    assert cookie == f"paint_token_{guarded.port}={TOKEN}; Path=/; HttpOnly; SameSite=Strict"
    status, headers, _ = guarded("GET", "/main.js", Cookie=f"other=1; {cookie.partition(';')[0]}")
    assert status == 200 and "set-cookie" not in headers
    assert guarded("GET", "/main.js", Authorization=f"Bearer {TOKEN}")[0] == 200


def test_a_broken_cookie_is_none(guarded):
    assert guarded.error("GET", "/", Cookie='a="; =;; \x01')[0] == 401


@pytest.mark.parametrize(
    "given",
    [
        {"Cookie": 'theme={"dark": true}; a[b]=c; OWN'},
        {"Cookie": "OWN; x=@/,;,"},
        {"Cookie": "paint_token_PORT=stale; OWN"},
        {"Cookie": "OWN", "Authorization": "Bearer of-another-program"},
        {"Cookie": "paint_token_PORT=stale", "Authorization": f"Bearer {TOKEN}"},
    ],
)
def test_the_token_is_found_beside_what_is_of_others(guarded, given):
    own = f"paint_token_PORT={TOKEN}"
    sent = {name: value.replace("OWN", own).replace("PORT", str(guarded.port)) for name, value in given.items()}
    assert guarded("GET", "/main.js", **sent)[0] == 200


def answer(guard: Guard, **scope) -> list[dict]:
    """What a guard sends, without a server."""
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(guard({"type": "http", "method": "GET", "path": "/", "query_string": b"", **scope}, None, send))
    return sent


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *((host, 204) for host in ("machine:8000", "192.168.1.2:8000", "[fe80::1]:8000")),
        *(
            (host, 403)
            for host in ("192.168.1.2", "192.168.1.2:80", "evil.example:8000", "1.2.3.4.5:8000", "1.2.3:8000")
        ),
        *((host, 403) for host in ("[::1]", "[zz]:8000", "machine")),
    ],
)
def test_a_server_for_all_addresses_takes_addresses_but_no_names(host, status):
    """Who calls it by its address in the local network is no rebound name."""
    guard = Guard(Response(status_code=204), hosts=["machine:8000"], token=None, port=8000)
    assert answer(guard, headers=[(b"host", host.encode())])[0]["status"] == status


def test_two_host_headers_are_refused():
    guard = Guard(Response(status_code=204), hosts=["machine"], token=None)
    assert answer(guard, headers=[(b"host", b"machine")] * 2)[0]["status"] == 403


def test_behind_https_the_cookie_is_for_https_alone():
    guard = Guard(Response(status_code=204), hosts=["machine"], token=TOKEN)
    query = f"token={TOKEN}".encode()
    sent = answer(guard, scheme="https", headers=[(b"host", b"machine")], query_string=query)
    assert dict(sent[0]["headers"])[b"set-cookie"].endswith(b"; SameSite=Strict; Secure")


def test_web_sockets_are_closed():
    assert answer(Guard(Response(), hosts=[], token=None), type="websocket") == [{"type": "websocket.close"}]


def test_the_token_never_reaches_the_terminal(guarded, capfd):
    assert guarded("GET", f"/?token={TOKEN}")[0] == 200
    assert TOKEN not in "".join(capfd.readouterr())
