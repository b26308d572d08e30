"""Reading a TOML file."""

import sys
from pathlib import Path
from typing import Any

from options.field import OptionError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports] (the same library, in Python itself since 3.11)


def read_toml(path: Path, flag: str) -> dict[str, Any]:
    """The content of a TOML file that the option `flag` names.

    Raises:
        FileNotFoundError: there is no such file.
        OptionError: it cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise OptionError(f"{flag} {path}: cannot be read ({error.strerror})") from None
    except ValueError as error:  # TOMLDecodeError, UnicodeDecodeError
        raise OptionError(f"{flag} {path}: is no TOML file ({error})") from None
