"""The server of the paint page on a real port: its answers, and that bad requests get one clear status each."""

import io
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from scripts.paint import connections
from tests.scripts.paint.painters import BODY, HEIGHT, SESSION, WIDTH, ShowingPainter, image_path, serving, write_page

pytestmark = pytest.mark.tools

IDS = np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH) % 50
Z = np.array([7.0, -0.5, 0.25], dtype=np.float32)
SENT = IDS.tobytes() + Z.astype("<f4").tobytes()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return write_page(tmp_path_factory.mktemp("site") / "page")


@pytest.fixture(scope="module")
def painter():
    return ShowingPainter()


@pytest.fixture(scope="module")
def client(painter, page):
    with serving(painter, page) as client:
        yield client


@pytest.fixture(autouse=True)
def lives(client):
    """Whatever a test sends, the server answers afterwards."""
    yield
    assert client("GET", "/model.json")[0] == 200


def photo(size=(8, 6), format="PNG", **settings) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (200, 100, 50)).save(file, format, **settings)
    return file.getvalue()


def test_files_of_the_page_are_served_with_their_types(client):
    for path, kind in (("/", "text/html"), ("/index.html", "text/html"), ("/main.js", "text/javascript")):
        status, headers, body = client("GET", path)
        assert status == 200 and body and headers["content-type"] == f"{kind}; charset=utf-8"


@pytest.mark.parametrize("path", ["/", "/model.json", "/nothing", "/api/image", "/api/status"])
def test_every_answer_carries_the_policy(client, path):
    headers = client("GET", path)[1]
    assert headers["content-security-policy"].startswith("default-src 'self'; img-src 'self' blob: data:;")
    assert "http" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "server" not in headers


def test_an_image_is_that_of_the_ids_and_the_style(client):
    status, headers, body = client("POST", image_path(), SENT)
    pixels = np.asarray(Image.open(io.BytesIO(body)))
    assert status == 200 and headers["content-type"] == "image/png" and float(headers["x-milliseconds"]) >= 0
    assert np.array_equal(pixels[..., 0], IDS) and (pixels[..., 1] == 7).all()


def test_an_image_for_another_model_is_refused(client, painter):
    """The server was started again, and the page is that of before."""
    assert client("POST", f"{image_path()}&model=0a1b", SENT)[0] == 200
    before = painter.images
    for body in (SENT, SENT + bytes(2**20)):  # its maps may be larger
        status, _, answer = client("POST", f"{image_path()}&model=ffff", body)
        said = {"error": "the server has another model now; reload this page", "reload": True}
        assert status == 409 and json.loads(answer) == said
    assert painter.images == before


def test_a_style_is_what_the_encoder_finds(client):
    status, _, body = client("POST", "/api/style", photo(), Content_Type="image/png")
    assert status == 200 and json.loads(body) == {"z": [200.0, 100.0, 50.0]}


def test_the_status_names_the_device(client):
    status, _, body = client("GET", "/api/status")
    assert status == 200
    assert json.loads(body) | {"milliseconds": 0} == {"device": "a stand-in", "waiting": 0, "milliseconds": 0}


def with_id(value: int) -> bytes:
    ids = IDS.copy()
    ids[3, 5] = value
    return ids.tobytes() + Z.tobytes()


def with_z(value: float) -> bytes:
    return IDS.tobytes() + np.array([0, value, 0], "<f4").tobytes()


