"""`parse_options`: the one way from a command line to an options object."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from options.command_line import CommandLine, explained
from options.field import OptionError, Preset
from options.resolve import Program, resolve


def parse_options(program: type[Program], argv: Sequence[str] | None, presets: Mapping[str, Preset]) -> Program:
    """The options of a program for a command line; `resolve` states the precedence.

    Args:
        program: `TrainOptions` or another class composed of groups, among them `RunOptions` and `LayoutOptions`.
        argv: words after the program's name; None for those of this process.
        presets: preset of every data set; its keys are the choices of `--dataset_mode`.

    Raises:
        SystemExit: status 2 after one line on standard error, for anything the user got wrong; 0 after `--help`.
    """
    command_line = CommandLine(program, presets)
    typed = command_line.typed(sys.argv[1:] if argv is None else argv)
    try:
        opt, warnings = resolve(program, command_line.options, presets, typed)
    except OptionError as error:
        command_line.error(str(error))
    for warning in warnings:
        command_line.warn(warning)
    return opt


def parse_embedded(
    program: type[Program], text: str, presets: Mapping[str, Preset], saved: Mapping[str, Any], **given: Any
) -> tuple[Program, set[str]]:
    """The options of a program for flags that are the value of another program's option.

    Args:
        text: the flags, as in a shell.
        saved: options by name of the run that they are about, which are not read from its file.
        given: options that count as typed.
    Returns:
        (options object, names of the options in `text`).
    Raises:
        OptionError: anything the user got wrong.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise OptionError(f"{text}: {str(error).lower()}") from None
    command_line = _Embedded(program, presets)
    typed = command_line.typed(words)
    return resolve(program, command_line.options, presets, typed | given, saved)[0], set(typed)


class _Embedded(CommandLine):
    """A command line whose mistakes are raised, for the caller to report."""

    def error(self, message: str) -> NoReturn:
        raise OptionError(explained(message))
