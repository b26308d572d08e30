"""A small server with the routes of the paint page: its pictures are a plain function of the label map and z."""

from __future__ import annotations

import contextlib
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
from PIL import Image

from scripts.paint.headers import HEADERS
from tests.scripts.browser import PATIENCE

PAGE = Path(__file__).parents[3] / "scripts" / "paint" / "page"
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class PageServer(ThreadingHTTPServer):
    """Serve the page for one model.

    Args:
        model: what model.json says.
        scenes: pairs of a label map (H, W) uint8 and a photo (H, W, 3) uint8, by number.

    Attributes:
        broken: answer of /api/image in place of a picture: a status, 0 for a closed connection, or None.
        gate: pictures wait until it is set.
        lanes: the lane of each picture that was made.
        requests: the ids and z of each picture that was made, in the same order.
    """

    daemon_threads = True

    def __init__(self, model: dict, scenes=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.model, self.scenes = model, scenes or (lambda number: None)
        self.broken, self.gate = None, threading.Event()
        self.gate.set()
        self.lanes, self.requests = [], []

    def handle_error(self, request, client_address):
        """Print nothing: pages close connections, and tests break them on purpose."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    def picture(self, ids: np.ndarray, z: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8: the class colors, brighter or darker in each channel by the first three numbers of z."""
        colors = np.array([entry["color"] for entry in self.model["classes"]], dtype=np.float32)
        tint = np.resize(z, 3) if z.size else np.zeros(3)
        return np.clip(np.rint(colors[ids] * 0.7 + 40 + 20 * tint), 0, 255).astype(np.uint8)


class Handler(BaseHTTPRequestHandler):
    server: PageServer

    def log_message(self, *_):
        """Print nothing."""

    def answer(self, body: bytes, kind: str, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        headers |= {"Content-Type": kind, "Content-Length": str(len(body))}
        for name, value in (headers | HEADERS).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path = urlsplit(self.path).path.lstrip("/") or "index.html"
        if path == "model.json":
            return self.answer(json.dumps(self.server.model).encode(), "application/json")
        if path == "api/status":
            return self.answer(b'{"device": "test device", "waiting": 0, "milliseconds": 1}', "application/json")
        if path.startswith("scenes/"):
            return self.scene(path)
        file = PAGE / path
        if file.parent != PAGE or not file.is_file():
            return self.answer(b'{"error": "not found"}', "application/json", 404)
        return self.answer(file.read_bytes(), TYPES[file.suffix])

    def scene(self, path: str) -> None:
        number, kind = path.removeprefix("scenes/").split(".")
        ids, photo = self.server.scenes(int(number))
        image = Image.fromarray(ids if kind == "png" else photo)
        if kind == "png":
            image = Image.fromarray(ids, "P")
            image.putpalette(bytes(channel for entry in self.server.model["classes"] for channel in entry["color"]))
        file = io.BytesIO()
        image.save(file, "PNG" if kind == "png" else "JPEG")
        self.answer(file.getvalue(), f"image/{'png' if kind == 'png' else 'jpeg'}")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        url = urlsplit(self.path)
        model, query = self.server.model, {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/api/style":
            brightness = np.asarray(Image.open(io.BytesIO(body)).convert("RGB")).mean((0, 1)) / 64 - 2
            return self.answer(
                json.dumps({"z": np.resize(brightness, model["z_dim"]).tolist()}).encode(), "application/json"
            )
        if url.path == "/api/labels":
            ids = np.full((model["height"], model["width"]), 1, dtype=np.uint8)
            file = io.BytesIO()
            Image.fromarray(ids).save(file, "PNG")
            return self.answer(file.getvalue(), "image/png")
        self.server.gate.wait(PATIENCE)
        if self.server.broken is not None:
            if self.server.broken == 0:
                return self.connection.close()
            return self.answer(b'{"error": "the test wants this"}', "application/json", self.server.broken)
        if query.get("model") != model.get("fingerprint"):
            error = {"error": "the server has another model now; reload this page", "reload": True}
            return self.answer(json.dumps(error).encode(), "application/json", 409)
        pixels = model["height"] * model["width"]
        ids = np.frombuffer(body[:pixels], dtype=np.uint8).reshape(model["height"], model["width"])
        z = np.frombuffer(body[pixels:], dtype="<f4")
        assert z.size == (model["z_dim"] or 0) and len(query["session"]) == 32 and int(query["number"]) >= 0
        self.server.lanes.append(query["lane"])
        self.server.requests.append((ids, z))
        file = io.BytesIO()
        Image.fromarray(self.server.picture(ids, z)).save(file, "PNG")
        self.answer(file.getvalue(), "image/png", X_Milliseconds="7")


@contextlib.contextmanager
def page_server(model: dict, scenes=None) -> Iterator[PageServer]:
    """Serve in a thread while the block runs."""
    server = PageServer(model, scenes)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