BAD = {
    "no such address": ("GET", "/nothing", None, 404, "there is nothing at this address"),
    "a file not for the page": ("GET", "/notes.txt", None, 404, "there is nothing at this address"),
    "a path upward": ("GET", "/../secret.js", None, 404, "there is nothing at this address"),
    "a path upward, encoded": ("GET", "/%2e%2e/secret.js", None, 404, "there is nothing at this address"),
    "a slash, encoded": ("GET", "/..%2fsecret.js", None, 404, "there is nothing at this address"),
    "a file of the machine": ("GET", "//etc/passwd", None, 404, "there is nothing at this address"),
    "a scene upward": ("GET", "/scenes/..%2f..%2fsecret.js", None, 404, ""),
    "no such scene": ("GET", "/scenes/0.png", None, 404, "there is no such scene"),
    "a scene of many digits": ("GET", f"/scenes/{'9' * 5000}.png", None, 404, "there is no such scene"),
    "another method": ("PUT", "/api/image", SENT, 405, "PUT: not taken here"),
    "an image by GET": ("GET", image_path(), None, 405, "GET: not taken here"),
    "the page by POST": ("POST", "/", b"", 405, "POST: not taken here"),
    "no session": ("POST", "/api/image?number=1&lane=picture", SENT, 400, "session: must be 32 digits"),
    "a long session": ("POST", image_path(SESSION + "0"), SENT, 400, "session: must be 32 digits"),
    "another session": ("POST", image_path("g" * 32), SENT, 400, "session: must be 32 digits"),
    "a negative number": ("POST", image_path(number=-1), SENT, 400, "number: must be 0 or a larger"),
    "a long number": ("POST", image_path(number="1" * 5000), SENT, 400, "number: must be 0 or a larger"),
    "no such lane": ("POST", image_path(lane="fast"), SENT, 400, "lane: must be picture or styles"),
    "no body": ("POST", image_path(), b"", 400, f"the body has 0 bytes; {BODY} are needed"),
    "a short body": ("POST", image_path(), SENT[:-1], 400, f"the body has {BODY - 1} bytes; {BODY} are needed"),
    "a long body": ("POST", image_path(), SENT + b"0", 413, f"the body has more than {BODY} bytes"),
    "an id too large": ("POST", image_path(), with_id(50), 400, "the pixel in column 5 of row 3 has id 50; ids are 0."),
    "z that is no number": ("POST", image_path(), with_z(np.nan), 400, "z: must be numbers from -100 to 100"),
    "an infinite z": ("POST", image_path(), with_z(np.inf), 400, "z: must be numbers from -100 to 100"),
    "a huge z": ("POST", image_path(), with_z(1e30), 400, "z: must be numbers from -100 to 100"),
    "text for a photo": ("POST", "/api/style", b"a" * 100, 415, "not a photo that can be read"),
    "a GIF": ("POST", "/api/style", photo(format="GIF"), 415, "not a photo that can be read"),
    "half a PNG": ("POST", "/api/style", photo((99, 99))[:60], 400, "the photo is broken"),
    "half a JPEG": ("POST", "/api/style", photo((99, 99), "JPEG")[:400], 400, "the photo is broken"),
    "no segmenter": ("POST", "/api/labels", photo(), 404, "this server does not label photos"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_gets_one_clear_status(client, name):
    method, path, body, status, line = BAD[name]
    answered, said = client.error(method, path, body)
    assert answered == status and said.startswith(line)


def test_a_photo_of_another_type_is_refused_by_its_name(client):
    assert client.error("POST", "/api/style", photo(), Content_Type="text/html")[0] == 415


def test_head_is_answered_without_a_body(client):
    assert client("HEAD", "/")[::2] == (200, b"")
    assert client("HEAD", "/api/image")[::2] == (405, b"")


def test_an_error_of_the_server_keeps_its_text(client, painter, capfd):
    painter.failing = True
    try:
        assert client.error("POST", image_path(), SENT) == (500, "internal error")
    finally:
        painter.failing = False
    line, deadline = "", time.monotonic() + 20
    while not line.endswith("\n"):  # it is written after the answer
        assert time.monotonic() < deadline
        line += capfd.readouterr().err
    assert line.count("\n") == 1 and "POST '/api/image': ZeroDivisionError: 'a secret of the server'" in line


def send_raw(client, text: bytes, *more: bytes) -> bytes:
    """What a server says to these bytes."""
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as connection:
        connection.sendall(text)
        for part in more:
            try:
                connection.sendall(part)
            except (BrokenPipeError, ConnectionResetError):
                break  # it has answered already
        try:
            return connection.recv(4096)
        except ConnectionResetError:
            return b"reset"


def head(path: str, *headers: str, host="") -> bytes:
    lines = [f"POST {path} HTTP/1.1", host or "Host: 127.0.0.1:PORT", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def raw_head(client, path: str, *headers: str) -> bytes:
    return head(path, *headers).replace(b"PORT", str(client.port).encode())


def test_a_declared_body_that_is_too_large_is_refused_before_it_comes(client):
    answer = send_raw(client, raw_head(client, "/api/style", f"Content-Length: {2**40}"))
    assert answer.startswith(b"HTTP/1.1 413")


def test_a_chunked_body_that_is_too_large_is_refused_while_it_comes(client):
    chunk = b"%x\r\n" % 2**20 + b"\0" * 2**20 + b"\r\n"
    answer = send_raw(client, raw_head(client, "/api/style", "Transfer-Encoding: chunked"), *[chunk] * 20, b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413")
    answer = send_raw(client, raw_head(client, "/api/style", "Transfer-Encoding: chunked"), *[chunk] * 90)
    assert answer.startswith(b"HTTP/1.1 413") or answer == b"reset"  # it reads no further
    chunk = b"%x\r\n" % (BODY + 1) + b"\0" * (BODY + 1) + b"\r\n0\r\n\r\n"
    answer = send_raw(client, raw_head(client, image_path(), "Transfer-Encoding: chunked"), chunk)
    assert answer.startswith(b"HTTP/1.1 413")


def test_a_photo_that_is_too_large_is_refused_when_it_has_come(client):
    """A browser that is answered in the middle of its body shows no answer."""
    assert client.error("POST", "/api/style", bytes(20 * 2**20))[0] == 413


def test_a_chunked_body_of_the_right_size_is_taken(client):
    parts = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (SENT[:100], SENT[100:]))
    answer = send_raw(client, raw_head(client, image_path(), "Transfer-Encoding: chunked"), parts + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")


def test_a_request_without_a_body_is_told_to_have_one(client):
    assert send_raw(client, raw_head(client, image_path())).startswith(b"HTTP/1.1 411")


@pytest.mark.parametrize("text", [b"\0\1\2\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"])
def test_what_is_no_http_is_refused(client, text):
    assert send_raw(client, text).startswith(b"HTTP/1.1 40")


def test_a_long_header_is_refused(client):
    assert send_raw(client, raw_head(client, "/", "X-Long: " + "a" * 200_000)).startswith(b"HTTP/1.1 4")


@pytest.mark.parametrize(("text", "is_first"), [(b"", True), (b"GET / HTTP/1.1\r\nX-A: ", True), (b"G", False)])
def test_a_connection_on_which_no_request_comes_is_closed(client, text, is_first, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.4)
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as connection:
        if not is_first:
            connection.sendall(b"HEAD / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % client.port)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        connection.sendall(text)
        began = time.monotonic()
        assert connection.recv(4096) == b""
        assert time.monotonic() - began < 4  # of idle connections after an answer, uvicorn thinks so after 5 s


def test_an_image_may_take_longer_than_its_request(client, painter, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    with ThreadPoolExecutor() as pool, painter.held():
        asked = pool.submit(client.image, IDS, Z, 1)
        assert painter.begun.wait(20)
        time.sleep(0.5)
        painter.gate.set()
        assert asked.result()[0] == 200


def test_a_client_that_leaves_in_the_middle_of_its_body_does_no_harm(client, painter):
    before = painter.images
    with socket.create_connection(("127.0.0.1", client.port)) as connection:
        connection.sendall(raw_head(client, image_path(), f"Content-Length: {BODY}") + SENT[:50])
    assert client("POST", image_path(), SENT)[0] == 200
    assert painter.images == before + 1


def test_what_waits_for_a_client_that_is_gone_is_not_computed(client, painter):
    before = painter.images
    with ThreadPoolExecutor() as pool, painter.held():
        running = pool.submit(client.image, IDS, Z, 1, "0" * 32)
        assert painter.begun.wait(20)
        with socket.create_connection(("127.0.0.1", client.port)) as connection:
            connection.sendall(raw_head(client, image_path("1" * 32), f"Content-Length: {BODY}") + SENT)
            wait_until_waiting(client, 1)
        wait_until_waiting(client, 0)
        painter.gate.set()
        assert running.result()[0] == 200
    assert painter.images == before + 1


def wait_until_waiting(client, count: int) -> None:
    deadline = time.monotonic() + 20
    while json.loads(client("GET", "/api/status")[2])["waiting"] != count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_newest_of_a_lane_wins_and_lanes_do_not_touch(client, painter):
    before = painter.images
    with ThreadPoolExecutor() as pool, painter.held():
        asked = [pool.submit(client.image, IDS, Z, 1)]
        assert painter.begun.wait(20)
        for waiting, (number, lane) in enumerate([(2, "picture"), (3, "styles")], start=1):
            asked.append(pool.submit(client.image, IDS, Z, number, lane=lane))
            wait_until_waiting(client, waiting)
        asked.append(pool.submit(client.image, IDS, Z, 4))
        assert asked[1].result()[0] == 409  # at once, although the first one still runs
        assert client.image(IDS, Z, 3)[0] == 409  # it comes late
        painter.gate.set()
        assert [one.result()[0] for one in asked] == [200, 409, 200, 200]
    assert painter.images == before + 3


def test_too_many_requests_are_told_to_come_again(client, painter):
    with ThreadPoolExecutor(80) as pool, painter.held():
        first = pool.submit(client.image, IDS, Z, 1)
        assert painter.begun.wait(20)
        waiting = [pool.submit(client.image, IDS, Z, 1, f"{k:032x}") for k in range(64)]
        wait_until_waiting(client, 64)
        status, headers, _ = client("POST", image_path("f" * 32), SENT)
        assert (status, headers["retry-after"]) == (503, "1")
        painter.gate.set()
        assert {one.result()[0] for one in [first, *waiting]} == {200}


def test_the_page_is_served_while_the_model_is_loaded_and_requests_wait(page):
    go = threading.Event()

    def load():
        assert go.wait(20)
        return ShowingPainter()

    with serving(None, page, load=load) as client, ThreadPoolExecutor() as pool:
        waiting = pool.submit(client.image, IDS, Z, 1)
        assert client("GET", "/")[0] == 200
        assert json.loads(client("GET", "/api/status")[2])["device"] == "loading the model"
        go.set()
        assert waiting.result()[0] == 200
