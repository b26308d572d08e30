# dominate ships no types, and its classes are built in a way that pyright reads wrongly: everything in it is Any.
from typing import Any

def __getattr__(name: str) -> Any: ...
