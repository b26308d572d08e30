"""The routes of the paint page, and the program that serves them."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import re
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from scripts.paint.addresses import is_unspecified, listen, public_names
from scripts.paint.connections import PromptProtocol
from scripts.paint.guard import Guard, error_response
from scripts.paint.jobs import BusyError, Jobs, SupersededError
from scripts.paint.options import check_run
from scripts.paint.requests import discard_body, parameters_of, parse_image_request, read_body, unless_gone

if TYPE_CHECKING:  # torch is imported late
    from scripts.paint.model import Painter

PAGE = Path(__file__).with_name("page")
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
"""Types of the files of the page by suffix; others are not served."""
MOST_CONNECTIONS = 512
UPLOADS = 8
"""Photos that are received at once, which bounds their memory."""

Result = TypeVar("Result")


class PaintServer:
    """Answers the requests of the page. The model is loaded in the thread that computes; requests wait for it.

    Args:
        load: imports and loads the painter.
        page: folder of the page's files; which there are is looked up now.
        stop: called when `load` has failed.

    Attributes:
        failure: what `load` raised.
    """

    def __init__(self, load: Callable[[], Painter], page: Path = PAGE, stop: Callable[[], None] = lambda: None):
        self.failure: Exception | None = None
        self._load, self._stop = load, stop
        self._jobs = Jobs()
        self._uploads = asyncio.Semaphore(UPLOADS)
        self._milliseconds: float | None = None
        files = {f"/{path.relative_to(page).as_posix()}": path for path in sorted(page.rglob("*"))}
        files = {address: path for address, path in files.items() if path.suffix in KINDS and path.is_file()}
        self._files = files | {"/": page / "index.html"}
        routes = [
            *(Route(address, self._file) for address in self._files),
            Route("/model.json", self._facts),
            Route("/scenes/{name}", self._scene),
            Route("/api/image", self._image, methods=["POST"]),
            Route("/api/style", self._style, methods=["POST"]),
            Route("/api/labels", self._labels, methods=["POST"]),
            Route("/api/status", self._status),
        ]
        handlers = {HTTPException: _refused, Exception: _failed}
        self.app = Starlette(routes=routes, lifespan=self._lifespan, exception_handlers=handlers)
        self.app.router.redirect_slashes = False

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        self._painter: asyncio.Future[Painter] = asyncio.get_running_loop().create_future()
        loading = asyncio.create_task(self._load_painter())
        try:
            yield
        finally:
            loading.cancel()
            self._jobs.close()

    async def _load_painter(self) -> None:
        try:
            painter, self._model, self._sessions = await self._jobs.run("load", 0, self._load_all)
        except Exception as error:
            self.failure = error
            self._painter.cancel()
            self._stop()
        else:
            self._painter.set_result(painter)

    def _load_all(self):
        from scripts.paint.sessions import Sessions  # imports torch

        painter = self._load()
        return painter, painter.facts(), Sessions()

    async def _loaded(self) -> Painter:
        """The painter, once it is loaded."""
        await asyncio.wait([self._painter])
        if self._painter.cancelled():
            raise HTTPException(503, "the model could not be loaded; the terminal says why")
        return self._painter.result()

    async def _file(self, request: Request) -> Response:
        path = self._files[request.scope["path"]]  # the routes are those of these files
        return Response(await run_in_threadpool(path.read_bytes), media_type=KINDS[path.suffix])

    async def _facts(self, request: Request) -> Response:
        await self._loaded()
        return JSONResponse(self._model)

    async def _status(self, request: Request) -> Response:
        is_ready = self._painter.done() and not self._painter.cancelled()
        device = self._painter.result().device_name if is_ready else "loading the model"
        return JSONResponse({"device": device, "waiting": len(self._jobs), "milliseconds": self._milliseconds})

    async def _scene(self, request: Request) -> Response:
        match = re.fullmatch(r"([0-9]{1,4})\.(png|jpg)", request.path_params["name"])
        scenes = (await self._loaded()).scenes
        if match is None or scenes is None or int(match[1]) >= scenes.count:
            raise HTTPException(404, "there is no such scene")
        content = (await run_in_threadpool(scenes.files, int(match[1])))[match[2]]
        return Response(content, media_type={"png": "image/png", "jpg": "image/jpeg"}[match[2]])

    async def _image(self, request: Request) -> Response:
        session, number, lane = parameters_of(request)
        painter = await self._loaded()
        if request.query_params.get("model") not in (None, self._model.get("fingerprint")):
            await discard_body(request)
            line = "the server has another model now; reload this page"
            return JSONResponse({"error": line, "reload": True}, 409)
        pixels = painter.height * painter.width
        body = await read_body(request, pixels + 4 * (painter.z_dim or 0))
        ids, z = parse_image_request(body, painter)

        def work() -> tuple[bytes, float]:
            began = time.perf_counter()
            layout = painter.prepare(ids, self._sessions.get(session), self._sessions.may_grow(session))
            image = painter.image(layout, z)
            self._sessions.put(session, layout)
            return png(image), (time.perf_counter() - began) * 1000

        content, milliseconds = await self._run(request, (session, lane), number, work)
        self._milliseconds = round(milliseconds, 1)
        return Response(content, media_type="image/png", headers={"X-Milliseconds": f"{milliseconds:.1f}"})

    async def _style(self, request: Request) -> Response:
        painter = await self._loaded()
        if not self._model["encoder"]:
            raise HTTPException(404, "this model takes no styles from photos")
        return JSONResponse({"z": await self._of_photo(request, painter.style_of)})

    async def _labels(self, request: Request) -> Response:
        painter = await self._loaded()
        if not self._model["segmenter"]:
            raise HTTPException(404, "this server does not label photos; start it with --segmenter")
        ids = await self._of_photo(request, painter.labels_of)
        return Response(png(ids), media_type="image/png")

    async def _of_photo(self, request: Request, compute: Callable[[Any], Result]) -> Result:
        """What a function makes of the photo in the body."""
        from scripts.paint import photos  # imports torch

        kind = request.headers.get("content-type", "image/*").partition(";")[0].strip().lower()
        if kind not in ("image/*", "image/png", "image/jpeg", "image/webp", "application/octet-stream"):
            raise HTTPException(415, f"{kind[:80]}: send a photo as PNG, JPEG or WebP")
        async with self._uploads:
            content = await read_body(request, photos.MOST_BYTES)
            try:
                return await self._run(request, object(), 0, lambda: compute(photos.read_photo(content)))
            except photos.PhotoKindError as error:
                raise HTTPException(415, str(error)) from None
            except photos.PhotoError as error:
                raise HTTPException(400, str(error)) from None

    async def _run(self, request: Request, key: Any, number: int, work: Callable[[], Result]) -> Result:
        """Compute in turn. What waits for a client that is gone is dropped."""
        try:
            return await unless_gone(request, self._jobs.run(key, number, work))
        except SupersededError:
            raise HTTPException(409, "a newer request of this page came") from None
        except BusyError:
            raise HTTPException(503, "too many requests wait; try again", {"Retry-After": "1"}) from None


def png(pixels: np.ndarray) -> bytes:
    """A PNG of pixels (H, W, 3), or (H, W) for gray, compressed little: it goes to the same machine, mostly."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    own = {"Not Found": "there is nothing at this address", "Method Not Allowed": f"{request.method}: not taken here"}
    return error_response(error.status_code, own.get(error.detail, error.detail), dict(error.headers or {}))


