"""`parse_options`: the one way from a command line to an options object."""

import dataclasses
import sys
from collections.abc import Mapping, Sequence

from options.command_line import CommandLine
from options.field import OptionError, Preset, declared_options
from options.resolve import Program, resolve


def parse_options(program: type[Program], argv: Sequence[str] | None, presets: Mapping[str, Preset]) -> Program:
    """The options of a program for a command line; `resolve` has the rules of precedence.

    Args:
        program: `TrainOptions` or `TestOptions`.
        argv: words after the program's name; None for those of this process.
        presets: preset of every data set; its keys are the choices of `--dataset_mode`.

    Raises:
        SystemExit: status 2 after one line on standard error, for anything the user got wrong; 0 after `--help`.
    """
    options = dict(declared_options(program))
    options["dataset_mode"] = dataclasses.replace(options["dataset_mode"], choices=tuple(presets))
    command_line = CommandLine(program.program, options, presets, program.is_train)
    typed = command_line.typed(sys.argv[1:] if argv is None else argv)
    try:
        opt, warnings = resolve(program, options, presets, typed)
    except OptionError as error:
        command_line.error(str(error))
    for warning in warnings:
        command_line.warn(warning)
    return opt
