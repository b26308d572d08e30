"""Many people who draw at once on a server that runs, and whether each got their own images.

python -m tests.scripts.paint.drawing PORT [--clients 20] [--seconds 30] [--pid PID]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.scripts.paint.painters import Client

BURST = 3
"""Requests at once, of which the newest must win."""
BITS = 8
"""A client's number, in as many blocks in the first rows of its maps."""
TOLERANCE = 2
"""Levels by which an image of an edited map may differ from one that is made alone: rounding."""


@dataclass
class Drawn:
    """What one client saw.

    Attributes:
        images: (ids, z, pixels) of every image.
        superseded: how many requests got 409.
        errors: what should not have happened, in words.
        seconds: from request to image.
    """

    images: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=list)
    superseded: int = 0
    errors: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def draw(client: Client, number: int, seconds: float, facts: dict) -> Drawn:
    """Draw strokes for a while as client `number`, mostly one at a time, sometimes faster than the server."""
    rng = np.random.default_rng(number)
    height, width, labels = facts["height"], facts["width"], facts["num_labels"]
    ids = np.zeros((height, width), dtype=np.uint8)
    for bit in range(BITS):
        ids[: height // 8, bit * width // BITS : (bit + 1) * width // BITS] = number >> bit & 1
    z = np.full(facts["z_dim"] or 0, number / 10, dtype=np.float32)
    drawn, count, session = Drawn(), 0, f"{number:032x}"
    end = time.monotonic() + seconds

    def ask(number: int, ids: np.ndarray):
        began = time.monotonic()
        status, pixels = client.image(ids, z, number, session)
        return number, status, ids, pixels, time.monotonic() - began

    with ThreadPoolExecutor(BURST) as pool:
        while time.monotonic() < end:
            asked = []
            for _ in range(BURST if rng.random() < 0.3 else 1):
                row, column = rng.integers(height // 8, height), rng.integers(0, width)
                ids = ids.copy()
                ids[row : row + height // 10, column : column + width // 10] = rng.integers(0, labels)
                count += 1
                asked.append(pool.submit(ask, count, ids))
            for future in asked:
                number_asked, status, map_asked, pixels, took = future.result()
                drawn.superseded += status == 409
                if status == 200:
                    drawn.images.append((map_asked, z, pixels))
                    drawn.seconds.append(took)
                elif status != 409 or number_asked == count:
                    drawn.errors.append(f"client {number}: request {number_asked} of {count} got {status}")
    return drawn


def draw_together(port: int, clients: int, seconds: float, facts: dict | None = None) -> list[Drawn]:
    """Let clients 1, 2, ... draw at the same time."""
    facts = facts or json.loads(Client(port)("GET", "/model.json")[2])
    with ThreadPoolExecutor(clients) as pool:
        drawing = [pool.submit(draw, Client(port), number + 1, seconds, facts) for number in range(clients)]
        return [one.result() for one in drawing]


def strangers(port: int, drawn: list[Drawn], samples: int = 3) -> list[str]:
    """Which images are not what the server makes of their map alone, in a session of its own; some are looked at."""
    found = []
    for number, one in enumerate(drawn):
        step = max(1, len(one.images) // samples)
        for place, (ids, z, pixels) in enumerate(one.images[::step]):
            status, alone = Client(port).image(ids, z, 0, f"{number:016x}{place:016x}"[::-1])
            difference = 255 if alone is None else int(np.abs(alone.astype(int) - pixels).max())
            if difference > TOLERANCE:
                found.append(f"client {number + 1}: image {place * step} differs by {difference} (status {status})")
    return found


def memory_mb(pid: int) -> dict[str, float]:
    """Memory of a process in MB: now, and the most it had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kib = {line.partition(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    return {name: round(int(value) * 1024 / 1e6, 1) for name, value in kib.items()}


def main() -> None:
    """Print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--pid", type=int, help="of the server, to print its memory")
    args = parser.parse_args()
    if args.pid:
        print(f"memory before, MB: {memory_mb(args.pid)}")
    drawn = draw_together(args.port, args.clients, args.seconds)
    times = sorted(second for one in drawn for second in one.seconds)
    images = [len(one.images) for one in drawn]
    print(f"{args.clients} clients, {args.seconds:g} s: {sum(images)} images, {min(images)} to {max(images)} each")
    print(f"superseded: {sum(one.superseded for one in drawn)}")
    print(f"seconds to an image: median {statistics.median(times):.2f}, longest {times[-1]:.2f}")
    print(f"errors: {[error for one in drawn for error in one.errors]}")
    print(f"images that are not those of their map: {strangers(args.port, drawn)}")
    if args.pid:
        print(f"memory after, MB: {memory_mb(args.pid)}")


if __name__ == "__main__":
    main()
