"""Names of a package that are imported when they are asked for, so that the package itself is quick to import."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, TypeVar

Value = TypeVar("Value")


def late(package: str, places: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` (PEP 562) of a package that has some of its names from modules that are slow to import.

    Args:
        package: its `__name__`.
        places: name -> module that defines it.
    """

    def get(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(places[name]), name)

    return get


class LateTable(Mapping[str, Value]):
    """A table whose values are imported when they are asked for.

    Args:
        places: key -> "module:name".
    """

    def __init__(self, places: Mapping[str, str]):
        self.places = places

    def __getitem__(self, key: str) -> Value:
        module, _, name = self.places[key].partition(":")
        return getattr(import_module(module), name)

    def __contains__(self, key: object) -> bool:
        return key in self.places

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)
