"""Serve a folder of static files on this machine, with the headers that let the page use threads."""

from __future__ import annotations

import functools
import http.server
import json
from pathlib import Path
from typing import ClassVar

from util.errors import InputError

PAGE_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; style-src 'self'; script-src 'self' 'wasm-unsafe-eval'; "
    "worker-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'"
)
"""Nothing is loaded from elsewhere; `'wasm-unsafe-eval'` lets the runtime compile WebAssembly, and no JavaScript."""
HEADERS = {
    # Both together isolate the page from others, on which condition browsers give it memory that threads share.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Content-Security-Policy": f"{PAGE_POLICY}; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


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
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def list_directory(self, path) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args) -> None:
        """Print nothing for a request."""


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
    try:
        server = http.server.ThreadingHTTPServer((host, port), functools.partial(Handler, directory=str(folder)))
    except OSError as error:
        raise InputError(f"--port {port}: cannot be used on {host} ({error.strerror}); give another one") from None
    with server:
        print(f"Painting {name}: http://{host}:{server.server_port}/  (Ctrl-C ends)", flush=True)
        server.serve_forever()