async def _failed(request: Request, error: Exception) -> Response:  # Starlette raises it again, and `Guard` reports
    return error_response(500, "internal error")


def create_server(
    args: argparse.Namespace, load: Callable[[], Painter], listener: socket.socket, token: str | None, page: Path = PAGE
) -> tuple[uvicorn.Server, PaintServer, list[str]]:
    """The server of the page behind its guard, not yet running; what it serves; and the addresses of the page."""
    port = listener.getsockname()[1]
    names = public_names(args.host, listener)
    hosts = [f"{host}:{port}" for host in ("127.0.0.1", "localhost", "[::1]", *map(str.lower, names))]
    hosts += [host.removesuffix(":80") for host in hosts if port == 80]  # browsers leave it out
    hosts += map(str.lower, args.allow_host)
    paint = PaintServer(load, page, stop=lambda: setattr(server, "should_exit", True))
    guard = Guard(paint.app, hosts, token, port if is_unspecified(listener) else None, cookie=f"paint_token_{port}")
    config = uvicorn.Config(
        guard,
        http=PromptProtocol,
        ws="none",
        log_config=None,
        log_level="critical",
        access_log=False,  # addresses hold the token
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    query = f"?token={token}" if token else ""
    return server, paint, [f"http://{name}:{port}/{query}" for name in names]


def serve(args: argparse.Namespace, load: Callable[[], Painter]) -> None:
    """Serve the page until Ctrl-C.

    Raises:
        InputError: the address cannot be used, or the model cannot be loaded.
        KeyboardInterrupt: after Ctrl-C.
    """
    check_run(args)
    listener, is_local = listen(args.host, args.port)
    token = args.token or (None if is_local else secrets.token_urlsafe(16))
    server, paint, addresses = create_server(args, load, listener, token)
    print(f"Painting {args.name}: {' or '.join(addresses)}  (Ctrl-C ends)", flush=True)
    if not is_local:
        print("Other machines reach this page, too; it refuses those without the token in its address.", flush=True)
    server.run(sockets=[listener])
    if paint.failure is not None:
        raise paint.failure
