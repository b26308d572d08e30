"""Parses a command line into an options object."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from options.command_line import CommandLine, explained
from options.config import with_config
from options.field import OptionError, Preset
from options.method import SPADE_ALONE, MethodFacts
from options.resolve import Program, resolve


def parse_options(
    program: type[Program],
    argv: Sequence[str] | None,
    presets: Mapping[str, Preset],
    methods: Mapping[str, MethodFacts] = SPADE_ALONE,
) -> Program:
    """The options of a program for a command line; for the precedence see `resolve`.

    Args:
        program: `TrainOptions` or another class composed of groups, among them `RunOptions` and `LayoutOptions`.
        argv: words after the program's name; None for those of `sys.argv`.
        presets: preset of every data set; its keys are the choices of `--dataset_mode`.
        methods: facts of every method; its keys are the choices of `--method`.

    Raises:
        SystemExit: status 2 after one line on standard error, for any mistake of the user; 0 after `--help`.
    """
    command_line = CommandLine(program, presets, methods)
    typed = command_line.typed(sys.argv[1:] if argv is None else argv)
    try:
        typed = with_config(command_line.options, typed)
        opt, warnings = resolve(program, command_line.options, presets, typed, methods=methods)
    except ValueError as error:  # `OptionError`, and what a method refuses
        command_line.error(str(error))
    for warning in warnings:
        command_line.warn(warning)
    return opt


def parse_embedded(
    program: type[Program],
    text: str,
    presets: Mapping[str, Preset],
    methods: Mapping[str, MethodFacts],
    saved: Mapping[str, Any],
    **given: Any,
) -> tuple[Program, set[str]]:
    """The options of a program for flags in the value of another program's option.

    Args:
        text: the flags, as in a shell.
        saved: options of the saved run by name, instead of its file.
        given: options that are treated as typed.
    Returns:
        (options object, names of the options in `text`).
    Raises:
        OptionError: any mistake of the user.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise OptionError(f"{text}: {str(error).lower()}") from None
    command_line = _Embedded(program, presets, methods)
    typed = with_config(command_line.options, command_line.typed(words))
    return resolve(program, command_line.options, presets, typed | given, saved, methods)[0], set(typed)


class _Embedded(CommandLine):
    """A command line that raises errors instead of printing them."""

    def error(self, message: str) -> NoReturn:
        raise OptionError(explained(message))
