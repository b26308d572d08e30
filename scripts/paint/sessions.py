"""The prepared layouts of those who paint, so that an edit of a label map costs little; bounded in number and bytes."""

from __future__ import annotations

import contextlib
import ctypes
from collections import OrderedDict
from collections.abc import Mapping

from torch import Tensor, nn

from models.networks.layout import SemanticLayout

MOST = 32
MOST_BYTES = 2**30
LARGEST = 4
"""A session grows to a quarter of the bytes at most: with every edit its layout keeps more rows of gamma and beta."""


class Sessions:
    """The newest layout of each session; the least recently used ones are dropped. A dropped session is only slower.

    Args:
        most: layouts to keep.
        most_bytes: bytes of all tensors that they refer to.
    """

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES):
        self.most, self.most_bytes = most, most_bytes
        self._kept: OrderedDict[str, tuple[SemanticLayout, int]] = OrderedDict()  # the least recently used first

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def bytes(self) -> int:
        """Bytes of everything that is kept."""
        return sum(size for _, size in self._kept.values())

    def get(self, session: str) -> SemanticLayout | None:
        """The layout of a session; None if there is none, or no longer."""
        layout, _ = self._kept.get(session, (None, 0))
        return layout

    def may_grow(self, session: str) -> bool:
        """Whether an edit may reuse the layout of a session, and keep what it has; otherwise it is to begin anew."""
        _, size = self._kept.get(session, (None, 0))
        return size <= self.most_bytes // max(LARGEST, len(self._kept))

    def put(self, session: str, layout: SemanticLayout) -> None:
        """Keep the layout of a session in place of its earlier one."""
        before = self.bytes
        self._kept[session] = layout, held_bytes(layout)
        self._kept.move_to_end(session)
        while len(self._kept) > self.most or self.bytes > self.most_bytes:
            self._kept.popitem(last=False)
        if self.bytes < before:
            give_back_freed_memory()


def give_back_freed_memory() -> None:
    """Return freed memory to the system, where the C library can; glibc would keep it in pieces between others."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def held_bytes(value: object) -> int:
    """Bytes of all tensors that an object refers to, but for those of networks; memory of several counts once."""
    found: dict[int, int] = {}
    seen: set[int] = set()
    todo = [value]
    while todo:
        item = todo.pop()
        if id(item) in seen or isinstance(item, (nn.Module, type)):
            continue
        seen.add(id(item))
        if isinstance(item, Tensor):
            storage = item.untyped_storage()
            found[storage.data_ptr()] = storage.nbytes()
        elif isinstance(item, Mapping):
            todo += item.values()
        elif isinstance(item, (list, tuple)):
            todo += item
        elif hasattr(item, "__dict__"):
            todo += vars(item).values()
    return sum(found.values())
