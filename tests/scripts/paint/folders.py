"""A local web server for a folder, as `python -m http.server` is one."""

import contextlib
import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Answers with files, and prints nothing."""

    def do_GET(self):
        if self.path == "/favicon.ico":  # browsers ask for it where a page names none, and log that there is none
            self.send_response(204)
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, format, *args):
        pass


@contextlib.contextmanager
def served(folder: Path, handler=QuietHandler) -> Iterator[str]:
    """Serve the files of a folder on a free port of this machine; yield the address of its root, which ends in "/"."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
