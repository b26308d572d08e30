"""What a request holds: bounded while it is received, and checked. Imports no torch."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request

if TYPE_CHECKING:
    from scripts.paint.model import Painter

LANES = ("picture", "styles")
LARGEST_Z = 100.0
"""Numbers from N(0, 1) are below 10; far above this the networks overflow."""
PATIENCE_SECONDS = 30.0
"""For a whole body."""
DISCARDED_BYTES = 2**26
"""Of a body that is too large, so much is received and thrown away: browsers read no answer while they send."""

Result = TypeVar("Result")


def parameters_of(request: Request) -> tuple[str, int, str]:
    """Session, number and lane of a request for an image."""
    session, number, lane = (request.query_params.get(name, "") for name in ("session", "number", "lane"))
    if not re.fullmatch(r"[0-9a-f]{32}", session):
        raise HTTPException(400, "session: must be 32 digits 0-9 and a-f")
    if not re.fullmatch(r"[0-9]{1,15}", number):
        raise HTTPException(400, "number: must be 0 or a larger integer")
    if lane not in LANES:
        raise HTTPException(400, f"lane: must be {' or '.join(LANES)}")
    return session, int(number), lane


def parse_image_request(body: bytes, painter: Painter) -> tuple[np.ndarray, np.ndarray | None]:
    """The ids (H, W) uint8 and the latent (z_dim,) float32 of a body.

    Raises:
        HTTPException: with status 400, for a wrong size, ids that are none of the model's, or numbers that are no z.
    """
    pixels = painter.height * painter.width
    size = pixels + 4 * (painter.z_dim or 0)
    if len(body) != size:
        raise HTTPException(400, f"the body has {len(body)} bytes; {size} are needed, ids and then z")
    ids = np.frombuffer(body, np.uint8, pixels).reshape(painter.height, painter.width)
    if ids.max() >= painter.num_labels:
        row, column = np.unravel_index(ids.argmax(), ids.shape)
        raise HTTPException(
            400, f"the pixel in column {column} of row {row} has id {ids.max()}; ids are 0..{painter.num_labels - 1}"
        )
    if painter.z_dim is None:
        return ids, None
    z = np.frombuffer(body, "<f4", offset=pixels).astype(np.float32)
    if not (np.abs(z) <= LARGEST_Z).all():  # also for NaN
        raise HTTPException(400, f"z: must be numbers from -{LARGEST_Z:g} to {LARGEST_Z:g}")
    return ids, z


async def read_body(request: Request, most: int) -> bytes:
    """The body of a request, of at most this many bytes, counted while they come.

    Raises:
        HTTPException: 411 without a body, 413 for a larger one, 408 if it takes too long.
    """
    declared = request.headers.get("content-length")
    if declared is None and "transfer-encoding" not in request.headers:
        raise HTTPException(411, "a body is needed, with its Content-Length")
    if declared is not None and int(declared) > max(most, DISCARDED_BYTES):  # digits: HTTP servers refuse others
        raise HTTPException(413, f"the body has {declared} bytes; at most {most} are taken")
    try:
        return await asyncio.wait_for(_collect(request, most), PATIENCE_SECONDS)
    except asyncio.TimeoutError:
        raise HTTPException(408, f"the body did not come within {PATIENCE_SECONDS:.0f} s") from None


async def discard_body(request: Request) -> None:
    """Receive a body and throw it away, as far as `read_body` would."""
    with contextlib.suppress(HTTPException):
        await read_body(request, 0)


async def _collect(request: Request, most: int) -> bytes:
    body, count = bytearray(), 0
    async for chunk in request.stream():
        count += len(chunk)
        if count > max(most, DISCARDED_BYTES):
            break
        if count <= most:
            body += chunk
    if count > most:
        raise HTTPException(413, f"the body has more than {most} bytes")
    return bytes(body)


async def unless_gone(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`, which is cancelled when the client closes the connection. The body has been read."""
    task = asyncio.create_task(work)
    gone = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise HTTPException(408, "the client is gone")  # nobody reads this
        return task.result()
    finally:
        task.cancel()
        gone.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
