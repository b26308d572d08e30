"""The order of pairs and sides for a participant, a function of study and name; the same algorithm as in script.js.

The page draws it; the report draws it again to detect answers that are not from the page.
"""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
BITS = 2**32 - 1


def order(study: str, participant: str, count: int) -> tuple[list[int], list[int]]:
    """Return, for position 0, 1, ..., the number of the pair and which of its two images is on the left.

    Each image is on the left in half of the positions, up to one if `count` is odd.
    """
    random = mulberry32(fnv1a(f"{study}/{participant}"))
    pairs = shuffled(list(range(count)), random)
    first = int(random() * 2)
    return pairs, shuffled([(first + place) % 2 for place in range(count)], random)


def shuffled(items: list[T], random: Callable[[], float]) -> list[T]:
    """Shuffle the items (Fisher-Yates)."""
    items = list(items)
    for last in range(len(items) - 1, 0, -1):
        other = int(random() * (last + 1))
        items[last], items[other] = items[other], items[last]
    return items


def fnv1a(text: str) -> int:
    """The 32-bit FNV-1a hash of a text in UTF-8, used as a seed."""
    value = 0x811C9DC5
    for byte in text.encode("utf-8"):
        value = (value ^ byte) * 0x01000193 & BITS
    return value


def mulberry32(seed: int) -> Callable[[], float]:
    """Mulberry32, Tommy Ettinger's generator of numbers in [0, 1), whose 32-bit state is easy to port to JavaScript."""
    state = seed

    def random() -> float:
        nonlocal state
        state = state + 0x6D2B79F5 & BITS
        mixed = (state ^ state >> 15) * (state | 1) & BITS
        mixed ^= mixed + ((mixed ^ mixed >> 7) * (mixed | 61) & BITS) & BITS
        return (mixed ^ mixed >> 14) / 2**32

    return random
