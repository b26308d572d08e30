"""A stand-in for a painter, whose images show what they were asked for, and servers of it."""

import contextlib
import http.client
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.paint.addresses import listen
from scripts.paint.options import parse_args
from scripts.paint.server import create_server

SESSION = "0123456789abcdef" * 2
HEIGHT, WIDTH, LABELS, Z_DIM = 12, 16, 50, 3
BODY = HEIGHT * WIDTH + 4 * Z_DIM


class ShowingPainter:
    """Red is the id, green the first number of z, blue how many images there were.

    Attributes:
        gate: images wait here while it is not set.
        begun: set when an image is begun.
        prepared: how many layouts were made.
        failing: whether images raise an exception.
    """

    height, width, num_labels, z_dim = HEIGHT, WIDTH, LABELS, Z_DIM
    device_name = "a stand-in"
    scenes = None

    def __init__(self):
        self.gate, self.begun = threading.Event(), threading.Event()
        self.gate.set()
        self.images = self.prepared = 0
        self.failing = False

    def facts(self) -> dict:
        return {"version": 1, "engine": "server", "encoder": True, "segmenter": False, "fingerprint": "0a1b"}

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Within the block, an image that is begun does not end."""
        self.gate.clear()
        self.begun.clear()
        try:
            yield
        finally:
            self.gate.set()

    def prepare(self, ids, earlier=None, reuse=True):
        self.prepared += 1
        return np.array(ids)

    def image(self, layout, z):
        if self.failing:
            raise ZeroDivisionError("a secret of the server")
        self.begun.set()
        assert self.gate.wait(60)
        self.images += 1
        others = np.full_like(layout, int(z[0])), np.full_like(layout, self.images % 256)
        return np.stack([layout, *others], axis=-1)

    def style_of(self, photo):
        return [float(value) for value in np.asarray(photo).mean((0, 1))]


class Client:
    """Sends requests to a server on this machine."""

    def __init__(self, port: int):
        self.port = port

    def __call__(self, method: str, path: str, body=None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers by lower-case name, and body of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, body, {key.replace("_", "-"): value for key, value in headers.items()})
            response = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()

    def error(self, *request, **headers) -> tuple[int, str]:
        """Status and line of an answer that says what is wrong."""
        status, answered, body = self(*request, **headers)
        assert answered["content-type"] == "application/json", (status, body)
        (line,) = json.loads(body).values()
        assert "\n" not in line
        return status, line

    def image(self, ids: np.ndarray, z: np.ndarray, number: int, session=SESSION, lane="picture"):
        """Status and pixels of an image; None instead of pixels unless the status is 200."""
        path = image_path(session, number, lane)
        status, _, body = self("POST", path, ids.astype(np.uint8).tobytes() + z.astype("<f4").tobytes())
        return status, np.asarray(Image.open(io.BytesIO(body))) if status == 200 else None


def image_path(session=SESSION, number: object = 1, lane="picture") -> str:
    return f"/api/image?session={session}&number={number}&lane={lane}"


@contextlib.contextmanager
def serving(painter, page: Path, *argv: str, token: str | None = None, load=None) -> Iterator[Client]:
    """Serve a painter in a thread on a free port."""
    # --serve only keeps it from looking for a run.
    args = parse_args(["--serve", "nowhere", *argv])
    listener, _ = listen("127.0.0.1", 0)
    server, _, _ = create_server(args, load or (lambda: painter), listener, token, page)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield Client(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


def write_page(folder: Path) -> Path:
    """A page of two files, and what is not served."""
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("<title>page</title>")
    (folder / "main.js").write_text("export {}")
    (folder / "notes.txt").write_text("not for the page")
    (folder.parent / "secret.js").write_text("secret")
    return folder
