"""Serve a folder of static files on this machine, with the headers that let the page use threads."""

from __future__ import annotations

import functools
import http.server
import json
import socket
from pathlib import Path
from typing import ClassVar

from scripts.paint.addresses import listen, public_names
from scripts.paint.headers import ISOLATED
from util.errors import InputError


class Handler(http.server.SimpleHTTPRequestHandler):
    """Answers with the files of a folder, and lists none."""

    extensions_map: ClassVar[dict[str, str]] = {  # whatever this machine's table says: browsers insist on these
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
        ".onnx": "application/octet-stream",
        ".json": "application/json",
        ".svg": "image/svg+xml",
    }

    def end_headers(self) -> None:
        for name, value in ISOLATED.items():
            self.send_header(name, value)
        super().end_headers()

    def list_directory(self, path) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args) -> None:
        """Print nothing for a request."""


class Server(http.server.ThreadingHTTPServer):
    """Serves a folder at a socket that listens already."""

    def __init__(self, listener: socket.socket, folder: Path):
        handler = functools.partial(Handler, directory=str(folder))
        super().__init__(listener.getsockname(), handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener


def serve(folder: Path, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve a folder that `export` wrote, until Ctrl-C.

    Raises:
        InputError: it is none, or the address cannot be used.
    """
    folder = Path(folder)
    try:
        name = json.loads((folder / "model.json").read_text(encoding="utf-8"))["name"]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"--serve {folder}: was not written by --export, which makes such folders") from None
    listener, is_local = listen(host, port)
    with Server(listener, folder) as server:
        port = listener.getsockname()[1]
        addresses = [f"http://{own}:{port}/" for own in public_names(host, listener)]
        print(f"Painting {name}: {' or '.join(addresses)}  (Ctrl-C ends)", flush=True)
        if not is_local:
            print(
                "Other machines reach this page, too, and no token is asked for; without HTTPS their browsers compute "
                "with one thread.",
                flush=True,
            )
        server.serve_forever()
