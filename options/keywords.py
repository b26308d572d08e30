"""The options of a program for keyword arguments of Python, in place of a command line."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from options.field import OptionError, Preset, declared_options, suggestion
from options.method import MethodFacts
from options.parse import parse_embedded
from options.resolve import Program
from options.saved import load_saved


def options_of(
    program: type[Program],
    given: Mapping[str, Any],
    presets: Mapping[str, Preset],
    methods: Mapping[str, MethodFacts],
    saved: Path | None = None,
) -> Program:
    """The options of `program` as if `given` were typed, with the precedence of `options.resolve`.

    Args:
        given: values by name; paths and numbers of NumPy are accepted.
        saved: the file of the saved run's options, if there may be one.
    Raises:
        TypeError: a name is no option of the program.
        OptionError: a value is not allowed. The message names the option as a flag.
    """
    known = declared_options(program)
    typed = {name: plain(value) for name, value in given.items()}
    for name, value in typed.items():
        if name not in known:
            hint = suggestion(name, known)
            raise TypeError(f"{name}: no option of {program.program}" + (f"; {hint}" if hint else ""))
        try:
            known[name].check(value)
        except OptionError as error:
            raise OptionError(f"--{name} {value}: {error}") from None
    content = load_saved(saved) if saved is not None and saved.exists() else {}
    return parse_embedded(program, "", presets, methods, content, **typed)[0]


def plain(value: Any) -> Any:
    """A path as text, and a number of NumPy as one of Python; others as they are."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value.item() if getattr(value, "shape", None) == () else value
